"""What the runner tells a child, read by a thread of its own so that a blocked loop still hears."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator

from outlast.child.code import ImportedCode
from outlast.child.lanes import Lanes
from outlast.child.outbox import Outbox
from outlast.child.parting import Parting
from outlast.frames import Message
from outlast.handover import attempts_in
from outlast.threads import OwnThread


class Inbox:
    """The messages that follow the start message.

    `parting` hears, on the loop, when this process is to leave. `cut_off` leaves a note that there are no more
    messages. `give_up(why)` ends this process, which would be deaf.
    """

    def __init__(
        self,
        messages: Iterator[Message],
        parting: Parting,
        cut_off: Callable[[], None],
        give_up: Callable[[str], None],
    ) -> None:
        self.parting = parting
        self._messages = messages
        self._cut_off = cut_off
        self._give_up = give_up

    def serve(self, lanes: Lanes, code: ImportedCode, outbox: Outbox) -> None:
        """Act on messages from now on. On the loop."""
        loop = asyncio.get_running_loop()

        def serve() -> None:
            for message in self._messages:
                match message.get("type"):
                    case "run":
                        lanes.take(attempts_in(message))
                    case "know":
                        lanes.look(attempts_in(message))
                    case "stop":
                        lanes.stop(int(message["task"]))
                    case "check" if code.has_changed():
                        outbox.send({"type": "stale"})
                    case "drain":
                        loop.call_soon_threadsafe(self.parting.ask)
                    case "leave":
                        loop.call_soon_threadsafe(self.parting.hurry)
            self._cut_off()
            _end()

        OwnThread("outlast-inbox", serve, lambda error: self._give_up(f"its inbox failed: {error}")).start()


def _end() -> None:
    """The runner is gone without a word: nobody could settle what runs here, and another runner runs it again."""
    os.killpg(os.getpgid(0), signal.SIGKILL)
