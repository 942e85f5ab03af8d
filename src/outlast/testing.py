"""The pytest plugin: how background tasks run in the tests of an app that has outlast.

Under it they run before the response returns, and what they raise is raised in the test, so that mocks keep
working (mode `inline`). The fixture `outlast_tasks` collects them instead (mode `manual`), with a clock that the test
moves, and `@pytest.mark.outlast("real")` gives them a journal in a temporary folder and a runner (mode `real`).

Every pytest run of every project imports this file: it has to stay cheap.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args
from weakref import WeakSet

import pytest

from outlast.system.process import Mode, Rehearsal, now, this

if TYPE_CHECKING:
    from outlast.journal.read import History, TaskRecord
    from outlast.web.background import StandIn

Until = float | timedelta | datetime | Callable[[], object] | None
MARKER = "outlast"
FOLDER, JOURNAL = "outlast", "journal.db"  # of a test of mode `real`, in its temporary folder
PATIENCE = 20.0  # seconds: a machine that runs many tests at once is not a journal in trouble
LOOK = 0.02  # seconds between two looks into it
LEAVING_TIME = 10.0  # seconds a thread may take that is just about to start a runner
FIXTURE = "outlast_tasks"
MODES = tuple(mode for mode in get_args(Mode) if mode)


@dataclass(frozen=True)
class CollectedTask:
    """A call that a background task would have been.

    attempts: how often it was tried already. run_at: before which it does not run; None where it may at once.
    """

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    attempts: int = 0
    run_at: datetime | None = None

    @property
    def arguments(self) -> dict[str, Any]:
        """All arguments by parameter name, defaults among them, but for what is left to FastAPI's `Depends`."""
        from outlast.functions.parameters import Parameters

        return Parameters(self.function, _name_of(self.function)).all_given(self.args, self.kwargs)

    def __str__(self) -> str:
        given = [*map(repr, self.args), *(f"{name}={value!r}" for name, value in self.kwargs.items())]
        return f"{_name_of(self.function)}({', '.join(given)})"


class Clock:
    """The time of a test of mode `manual`, by which delays, retries and `expires` go. It goes on as any clock does."""

    @property
    def now(self) -> datetime:
        """In UTC."""
        return datetime.fromtimestamp(now(), UTC)

    def move(self, seconds: float | timedelta) -> None:
        """On, by so much. Nothing runs by that: `outlast_tasks.drain()` runs what may run then. Raises ValueError."""
        more = seconds.total_seconds() if isinstance(seconds, timedelta) else float(seconds)
        if not 0 <= more < inf:
            raise ValueError(f"a clock goes on: {seconds!r} is no time from now")
        this.rehearsal.ahead += more


class CollectedTasks:
    """The tasks that were accepted in a test of mode `manual`, and have not run yet. clock: their time."""

    def __init__(self) -> None:
        self.clock = Clock()

    def all(self) -> list[CollectedTask]:
        """They, in the order in which they were accepted, or are to be tried again."""
        return [_collected(task) for task in this.rehearsal.collected]

    def assert_added(self, func: Callable[..., Any], **arguments: Any) -> None:
        """Fail unless a task of `func` was accepted with these values among its arguments."""
        __tracebackhide__ = True
        added = self.all()
        if not any(_is_call_of(task, func, arguments) for task in added):
            wanted = CollectedTask(func, (), arguments)
            there = ", ".join(map(str, added)) or "none"
            pytest.fail(f"no background task {wanted} was added; there are: {there}")

    def drain(self, until: Until = None) -> None:
        """Run those that may run now, in order, forget them, and run what runs after them.

        until: seconds from now, a timedelta or a datetime: the clock goes on to then, and each runs when its time has
            come (`math.inf`: until none is left); or what is called before each, with the same, and stops it when it
            returns true.

        One that fails and has a retry left waits for that; what it raised the last time is raised here, when all have
        run: one that fails stops no other. Raises RuntimeError for one that wants to run again and again.
        """
        from outlast.web import rehearsing
        from outlast.web.inline import surface

        tasks = rehearsing.taken(_moment(until))
        surface([error for task in tasks if (error := rehearsing.failure_of(task))])

    async def drain_async(self, until: Until = None) -> None:
        """The same in a test that has an event loop, on that loop."""
        from outlast.web import rehearsing
        from outlast.web.inline import surface

        tasks = rehearsing.taken(_moment(until))
        surface([error for task in tasks if (error := await rehearsing.failure_of_awaited(task))])


class RealTasks:
    """The tasks of a test of mode `real`, which run in task processes."""

    def __init__(self, journal: Path) -> None:
        self._journal = journal

    def drain(self, timeout: float = 60.0) -> None:
        """Wait until all have ended, or wait for a time that has not come. Fails after `timeout` seconds."""
        __tracebackhide__ = True
        _wait_for(lambda: not self._tasks("held", "waiting", "running"), "all tasks have ended", timeout)

    def kill_task_process(self, when: Callable[[], object] | None = None, timeout: float = 60.0) -> list[int]:
        """Wait until a task runs, and end its process, and any other one of the same journal, as `kill -9` does.

        when: or until that returns true, for example since the task has written its first line. Returns the process
        ids. What ran in them runs again. Fails after `timeout` seconds without one.
        """
        __tracebackhide__ = True
        _wait_for(when or (lambda: self._tasks("running")), "a task runs", timeout)
        killed = [pid for pid in self._processes() if _kill(pid)]
        _wait_for(lambda: not set(killed) & set(self._processes()), "its end is known", timeout)
        return killed

    def _tasks(self, *states: str) -> list[TaskRecord]:
        from outlast.tasks.task import State

        now, wanted = time.time(), [State[state.upper()] for state in states]
        return [one for one in self._history().tasks(wanted) if (one.run_at or 0.0) <= now] if self._is_there else []

    def _processes(self) -> list[int]:
        return [one.pid for one in self._history().summary(time.time()).processes if one.kind == "child"]

    @property
    def _is_there(self) -> bool:
        return self._journal.exists()

    def _history(self) -> History:
        from outlast.journal.engines import open_history

        return open_history(f"sqlite:///{self._journal}")


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, and `inline` the mode of everything that no test of its own asks for."""
    config.addinivalue_line("markers", f"{MARKER}(mode): how background tasks run: {', '.join(MODES)}")
    this.mode = this.mode or "inline"


@pytest.fixture
def outlast_tasks(request: pytest.FixtureRequest) -> CollectedTasks | RealTasks:
    """Collects the background tasks of the test instead of running them; in mode `real`, shows those that run."""
    if _mode_of(request) == "real":
        return RealTasks(request.getfixturevalue("tmp_path") / FOLDER / JOURNAL)
    this.mode = "manual"  # also where the test asks for it by name, while it runs
    return CollectedTasks()


@pytest.fixture(autouse=True)
def _outlast_mode(request: pytest.FixtureRequest) -> Iterator[None]:
    mode = _mode_of(request)
    is_real = mode == "real"
    with _entered(mode), _journal_in(request.getfixturevalue("tmp_path") / FOLDER) if is_real else nullcontext():
        yield


def _mode_of(request: pytest.FixtureRequest) -> Mode:
    marker = request.node.get_closest_marker(MARKER)
    collects = FIXTURE in request.fixturenames
    if marker is None:
        return "manual" if collects else "inline"
    mode: Mode = marker.args[0] if len(marker.args) == 1 else ""
    if mode not in MODES:
        raise pytest.UsageError(f"@pytest.mark.{MARKER} takes one of {', '.join(map(repr, MODES))}")
    if collects and mode == "inline":
        raise pytest.UsageError(f"fixture {FIXTURE} collects tasks in mode 'manual', but this test asks for {mode!r}")
    return mode


@contextmanager
def _entered(mode: Mode) -> Iterator[None]:
    before, this.mode = this.mode, mode
    this.rehearsal = Rehearsal()
    try:
        yield
    finally:
        this.mode, this.rehearsal = before, Rehearsal()


@contextmanager
def _journal_in(folder: Path) -> Iterator[None]:
    """All apps with outlast, also those made in the test, have their journal in `folder`, with a runner."""
    before = this.overrides, this.apps.services
    this.apps.services = WeakSet()
    this.overrides = {
        "url": f"sqlite:///{folder / JOURNAL}",
        "runner": "auto",
        "linger": 0.0,
        "drain": 0.0,
        "spares": 0,
        "store_deadline": PATIENCE,
    }
    try:
        yield
    finally:
        for service in list(this.apps.services):
            service.close()
            service.connection.join(LEAVING_TIME)
        this.overrides, this.apps.services = before


def _collected(task: StandIn) -> CollectedTask:
    from outlast.web.parts import part_of

    record = part.standing.record if (part := part_of(task.number)) is not None else None
    run_at = datetime.fromtimestamp(record.run_at, UTC) if record is not None and record.run_at else None
    return CollectedTask(task.func, task.args, task.kwargs, record.attempt if record is not None else 0, run_at)


def _moment(until: Until) -> float | Callable[[], object] | None:
    """In seconds since the epoch."""
    if until is None or callable(until):
        return until
    if isinstance(until, datetime):
        return until.timestamp()
    seconds = until.total_seconds() if isinstance(until, timedelta) else until
    return now() + seconds


def _wait_for(holds: Callable[[], object], what: str, timeout: float) -> None:
    __tracebackhide__ = True
    deadline = time.monotonic() + timeout
    while not holds():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {timeout:g} s: {what}")
        time.sleep(LOOK)


def _kill(pid: int) -> bool:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def _is_call_of(task: CollectedTask, func: Callable[..., Any], arguments: Mapping[str, Any]) -> bool:
    if task.function != func:
        return False
    given = task.arguments
    return all(name in given and given[name] == value for name, value in arguments.items())


def _name_of(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", repr(function))
