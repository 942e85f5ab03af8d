"""The life of a task process: be told what to import, import it, enter the app's lifespan, run attempts, leave."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from outlast import process
from outlast.child import sentences
from outlast.child.code import ImportedCode
from outlast.child.contexts import Contexts
from outlast.child.forecast import Forecast
from outlast.child.inbox import Inbox
from outlast.child.interrupt import Interrupter
from outlast.child.lanes import Lanes
from outlast.child.lifespan import StartFailed, entered_lifespan
from outlast.child.outbox import Outbox
from outlast.child.output import forgive_broken_pipes
from outlast.child.parting import Parting, cancel_the_rest, exit_at_once
from outlast.child.shared_loop import SharedLoop
from outlast.child.started import Standing, started_since
from outlast.child.teller import Teller
from outlast.child.watch import ChildWatch
from outlast.deployments import Home
from outlast.frames import Message, receive_all
from outlast.hello import Environment, read_environment
from outlast.incidents import TASK_PROCESS
from outlast.kernel import die_with_other_end_of
from outlast.last_words import end_process
from outlast.liveness import Liveness
from outlast.place import Place
from outlast.process import adopt
from outlast.text import in_one_line, is_a, log_exception, said_by, traceback_of
from outlast.watch.box import State
from outlast.watch.site import site_of
from outlast.watch.watch import Watch

log = logging.getLogger("outlast")


def main(
    channel: socket.socket, orders: socket.socket, lifeline: socket.socket, code: ImportedCode | None = None
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
    watch = _settle_in(start)

    def give_up(why: str) -> None:
        watch.enter(State.CUT_OFF)  # which is known also where the way to say why is closed
        end_process(orders, why)

    outbox = Outbox(channel, give_up)
    process.become_child(int(start["process"]), Home(*start["home"]), lambda: outbox.send({"type": "wake"}))
    Interrupter(orders)
    loop, parting = SharedLoop(), Parting(environment.settings.grace)
    teller = Teller(Path(start["journal"]), int(start["process"]), is_shared=bool(start["is_shared"]))
    inbox = Inbox(messages, parting, teller, lambda: watch.enter(State.CUT_OFF), give_up)
    with orders, lifeline, asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.get_loop()
        _run(loop, _live(loop, environment, code, inbox, outbox, watch), outbox)
        inbox.end()
        outbox.close()
        if parting.is_hurried:
            exit_at_once()


def prepare(environment: Environment) -> None:
    """Before user code is imported: have what the server has, ignore what a terminal sends to it."""
    sys.path[:] = environment.path
    for sentence in environment.surroundings.take_over():
        log.warning("%s", sentence)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    forgive_broken_pipes()


def _settle_in(start: Message) -> Watch:
    """Be seen as alive, keep a black box."""
    process = int(start["process"])
    Liveness(Place.of(Path(start["journal"]), is_shared=bool(start["is_shared"]))).hold(process)
    watch = Watch(TASK_PROCESS)
    watch.keep_box(Path(start["box"]), process)
    return watch


def _run(loop: SharedLoop, work: Coroutine[Any, Any, None], outbox: Outbox) -> None:
    """Run `work` to its end. When the loop itself breaks, what runs on it has not ended: nobody may be told so."""
    try:
        loop.run(work)
    except BaseException:
        log.critical("%s", sentences.loop_broke(os.getpid()), exc_info=True)
        outbox.close()
        os._exit(1)


async def _live(
    loop: SharedLoop, environment: Environment, code: ImportedCode, inbox: Inbox, outbox: Outbox, watch: Watch
) -> None:
    before = Standing.now()
    try:
        app = code.load(environment)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - what user code raises at import is reported, not handled
        _give_notice(why_not_imported(error, environment), outbox, watch)
        return
    adopt(app)
    inbox.serve(code, outbox)
    forecast = Forecast(app, environment)
    remarks = [sentences.import_started(environment.app, await started_since(before)), forecast.repeats]
    watch.enter(State.RESTING)
    outbox.send({"type": "imported", "remarks": remarks})
    if not await inbox.is_needed():
        watch.close()
        return
    watch.enter(State.STARTING)
    before = Standing.now()
    lifespan = entered_lifespan(app, environment.settings.child_lifespan, loop.guarded)
    try:
        await lifespan.__aenter__()
        code.logging.finish()
    except (Exception, SystemExit) as error:  # noqa: BLE001 - what user code raises at start is reported, not handled
        _give_notice(why_not_entered(error, environment), outbox, watch)
        return
    remark = sentences.lifespan_started(environment.lifespan, await started_since(before), forecast.places)
    lanes = inbox.lanes = _lanes(loop, environment, Contexts(code.context), outbox, watch)
    watch.enter(State.SERVING)
    inbox.teller.begin(outbox, is_expected=environment.listens)
    outbox.send({"type": "ready", "remarks": [remark]})
    await inbox.parting.wait_for(lanes)
    await inbox.teller.finish()
    loop.keep(None)
    watch.enter(State.STOPPING)
    await _leave(lifespan)
    if inbox.parting.is_hurried:
        await cancel_the_rest()
    watch.close()


def _give_notice(why: str, outbox: Outbox, watch: Watch) -> None:
    """This process cannot do its work, which the runner is told."""
    outbox.send({"type": "broken", "why": why})
    watch.close()


def _lanes(loop: SharedLoop, environment: Environment, contexts: Contexts, outbox: Outbox, watch: Watch) -> Lanes:
    """Where attempts run from now on, and are watched."""
    lanes = Lanes(loop, environment.settings, outbox, watch.flights, contexts)
    loop.keep(lanes)
    child_watch = ChildWatch(watch, lanes, outbox, environment.settings.stall_after)
    lanes.busy, lanes.ran_dry = child_watch.look, child_watch.again
    return lanes


async def _leave(lifespan: contextlib.AbstractAsyncContextManager[None]) -> None:
    try:
        await lifespan.__aexit__(None, None, None)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the user's code, which may raise anything
        log_exception(log, "the app's lifespan failed at the end of a task process", error)


def why_not_imported(error: BaseException, environment: Environment) -> str:
    """The exception and its line in one sentence, then the whole traceback for the log."""
    return _told(sentences.import_broke, environment.app, error)


def why_not_entered(error: BaseException, environment: Environment) -> str:
    """The same of one that the app has met at its start."""
    if is_a(error, StartFailed):  # it has told it, instead of raising it
        *more, what = said_by(error).splitlines()
        return "\n".join([sentences.lifespan_broke(environment.lifespan, what, ""), *more, what])
    return _told(sentences.lifespan_broke, environment.lifespan, error)


def _told(sentence: Callable[[str, str, str], str], what: str, error: BaseException) -> str:
    site = None if is_a(error, SyntaxError) else site_of(error)  # that names its place itself
    where = f"{site.file}:{site.line}" if site else ""
    return f"{sentence(what, in_one_line(error), where)}\n{traceback_of(error).rstrip()}"
