"""The public names have these types: checked by mypy, never run."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any, assert_type

from fastapi import Depends, FastAPI, Request, Response, UploadFile
from fastapi.responses import RedirectResponse

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
    assert_type(end.queue, str)


@outlast.on_end
async def count(end: outlast.TaskEnd) -> int:
    return end.attempt


def other(end: str) -> None: ...


def is_admin(request: Request) -> bool:
    return request.client is not None


async def is_somebody(request: Request) -> bool | Response:
    return RedirectResponse("/login")


app = FastAPI()
outlast.install(app, dashboard="/outlast", dashboard_guard=is_admin)
app.mount("/mine", outlast.dashboard(app, guard=is_somebody, read_only=True))
outlast.install(app, dashboard_guard=other)  # type: ignore[arg-type]


assert_type(alert(end=outlast.TaskEnd("", "", "", 0, "", "", "", 0.0)), None)  # still what was written
unchanged: Callable[[outlast.TaskEnd], Coroutine[Any, Any, int]] = count
outlast.on_end(other)  # type: ignore[type-var]
outlast.on_end(print)


def of_an_attempt(attempt: outlast.Attempt, rows: AsyncIterator[bytes]) -> None:
    assert_type(outlast.current(), outlast.Attempt)
    assert_type(attempt.number, int)
    assert_type(attempt.id, str)
    assert_type(attempt.resume, Any)
    attempt.progress(1, total=2.5, note="so far")
    attempt.checkpoint({"row": 1})
    assert_type(outlast.track([1], note="rows", start=1), Iterator[int])
    assert_type(outlast.track(rows, 5), AsyncIterator[bytes])


def of_an_upload(picture: UploadFile, number: int = 1) -> str:
    return f"{picture.filename} {number}"


async def with_files(upload: UploadFile, tasks: outlast.BackgroundTasks) -> None:
    stashed = await outlast.stash(upload)
    assert_type(stashed, outlast.StashedFile)
    assert_type(await outlast.stash(b"", filename="a.pdf", content_type="application/pdf"), outlast.StashedFile)
    assert_type(tasks.add_task(of_an_upload, stashed), outlast.Handle[str])
    await outlast.stash("text")  # type: ignore[arg-type]


def of_a_dependency(number: int, session: str = Depends(str)) -> int:
    return number + len(session)


def with_dependencies(tasks: outlast.BackgroundTasks) -> None:
    assert_type(tasks.add_task(of_a_dependency, 1), outlast.Handle[int])
