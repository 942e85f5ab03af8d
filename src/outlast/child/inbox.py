"""What the runner tells a child, read by a thread of its own so that a blocked loop still hears."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from functools import partial

from outlast.child.code import ImportedCode
from outlast.child.lanes import Lanes
from outlast.child.outbox import Outbox
from outlast.child.parting import Parting
from outlast.child.teller import Teller
from outlast.system.threads import OwnThread
from outlast.wire.frames import Message
from outlast.wire.handover import attempts_in


class Inbox:
    """The messages that follow the start message.

    `parting` hears, on the loop, when this process is to leave. `cut_off` leaves a note that there are no more
    messages. `give_up(why)` ends this process, which would be deaf. `lanes` take the attempts, which come only once
    this process has said that it is ready; `teller` tells callbacks of their ends.
    """

    def __init__(
        self,
        messages: Iterator[Message],
        parting: Parting,
        teller: Teller,
        cut_off: Callable[[], None],
        give_up: Callable[[str], None],
    ) -> None:
        self.parting = parting
        self.teller = teller
        self._messages = messages
        self._cut_off = cut_off
        self._give_up = give_up
        self.lanes: Lanes | None = None
        self._is_needed = asyncio.Event()
        self._has_ended = False

    def serve(self, code: ImportedCode, outbox: Outbox) -> None:
        """Act on messages from now on. On the loop."""
        work = partial(self._serve, code, outbox, asyncio.get_running_loop())
        OwnThread("outlast-inbox", work, lambda error: self._give_up(f"its inbox failed: {error}")).start()

    def end(self) -> None:
        """This process leaves: what the runner says from now on, also by hanging up, concerns nobody here."""
        self._has_ended = True

    async def is_needed(self) -> bool:
        """Wait until the runner wants this process to enter the lifespan; False if it is to leave instead."""
        await self._is_needed.wait()
        return not self.parting.is_asked

    def _serve(self, code: ImportedCode, outbox: Outbox, loop: asyncio.AbstractEventLoop) -> None:
        try:
            for message in self._messages:
                self._act(message, code, outbox, loop)
        except (OSError, RuntimeError):  # the channel is given up, the loop closed
            if not self._has_ended:
                raise
        if not self._has_ended:
            self._cut_off()
            _end()

    def _act(self, message: Message, code: ImportedCode, outbox: Outbox, loop: asyncio.AbstractEventLoop) -> None:
        match message.get("type"):
            case "run" if self.lanes:
                self.lanes.take(attempts_in(message))
            case "know" if self.lanes:
                self.lanes.look(attempts_in(message))
            case "stop" if self.lanes:
                self.lanes.stop(int(message["task"]))
            case "check" if code.has_changed():
                outbox.send({"type": "stale"})
            case "begin":
                loop.call_soon_threadsafe(self._is_needed.set)
            case "drain":
                loop.call_soon_threadsafe(self._leave, self.parting.ask)
            case "leave":
                loop.call_soon_threadsafe(self._leave, self.parting.hurry)

    def _leave(self, say: Callable[[], None]) -> None:
        say()
        self._is_needed.set()


def _end() -> None:
    """The runner is gone without a word: nobody could settle what runs here, and another runner runs it again."""
    os.killpg(os.getpgid(0), signal.SIGKILL)
