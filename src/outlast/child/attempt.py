"""One attempt in a task process: find the function, read its arguments, run it, say how it ended."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from outlast.child.code import Call, FoundFunctions, NotKnown
from outlast.child.contexts import Contexts
from outlast.child.dependencies import Holder
from outlast.child.memory import limited
from outlast.child.outbox import Outbox
from outlast.child.run import Run
from outlast.child.shared_loop import SharedLoop
from outlast.events import endings
from outlast.events.event import log
from outlast.functions.checkpoints import decoded
from outlast.functions.dependencies import newest_app
from outlast.functions.names import refuse_undone
from outlast.tasks.attempt import Stopped, running_attempt
from outlast.tasks.outcome import Raised, Returned, Unknown, Wished
from outlast.tasks.pipeline import Block, Ending, Reported, around
from outlast.tasks.steering import ending_by
from outlast.tasks.task import State
from outlast.text import is_a
from outlast.watch.flights import Flights, InFlight

Around = Callable[[Run], Block | None]
"""Makes a block for the time of the call; None where the attempt needs none. Called where the attempt runs."""


class OtherLane(Exception):
    """The function has become a coroutine function since its task was stored, or is none any more; nothing has run."""


class Pipeline:
    """What each attempt goes through: prepare, around, call, report. `around` makes what lasts as long as the call."""

    def __init__(
        self,
        functions: FoundFunctions,
        contexts: Contexts,
        flights: Flights,
        outbox: Outbox,
        loop: SharedLoop | None = None,
    ) -> None:
        """`loop`: on which that is opened which functions in threads depend on."""
        self._functions = functions
        self._loop = loop
        self._flights = flights
        self._outbox = outbox
        self.around: Sequence[Around] = (contexts.carried, contexts.of_libraries, partial(limited, outbox=outbox))

    async def run_on_loop(self, run: Run) -> None:
        """Run an `async def` to its end, on the child's loop. Raises OtherLane."""
        with self._tried(run) as flight:  # noqa: F841 - the mark by which a sampled stack tells whose it is
            found, args, kwargs = self._prepared(run)
            with self._around(run):
                if (depends := found.codec.dependencies) is None:
                    value = await found.function(*args, **kwargs)
                else:
                    value = await depends.filled(found.function, args, kwargs, newest_app())
            run.returned = self._functions.returned(found, value)

    def run_in_thread(self, run: Run) -> None:
        """Run a `def` to its end, in a thread of the pool; what it depends on is on the loop. Raises OtherLane."""
        with self._tried(run) as flight:  # noqa: F841 - as above
            found, args, kwargs = self._prepared(run)
            with self._around(run):
                if (depends := found.codec.dependencies) is None or self._loop is None:
                    value = found.function(*args, **kwargs)
                else:
                    value = Holder(self._loop, run, depends.resolved(args, kwargs, newest_app())).call(found.function)
                refuse_undone(found.function, value)
            run.returned = self._functions.returned(found, value)

    def _tried(self, run: Run) -> _Tried:
        return _Tried(run, self._flights, self._outbox)

    def _prepared(self, run: Run) -> Call:
        given = run.given
        call = self._functions.prepared(given.attempt.function, given.arguments)
        if call[0].is_async is run.is_for_thread:
            raise OtherLane
        if given.checkpoint:
            given.attempt.resume = decoded(given.checkpoint)
        return call

    def _around(self, run: Run) -> Block:
        return around([make(run) for make in self.around])


class _Tried(Reported):
    """While its code runs an attempt is in flight, and the current one; then the runner hears how that ended."""

    def __init__(self, run: Run, flights: Flights, outbox: Outbox) -> None:
        self._run = run
        self._flights = flights
        self._outbox = outbox

    def __enter__(self) -> InFlight:
        attempt = self._run.given.attempt
        running_attempt.set(attempt)
        attempt.keeper = self._outbox.milestones
        flight = self._run.flight = self._flights.begin(attempt.function, attempt.task_id, self._run.given.lane)
        return flight

    def judge(self, error: BaseException | None) -> Ending | None:
        self._run.given.attempt.over = True
        return judged(self._run, error)

    def record(self, ending: Ending) -> None:
        self._outbox.report(self._run.id, ending)

    def tell(self, ending: Ending, error: BaseException | None) -> None:
        """Until it is known that a failure was told, the runner would tell it if this process died."""
        try:
            self._tell(ending, error)
        finally:
            if isinstance(ending, Raised):
                self._outbox.told(self._run.id)

    def _tell(self, ending: Ending, error: BaseException | None) -> None:
        """What it raises because it was told to stop is said by the runner, which knows why."""
        stopped = self._run.was_told_to_stop and is_a(error, (asyncio.CancelledError, Stopped))
        if stopped or ending is self._run.disturbed or is_a(error, NotKnown):
            return
        self._outbox.saw(self._run.id, error)
        if isinstance(ending, Wished):
            endings.AttemptWished(*_about(self._run), ending.wish, ending.reason).tell()
        elif isinstance(ending, Raised):
            _tell_failure(self._run, ending, error)
        elif isinstance(ending, Returned) and log.isEnabledFor(logging.DEBUG):
            endings.tell_end(State.DONE.label, ending.lost, _about(self._run))

    def __exit__(self, *raised: Any) -> bool:
        try:
            return super().__exit__(*raised)
        finally:
            if self._run.flight is not None:
                self._flights.end(self._run.flight)


def judged(run: Run, error: BaseException | None) -> Ending | None:
    """How an attempt has ended that raised `error`; None if it goes on in the other lane."""
    if is_a(error, OtherLane):
        return None
    if is_a(error, NotKnown):
        return Unknown(str(error), error.traceback)
    if isinstance(run.disturbed, Raised) or (run.disturbed and is_a(error, asyncio.CancelledError)):
        return run.disturbed
    if error is None:
        return run.returned
    memory = run.given.memory
    said = endings.out_of_memory(memory) if memory and is_a(error, MemoryError) else None
    return ending_by(error, said, skip=1)  # from the user's own frame on


def _tell_failure(run: Run, raised: Raised, error: BaseException | None) -> None:
    policy, retried = run.given.policy, run.given.retried
    if policy.tries_again(retried, raised.kinds):
        endings.AttemptTriedAgain(*_about(run), retried + 1, policy.retries).tell(error)
    else:
        endings.AttemptFailed(*_about(run)).tell(error)


def _about(run: Run) -> endings.About:
    attempt = run.given.attempt
    return endings.about(attempt.task_id, attempt.function, attempt.number, run.given.lane, run.given.queue)
