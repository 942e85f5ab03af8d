"""Where attempts run in a child: coroutines on the one event loop, plain functions in a pool of threads."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any

from outlast import orders
from outlast.attempt import Attempt
from outlast.child import sentences
from outlast.child.attempt import Assignment, Disturbance, OtherLane, run_in_loop, run_in_thread
from outlast.child.code import FoundFunctions
from outlast.child.contexts import Contexts
from outlast.child.outbox import Outbox
from outlast.child.shared_loop import GuardedTask, SharedLoop
from outlast.child.worker_thread import reaching
from outlast.settings import Settings
from outlast.tasks import Lane
from outlast.text import in_a_call, in_one_line, traceback_of
from outlast.watch.flights import Flights, InFlight
from outlast.watch.site import place_of

log = logging.getLogger("outlast")


class Lanes:
    """`take` and `stop` are called by the inbox's thread, `hand_back` by the watch's, the rest runs on the loop."""

    def __init__(
        self, loop: SharedLoop, settings: Settings, outbox: Outbox, flights: Flights, contexts: Contexts
    ) -> None:
        self._loop = loop
        self._outbox = outbox
        self._flights = flights
        self._flying: dict[int, InFlight] = {}
        self._contexts = contexts
        self._functions = FoundFunctions(contexts)
        self._threads = ThreadPoolExecutor(settings.thread_slots, thread_name_prefix="outlast-task")
        self._unstarted: dict[int, Assignment] = {}
        self._on_loop: dict[int, GuardedTask] = {}
        self._disturbed: dict[int, Disturbance] = {}
        self._in_threads: dict[int, Attempt] = {}
        self._queued: dict[orders.Token, Assignment] = {}  # for threads, and not begun
        outbox.expects_more = lambda: len(self._unstarted) + len(self._on_loop) + len(self._in_threads) > 1
        self.busy: Callable[[], None] = lambda: None
        self.ran_dry: Callable[[], None] = lambda: None

    @property
    def is_busy(self) -> bool:
        """Whether any attempt is here."""
        return bool(self._unstarted or self._on_loop or self._in_threads)

    @property
    def has_coroutines(self) -> bool:
        """Whether any of them is on the loop."""
        return bool(self._unstarted or self._on_loop)

    def take(self, tasks: list[list[Any]]) -> None:
        """New attempts from the runner."""
        given = [Assignment.read(task) for task in tasks]
        threaded = [one for one in given if one.lane == Lane.THREAD]
        for_loop = [one for one in given if one.lane != Lane.THREAD]
        self._in_threads.update({one.id: one.attempt for one in threaded})
        self._unstarted.update({one.id: one for one in for_loop})
        self.busy()
        for one in threaded:
            self._submit(one)
        if for_loop:
            self._loop.call_soon_threadsafe(self._start, for_loop)

    def _submit(self, given: Assignment) -> None:
        """Where no thread can be started the attempt goes back, if not one of those that are there has begun it."""
        self._queued[given.token] = given
        try:
            self._threads.submit(self._contexts.new().run, self._run_threaded, given)
        except RuntimeError as error:
            if self._queued.pop(given.token, None) is not None:
                self._in_threads.pop(given.id, None)
                self._outbox.send({"type": "back", "task": given.id, "why": in_one_line(error)})

    def look(self, tasks: list[list[Any]]) -> None:
        """Say of tasks that no code knew whether this one does. Beside what runs: it may have to import."""
        given = [Assignment.read(task) for task in tasks]
        with suppress(RuntimeError):  # no thread can be started: it is asked again
            self._threads.submit(self._contexts.new().run, self._look, given)

    def _look(self, given: list[Assignment]) -> None:
        known = [[one.id, self._functions.why_unknown(one.attempt.function, one.arguments)] for one in given]
        self._outbox.send({"type": "known", "tasks": known})

    def stop(self, task: int) -> None:
        """Tell an attempt to end: a coroutine is cancelled, a thread finds out when it asks `outlast.current()`."""
        if attempt := self._in_threads.get(task):
            attempt.stopping = True
        else:
            self._loop.call_soon_threadsafe(self._cancel, task)

    def hand_back(self) -> list[int]:
        """Give up what the loop has not begun; it never will."""
        return [task_id for task_id in list(self._unstarted) if self._unstarted.pop(task_id, None)]

    def code_of(self, function: str) -> str:
        """A hash of the code of a function that has run here."""
        return self._functions.code_of(function)

    def flight_of(self, task: int) -> InFlight | None:
        """What is in flight of a task."""
        return self._flying.get(task)

    def exited(self, by: Attempt | None, error: BaseException) -> None:
        """A sub-task or callback of an attempt has raised what ends the event loop: it is the end of that attempt."""
        what, where = in_a_call(error), place_of(error)
        log.error("%s", sentences.loop_ended(os.getpid(), what, where, by.task if by else 0, by.function if by else ""))
        if by is not None and (running := self._on_loop.get(by.task)):
            self._disturbed[by.task].exit = sentences.ended_its_loop(what, where), traceback_of(error)
            running.cancel()

    def swept(self, by: Attempt | None) -> None:
        """Who is cancelled from now on may be so for what `by` did; the app's own tasks may be gone, too."""
        why = sentences.cancelled_by_another(by.task if by else 0, by.function if by else "")
        for task, running in self._on_loop.items():
            if running.owner is not by:
                self._disturbed[task].cut = why
        log.error("%s", sentences.swept(os.getpid(), by.task if by else 0, by.function if by else ""))
        self._outbox.send({"type": "spoiled"})

    def _start(self, given: list[Assignment]) -> None:
        for one in given:
            self._disturbed[one.id] = Disturbance()
            self._on_loop[one.id] = self._loop.guarded(self._run_on_loop(one), one.attempt, self._contexts.new())

    def _cancel(self, task: int) -> None:
        if self._unstarted.pop(task, None) is not None:
            self._outbox.ended(task, "CancelledError")
        elif running := self._on_loop.get(task):
            running.cancel()

    async def _run_on_loop(self, given: Assignment) -> None:
        flight = self._take_off(given)  # its name is the mark by which a sampled stack tells whose it is
        try:
            if self._unstarted.pop(given.id, None) is not None:  # else: handed back or cancelled before it began
                await run_in_loop(given, self._functions, self._outbox, self._disturbed[given.id])
        except OtherLane:
            self._in_threads[given.id] = given.attempt
            self._submit(replace(given, lane=Lane.THREAD))
        finally:
            self._on_loop.pop(given.id, None)
            self._disturbed.pop(given.id, None)
            self._land(flight)

    def _run_threaded(self, given: Assignment) -> None:
        if self._queued.pop(given.token, None) is None:  # handed back
            return
        flight = self._take_off(given)
        try:
            with reaching(self._loop):
                run_in_thread(given, self._functions, self._outbox)
        except OtherLane:
            self._unstarted[given.id] = replace(given, lane=Lane.LOOP)
            self._loop.call_soon_threadsafe(self._start, [self._unstarted[given.id]])
        finally:
            self._in_threads.pop(given.id, None)
            self._land(flight)

    def _take_off(self, given: Assignment) -> InFlight:
        flight = self._flying[given.id] = self._flights.begin(given.attempt.function, given.id, given.lane)
        return flight

    def _land(self, flight: InFlight) -> None:
        if self._flying.get(flight.task) is flight:  # else it has gone on in the other lane
            del self._flying[flight.task]
        self._flights.end(flight)
