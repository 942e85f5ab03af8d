"""A task process: be told what to import, be seen as alive, run an event loop until it is time to leave."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import socket
import sys
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import Any

from outlast.child.code import ImportedCode
from outlast.child.inbox import Inbox
from outlast.child.interrupt import Interrupter
from outlast.child.life import Life
from outlast.child.outbox import Outbox
from outlast.child.parting import Parting, exit_at_once
from outlast.child.printed import HeardFile
from outlast.child.shared_loop import SharedLoop
from outlast.child.teller import Teller
from outlast.events import hindrances, shared_loop, words
from outlast.system import process
from outlast.system.deployment import Home
from outlast.system.kernel import die_with_other_end_of
from outlast.system.liveness import Liveness
from outlast.system.place import Place
from outlast.system.stash import Stash
from outlast.watch.layout import LifeState
from outlast.watch.watch import Watch
from outlast.wire.frames import Message, receive_all
from outlast.wire.hello import Environment, read_environment
from outlast.wire.last_words import end_process


def main(
    channel: socket.socket, interrupts: socket.socket, lifeline: socket.socket, code: ImportedCode | None = None
) -> None:
    """Run until the runner says drain and all is done, or is gone, and the other end of `lifeline` with it.

    code: what has been imported, where this process is a copy of one that has done so.
    """
    die_with_other_end_of(lifeline)
    messages = receive_all(channel)
    start = next(messages, None)
    if start is None:
        return
    environment = read_environment(start["environment"])
    if code is None:
        prepare(environment)
        code = ImportedCode()
    code.is_new = bool(start["is_new"])
    place = Place.of(Path(start["journal"]), is_shared=bool(start["is_shared"]))
    watch = _settle_in(start, place)

    def give_up(why: str) -> None:
        watch.enter(LifeState.CUT_OFF)  # which is known also where the way to say why is closed
        end_process(interrupts, why)

    outbox = Outbox(channel, give_up)
    wake = partial(outbox.send, {"type": "wake"})
    process.become_child(int(start["process"]), Home(*start["home"]), wake, Stash(place))
    Interrupter(interrupts)
    loop, parting = SharedLoop(), Parting(environment.settings.grace)
    teller = Teller(Path(start["journal"]), int(start["process"]), is_shared=bool(start["is_shared"]))
    inbox = Inbox(messages, parting, teller, lambda: watch.enter(LifeState.CUT_OFF), give_up)
    with interrupts, lifeline, asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.get_loop()
        _run(loop, Life(loop, environment, code, inbox, outbox, watch).live(), outbox, watch)
        inbox.end()
        outbox.close()
        if parting.is_hurried:
            exit_at_once()


def prepare(environment: Environment) -> None:
    """Before user code is imported: have what the server has, ignore what a terminal sends to it."""
    sys.path[:] = environment.path
    for sentence in environment.surroundings.take_over():
        hindrances.Doubt(sentence).tell()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    forgive_broken_pipes()


def _settle_in(start: Message, place: Place) -> Watch:
    """Be seen as alive, keep a black box."""
    process = int(start["process"])
    Liveness(place).hold(process)
    watch = Watch(words.TASK_PROCESS)
    watch.keep_box(Path(start["box"]), process)
    return watch


def _run(loop: SharedLoop, work: Coroutine[Any, Any, None], outbox: Outbox, watch: Watch) -> None:
    """Run `work` to its end. When the loop itself breaks, what runs on it has not ended: nobody may be told so."""
    try:
        loop.run(work)
    except BaseException as error:  # noqa: BLE001 - whatever it is, it is the end
        watch.enter(LifeState.LOOP_BROKE)
        shared_loop.LoopBroke(os.getpid()).tell(error)
        outbox.close()
        os._exit(1)


class ForgivingFile(io.FileIO):
    """A file whose reader may have left: what cannot be written is taken as written."""

    def write(self, data: Any) -> int:
        """Write, or pretend to once the reader is gone."""
        try:
            return super().write(data)
        except BrokenPipeError:
            return memoryview(data).nbytes


def forgive_broken_pipes() -> None:
    """Replace sys.stdout and sys.stderr, line by line as a server's log is read."""
    sys.stdout, sys.stderr = _lines_to(1), _lines_to(2)


def _lines_to(descriptor: int) -> io.TextIOWrapper:
    raw = ForgivingFile(descriptor, "w", closefd=False)
    return HeardFile(io.BufferedWriter(raw), errors="backslashreplace", line_buffering=True)
