"""`outlast.track`: the progress of a loop."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator, Sized
from typing import Any, TypeVar, overload

from outlast.tasks.attempt import current

T = TypeVar("T")


@overload
def track(rows: Iterable[T], total: float | None = None, note: str = "", *, start: int = 0) -> Iterator[T]: ...
@overload
def track(
    rows: AsyncIterable[T], total: float | None = None, note: str = "", *, start: int = 0
) -> AsyncIterator[T]: ...
def track(rows: Any, total: float | None = None, note: str = "", *, start: int = 0) -> Any:
    """The same rows, one after the other; how many the loop is done with is the progress of its task.

    Between two of them the task ends if it has to: see `Attempt.check`. total: by default as many as there are, if
    `rows` knows that. start: how many were done before, by the attempt that this one goes on with. `rows` may be
    for `async for`, too.
    """
    if total is None and isinstance(rows, Sized):
        total = start + len(rows)
    tracked = _awaited if isinstance(rows, AsyncIterable) else _one_by_one
    return tracked(rows, total, note, start)


def _one_by_one(rows: Iterable[T], total: float | None, note: str, start: int) -> Iterator[T]:
    attempt, done = current(), start
    attempt.progress(done, total, note)
    for row in rows:
        attempt.check()
        yield row
        done += 1
        attempt.progress(done, total, note)


async def _awaited(rows: AsyncIterable[T], total: float | None, note: str, start: int) -> AsyncIterator[T]:
    attempt, done = current(), start
    attempt.progress(done, total, note)
    async for row in rows:
        attempt.check()
        yield row
        done += 1
        attempt.progress(done, total, note)
