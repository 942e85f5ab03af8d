"""The event loop of a task process, which no task can take away from the others.

In a program of its own a task may call `sys.exit()` in a sub-task, stop its event loop, or cancel all that
`asyncio.all_tasks()` shows: what ends by that is its own. Here it would be everybody's. So the loop goes on after an
exit, and code of one task that lays hands on the loop, or on what others run, gets an exception at that very line.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Coroutine, Mapping
from contextvars import Context
from traceback import walk_tb
from typing import Any

from outlast.child.outbox import Outbox
from outlast.child.run import Run
from outlast.events import shared_loop
from outlast.tasks.attempt import Attempt, running_attempt
from outlast.tasks.outcome import Cut, Raised
from outlast.text import in_a_call, traceback_of
from outlast.watch.site import site_of
from outlast.watch.stacks import handle_in

PAUSE = 0.02  # seconds in which room is made


class GuardedTask(asyncio.Task[None]):
    """One that all code on the loop can see, and only its owner and code of no task can cancel."""

    def __init__(
        self, loop: SharedLoop, work: Coroutine[Any, Any, None], owner: Attempt | None, context: Context
    ) -> None:
        super().__init__(work, loop=loop, context=context)
        self.owner = owner
        self._shared = loop

    def cancel(self, msg: Any | None = None) -> bool:
        """As every asyncio task; raises RuntimeError in code of another task."""
        return self._shared.may_be_cancelled(self) and super().cancel(msg)


class SharedLoop(asyncio.SelectorEventLoop):
    """Runs until its main work is done."""

    _main: GuardedTask | None = None
    _keeper: LoopKeeper | None = None

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Run `work` to its end, and whatever else comes up meanwhile."""
        main = self._main = self.guarded(work)
        main.add_done_callback(lambda _: self.stop())
        while not main.done():
            try:
                self.run_forever()
            except (SystemExit, KeyboardInterrupt) as error:
                self._exited(error)
            except MemoryError:
                self._ran_dry()
            else:
                self._stopped()
        main.result()

    def keep(self, keeper: LoopKeeper | None) -> None:
        """From now on attempts run here, and `keeper` hears; None: no more."""
        self._keeper = keeper

    def guarded(
        self, work: Coroutine[Any, Any, None], owner: Attempt | None = None, context: Context | None = None
    ) -> GuardedTask:
        """A task for what is not to be cancelled by code of others, `owner` being the attempt that it is."""
        return GuardedTask(self, work, owner, context or Context())

    def may_be_cancelled(self, task: GuardedTask) -> bool:
        """Whether the code that runs now may cancel `task`. Raises RuntimeError where it is told so."""
        caller = running_attempt.get()
        if caller is not None and caller is not task.owner:
            if self._keeper is not None:
                self._keeper.swept(caller)
            raise RuntimeError(shared_loop.CANCELS_OTHERS)
        if caller is None and task is self._main and self._keeper is not None:
            self._keeper.swept(None)
            return False
        return True

    def stop(self) -> None:
        """Stop, where no task asks for it."""
        _refuse_tasks("stop")
        super().stop()

    def close(self) -> None:
        """Close, where no task asks for it."""
        _refuse_tasks("close")
        super().close()

    async def shutdown_asyncgens(self) -> None:
        """Close all asynchronous generators, where no task asks for it."""
        _refuse_tasks("shutdown_asyncgens")
        await super().shutdown_asyncgens()

    async def shutdown_default_executor(self, *patience: float) -> None:
        """End the threads of `asyncio.to_thread`, where no task asks for it."""
        _refuse_tasks("shutdown_default_executor")
        await super().shutdown_default_executor(*patience)

    def _exited(self, error: BaseException) -> None:
        if self._main is not None and self._main.done():
            return
        context = getattr(_handle_of(error), "_context", None)
        attempt = context.get(running_attempt) if context is not None else None
        if self._keeper is not None:
            self._keeper.exited(attempt, error)

    def _ran_dry(self) -> None:
        """A task has filled its memory to the brim: what was to be run at this moment may be lost."""
        time.sleep(PAUSE)
        if self._keeper is not None:
            self._keeper.ran_dry()

    def _stopped(self) -> None:
        if self._main is not None and not self._main.done():
            shared_loop.LoopStopped(os.getpid()).tell()


def _refuse_tasks(what: str) -> None:
    if running_attempt.get() is not None:
        raise RuntimeError(shared_loop.loop_is_shared(what))


def _handle_of(error: BaseException) -> asyncio.Handle | None:
    """What the loop was running when `error` came out of it."""
    return next((found for frame, _ in walk_tb(error.__traceback__) if (found := handle_in(frame))), None)


class LoopKeeper:
    """Hears what one attempt does to those with which it shares the loop. On the loop.

    here: the attempts of this process. ran_dry: is called where the loop may have lost what was to be run on it.
    """

    def __init__(self, here: Mapping[Attempt, Run], outbox: Outbox, ran_dry: Callable[[], None]) -> None:
        self._here = here
        self._outbox = outbox
        self.ran_dry = ran_dry

    def exited(self, by: Attempt | None, error: BaseException) -> None:
        """A sub-task or callback of an attempt has raised what ends the event loop: it is the end of that attempt."""
        what, where = in_a_call(error), str(site_of(error) or "")
        shared_loop.LoopEnded(os.getpid(), *_named(by), what, where).tell()
        run = self._here.get(by) if by is not None else None
        if run is not None and run.task is not None:
            run.disturbed = Raised(shared_loop.ended_its_loop(what, where), traceback_of(error))
            run.task.cancel()

    def swept(self, by: Attempt | None) -> None:
        """Who is cancelled from now on may be so for what `by` did; the app's own tasks may be gone, too."""
        cut = Cut(shared_loop.cancelled_by_another(*_named(by)))
        for run in list(self._here.values()):
            if run.given.attempt is not by and not isinstance(run.disturbed, Raised):
                run.disturbed = cut
        shared_loop.LoopSwept(os.getpid(), *_named(by)).tell()
        self._outbox.send({"type": "spoiled"})


def _named(by: Attempt | None) -> tuple[str, str]:
    return (by.id, by.function) if by is not None else ("", "")
