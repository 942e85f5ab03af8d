"""Where attempts run in a child: coroutines on the one event loop, plain functions in a pool of threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from outlast.child.attempt import OtherLane, Pipeline
from outlast.child.code import FoundFunctions
from outlast.child.contexts import Contexts
from outlast.child.outbox import Outbox
from outlast.child.run import Assignment, Run
from outlast.child.shared_loop import SharedLoop
from outlast.child.worker_thread import reaching
from outlast.tasks.attempt import Attempt
from outlast.tasks.outcome import Raised
from outlast.text import in_one_line
from outlast.watch.flights import Flights


class Lanes:
    """`take` and `stop` are called by the inbox's thread, `hand_back` by the watch's, the rest runs on the loop.

    here: all that have come and not ended. busy: is called when some have come.
    """

    def __init__(
        self, loop: SharedLoop, thread_slots: int, contexts: Contexts, flights: Flights, outbox: Outbox
    ) -> None:
        self.here: dict[Attempt, Run] = {}
        self.functions = FoundFunctions()
        self.busy: Callable[[], None] = lambda: None
        self._loop = loop
        self._threads = ThreadPoolExecutor(thread_slots, thread_name_prefix="outlast-task")
        self._contexts = contexts
        self._pipeline = Pipeline(self.functions, contexts, flights, outbox, loop)
        self._outbox = outbox
        outbox.expects_more = lambda: len(self.here) > 1

    @property
    def is_busy(self) -> bool:
        """Whether any attempt is here."""
        return bool(self.here)

    @property
    def has_coroutines(self) -> bool:
        """Whether any of them is on the loop."""
        return any(not run.is_for_thread for run in list(self.here.values()))

    def take(self, tasks: list[list[Any]]) -> None:
        """New attempts from the runner."""
        self._admit([Run(Assignment.read(task)) for task in tasks])

    def look(self, tasks: list[list[Any]]) -> None:
        """Say of tasks that no code knew whether this one does. Beside what runs: it may have to import."""
        given = [Assignment.read(task) for task in tasks]
        with suppress(RuntimeError):  # no thread can be started: it is asked again
            self._threads.submit(self._contexts.new().run, self._look, given)

    def stop(self, task_id: int) -> None:
        """Tell an attempt to end: a coroutine is cancelled, a thread finds out when it asks `outlast.current()`."""
        for run in [one for one in list(self.here.values()) if one.id == task_id]:
            run.is_stopped = True
            if run.is_for_thread:
                run.given.attempt.stopping = True
                self._loop.call_soon_threadsafe(_stop_opening, run)
            else:
                self._loop.call_soon_threadsafe(self._cancel, run)

    def hand_back(self) -> list[int]:
        """Give up what the loop has not begun; it never will."""
        unbegun = [run for run in list(self.here.values()) if not run.is_for_thread and run.claim()]
        for run in unbegun:
            self._leave(run)
        return [run.id for run in unbegun]

    def _admit(self, runs: Sequence[Run]) -> None:
        for_loop = [run for run in runs if not run.is_for_thread]
        self.here.update({run.given.attempt: run for run in runs})
        self.busy()
        for run in runs:
            if run.is_for_thread:
                self._submit(run)
        if for_loop:
            self._loop.call_soon_threadsafe(self._start, for_loop)

    def _leave(self, run: Run) -> None:
        if self.here.get(run.given.attempt) is run:  # else it has gone on in the other lane
            del self.here[run.given.attempt]

    def _submit(self, run: Run) -> None:
        """Where no thread can be started the attempt goes back, if not one of those that are there has begun it."""
        try:
            self._threads.submit(self._contexts.new().run, self._run_in_thread, run)
        except RuntimeError as error:
            if run.claim():
                self._leave(run)
                self._outbox.send({"type": "back", "task": run.id, "why": in_one_line(error)})

    def _start(self, runs: Sequence[Run]) -> None:
        for run in runs:
            run.task = self._loop.guarded(self._run_on_loop(run), run.given.attempt, self._contexts.new())

    def _cancel(self, run: Run) -> None:
        if run.claim():
            self._outbox.report(run.id, Raised("CancelledError", ""))
            self._leave(run)
        elif run.task is not None:
            run.task.cancel()

    async def _run_on_loop(self, run: Run) -> None:
        if not run.claim():  # it was handed back or cancelled before it began
            return
        try:
            await self._pipeline.run_on_loop(run)
        except OtherLane:
            self._admit([run.in_other_lane()])
        finally:
            self._leave(run)

    def _run_in_thread(self, run: Run) -> None:
        if not run.claim():  # it was handed back
            return
        try:
            with reaching(self._loop):
                self._pipeline.run_in_thread(run)
        except OtherLane:
            self._admit([run.in_other_lane()])
        finally:
            self._leave(run)

    def _look(self, given: Sequence[Assignment]) -> None:
        why_unknown = self.functions.why_unknown
        known = [[one.attempt.task_id, why_unknown(one.attempt.function, one.arguments)] for one in given]
        self._outbox.send({"type": "known", "tasks": known})


def _stop_opening(run: Run) -> None:
    if run.opening is not None:
        run.opening.cancel()
