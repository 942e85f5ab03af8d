"""The pytest plugin: how background tasks run in the tests of an app that has outlast.

Under it they run before the response returns, and what they raise is raised in the test, so that mocks keep
working (mode `inline`). The fixture `outlast_tasks` collects them instead (mode `manual`), and
`@pytest.mark.outlast("real")` gives them a journal in a temporary folder and a runner (mode `real`).

Every pytest run of every project imports this file: it has to stay cheap.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args
from weakref import WeakSet

import pytest

from outlast.process import Mode, this

if TYPE_CHECKING:
    from outlast.request.boxed import BoxedTask

MARKER = "outlast"
LEAVING_TIME = 10.0  # seconds a thread may take that is just about to start a runner
FIXTURE = "outlast_tasks"
MODES = tuple(mode for mode in get_args(Mode) if mode)


@dataclass(frozen=True)
class CollectedTask:
    """A call that a background task would have been."""

    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]

    @property
    def arguments(self) -> dict[str, Any]:
        """All arguments by parameter name, defaults among them."""
        bound = inspect.signature(self.function).bind(*self.args, **self.kwargs)
        bound.apply_defaults()
        return dict(bound.arguments)

    def __str__(self) -> str:
        given = [*map(repr, self.args), *(f"{name}={value!r}" for name, value in self.kwargs.items())]
        return f"{_name_of(self.function)}({', '.join(given)})"


class CollectedTasks:
    """The tasks that were accepted in a test of mode `manual`, and have not run yet."""

    def all(self) -> list[CollectedTask]:
        """They, in the order in which they were accepted."""
        return [CollectedTask(task.func, task.args, task.kwargs) for task in this.collected]

    def assert_added(self, func: Callable[..., Any], **arguments: Any) -> None:
        """Fail unless a task of `func` was accepted with these values among its arguments."""
        __tracebackhide__ = True
        added = self.all()
        if not any(_is_call_of(task, func, arguments) for task in added):
            wanted = CollectedTask(func, (), arguments)
            there = ", ".join(map(str, added)) or "none"
            pytest.fail(f"no background task {wanted} was added; there are: {there}")

    def drain(self) -> None:
        """Run them in order and forget them. One that fails stops no other; what it raised is raised then."""
        from outlast.request.inline import surface

        surface([error for task in _taken() if (error := _failure_of(task))])

    async def drain_async(self) -> None:
        """The same in a test that has an event loop, on that loop."""
        from outlast.request.inline import surface

        surface([error for task in _taken() if (error := await _failure_of_awaited(task))])


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, and `inline` the mode of everything that no test of its own asks for."""
    config.addinivalue_line("markers", f"{MARKER}(mode): how background tasks run: {', '.join(MODES)}")
    this.mode = this.mode or "inline"


@pytest.fixture
def outlast_tasks() -> CollectedTasks:
    """Collects the background tasks of the test instead of running them."""
    return CollectedTasks()


@pytest.fixture(autouse=True)
def _outlast_mode(request: pytest.FixtureRequest) -> Iterator[None]:
    mode = _mode_of(request)
    if mode == "real":
        folder: Path = request.getfixturevalue("tmp_path")
        with _entered(mode), _journal_in(folder / "outlast"):
            yield
    else:
        with _entered(mode):
            yield


def _mode_of(request: pytest.FixtureRequest) -> Mode:
    marker = request.node.get_closest_marker(MARKER)
    collects = FIXTURE in request.fixturenames
    if marker is None:
        return "manual" if collects else "inline"
    mode: Mode = marker.args[0] if len(marker.args) == 1 else ""
    if mode not in MODES:
        raise pytest.UsageError(f"@pytest.mark.{MARKER} takes one of {', '.join(map(repr, MODES))}")
    if collects and mode != "manual":
        raise pytest.UsageError(f"fixture {FIXTURE} collects tasks in mode 'manual', but this test asks for {mode!r}")
    return mode


@contextmanager
def _entered(mode: Mode) -> Iterator[None]:
    before, this.mode = this.mode, mode
    this.collected.clear()
    try:
        yield
    finally:
        this.mode = before
        this.collected.clear()


@contextmanager
def _journal_in(folder: Path) -> Iterator[None]:
    """All apps with outlast, also those made in the test, have their journal in `folder`, with a runner."""
    before = this.overrides, this.services
    this.services = WeakSet()
    this.overrides = {
        "url": f"sqlite:///{folder / 'journal.db'}",
        "runner": "auto",
        "linger": 0.0,
        "drain": 0.0,
    }
    try:
        yield
    finally:
        for service in list(this.services):
            service.close()
            service.connection.join(LEAVING_TIME)
        this.overrides, this.services = before


def _taken() -> Iterator[BoxedTask]:
    while this.collected:
        yield this.collected.pop(0)


def _failure_of(task: BoxedTask) -> Exception | None:
    try:
        with task.in_its_scene():
            task.run_blocking()
    except Exception as error:  # noqa: BLE001  # the user's code; its test is told
        return error
    return None


async def _failure_of_awaited(task: BoxedTask) -> Exception | None:
    try:
        with task.in_its_scene():
            await task.run()
    except Exception as error:  # noqa: BLE001  # the user's code; its test is told
        return error
    return None


def _is_call_of(task: CollectedTask, func: Callable[..., Any], arguments: Mapping[str, Any]) -> bool:
    if task.function != func:
        return False
    given = task.arguments
    return all(name in given and given[name] == value for name, value in arguments.items())


def _name_of(function: Callable[..., Any]) -> str:
    return getattr(function, "__qualname__", repr(function))
