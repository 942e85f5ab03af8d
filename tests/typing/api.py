"""The public names have these types: checked by mypy, never run."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, assert_type

import outlast


@outlast.on_failure
def alert(end: outlast.TaskEnd) -> None:
    assert_type(end.id, str)
    assert_type(end.function, str)
    assert_type(end.state, str)
    assert_type(end.attempt, int)
    assert_type(end.lane, str)
    assert_type(end.reason, str)
    assert_type(end.traceback, str)
    assert_type(end.ended_at, float)
    assert_type(end.exception, BaseException | None)


@outlast.on_end
async def count(end: outlast.TaskEnd) -> int:
    return end.attempt


def other(end: str) -> None: ...


assert_type(alert(end=outlast.TaskEnd("", "", "", 0, "", "", "", 0.0)), None)  # still what was written
unchanged: Callable[[outlast.TaskEnd], Coroutine[Any, Any, int]] = count
outlast.on_end(other)  # type: ignore[type-var]
outlast.on_end(print)
