"""An app with every way of adding a background task that was found, and every way of losing one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, HTTPException, Request, WebSocket
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, StreamingResponse
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.background import BackgroundTasks as StarletteTasks
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

import outlast
from tests.web.work import homeless, homeless_async, work, work_async

routes = APIRouter()
inner_routes = APIRouter(prefix="/inner")
outer_routes = APIRouter(prefix="/outer")
mounted = FastAPI()


class Boom(Exception):
    """Answered by an exception handler."""


def build(*, http_middleware: bool) -> FastAPI:
    """The app, with or without `@app.middleware("http")`."""
    app = FastAPI()
    if http_middleware:
        app.middleware("http")(set_background_in_middleware)
    app.exception_handler(Boom)(answer_boom)
    app.include_router(routes)
    app.include_router(outer_routes, dependencies=[Depends(add_in_dependency)])
    app.mount("/mounted", mounted)
    app.mount("/starlette", Starlette(routes=[Route("/x", starlette_endpoint), Route("/shared", starlette_shared)]))
    app.add_route("/plain_route", starlette_endpoint)
    app.mount("/raw", raw_asgi)
    return app


async def set_background_in_middleware(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    response = await call_next(request)
    if request.url.path == "/middleware":
        response.background = BackgroundTask(work, "in_middleware")
    return response


async def answer_boom(request: Request, error: Exception) -> Response:
    return JSONResponse({}, 500, background=BackgroundTask(work, "in_handler"))


def add_in_dependency(tasks: BackgroundTasks) -> None:
    tasks.add_task(work, "in_dependency")


def add_at_exit(tasks: BackgroundTasks) -> Iterator[None]:
    yield
    tasks.add_task(work, "at_exit")


@routes.get("/none")
async def none() -> dict[str, str]:
    return {}


@routes.get("/param")
async def param(tasks: BackgroundTasks) -> dict[str, str]:
    tasks.add_task(work, "param")
    tasks.add_task(work_async, name="second")
    return {}


@routes.get("/param_sync")
def param_sync(tasks: BackgroundTasks) -> dict[str, str]:
    tasks.add_task(work, "param")
    return {}


@routes.get("/param_starlette")
async def param_starlette(tasks: StarletteTasks) -> dict[str, str]:
    tasks.add_task(work, "param")
    return {}


@routes.get("/dependency", dependencies=[Depends(add_in_dependency)])
async def dependency() -> dict[str, str]:
    return {}


@routes.get("/dependency_and_param", dependencies=[Depends(add_in_dependency)])
async def dependency_and_param(tasks: BackgroundTasks) -> dict[str, str]:
    tasks.add_task(work, "param")
    return {}


@routes.get("/exit_of_request", dependencies=[Depends(add_at_exit)])
async def exit_of_request() -> dict[str, str]:
    return {}


@routes.get("/exit_of_function", dependencies=[Depends(add_at_exit, scope="function")])
async def exit_of_function() -> dict[str, str]:
    return {}


@routes.get("/own")
async def own() -> Response:
    return JSONResponse({}, background=BackgroundTask(work, "own"))


@routes.get("/own_and_param")
async def own_and_param(tasks: BackgroundTasks) -> Response:
    tasks.add_task(work, "param")
    return JSONResponse({}, background=BackgroundTask(work, "own"))


@routes.get("/response_and_param")
async def response_and_param(tasks: BackgroundTasks) -> Response:
    tasks.add_task(work, "param")
    return PlainTextResponse("x")


@routes.get("/stream")
async def stream(tasks: BackgroundTasks) -> Response:
    async def body() -> AsyncIterator[bytes]:
        yield b"x"

    tasks.add_task(work, "param")
    return StreamingResponse(body())


@routes.get("/file")
async def file(tasks: BackgroundTasks) -> Response:
    tasks.add_task(work, "param")
    return FileResponse(__file__)


@routes.get("/generator")
async def generator(tasks: BackgroundTasks) -> AsyncIterator[dict[str, str]]:
    yield {}
    tasks.add_task(work, "after_first_item")
    yield {}


@routes.get("/http_exception")
async def http_exception(tasks: BackgroundTasks) -> None:
    tasks.add_task(work, "param")
    raise HTTPException(418)


@routes.get("/boom")
async def boom() -> None:
    raise Boom


@routes.get("/middleware")
async def middleware() -> dict[str, str]:
    return {}


@routes.get("/own_object")
async def own_object() -> Response:
    tasks = StarletteTasks([BackgroundTask(work, "given")])
    tasks.add_task(work, "added")
    return JSONResponse({}, background=tasks)


@outer_routes.get("/x")
async def sub_router(tasks: BackgroundTasks) -> dict[str, str]:
    tasks.add_task(work, "param")
    return {}


@inner_routes.get("/x")
async def nested_sub_router(tasks: BackgroundTasks) -> dict[str, str]:
    tasks.add_task(work, "param")
    return {}


outer_routes.include_router(inner_routes)


@mounted.get("/x")
async def mounted_fastapi(tasks: BackgroundTasks) -> dict[str, str]:
    tasks.add_task(work, "param")
    return {}


async def starlette_endpoint(request: Request) -> Response:
    return JSONResponse({}, background=BackgroundTask(work, "own"))


async def starlette_shared(request: Request) -> Response:
    return SHARED_TOO


async def raw_asgi(scope: Scope, receive: Receive, send: Send) -> None:
    await JSONResponse({}, background=BackgroundTask(work, "own"))(scope, receive, send)


@routes.get("/own_then_exception")
async def own_then_exception() -> Response:
    JSONResponse({}, background=BackgroundTask(work, "own"))
    raise HTTPException(409)


@routes.get("/error")
async def error(tasks: BackgroundTasks) -> None:
    tasks.add_task(work, "param")
    raise ZeroDivisionError("in the endpoint")


async def fail_at_exit() -> AsyncIterator[None]:
    yield
    raise RuntimeError("commit failed")


@routes.get("/exit_raises", dependencies=[Depends(fail_at_exit)])
async def exit_raises(tasks: BackgroundTasks) -> dict[str, str]:
    tasks.add_task(work, "param")
    return {}


@routes.get("/exit_raises_before", dependencies=[Depends(fail_at_exit, scope="function")])
async def exit_raises_before(tasks: BackgroundTasks) -> dict[str, str]:
    tasks.add_task(work, "param")
    return {}


@routes.get("/endless")
async def endless(tasks: BackgroundTasks) -> Response:
    async def body() -> AsyncIterator[bytes]:
        while True:
            yield b"x" * 65536
            await asyncio.sleep(0.01)

    tasks.add_task(work, "param")
    return StreamingResponse(body())


@routes.get("/inline_fails")
async def inline_fails(tasks: BackgroundTasks) -> dict[str, str]:
    tasks.add_task(work, "first")
    tasks.add_task(homeless("fails", fails=True))
    tasks.add_task(homeless_async("fails_too", fails=True))
    tasks.add_task(homeless("inline"))
    tasks.add_task(work, "last")
    return {}


@routes.get("/nested")
async def nested(tasks: BackgroundTasks) -> Response:
    response = JSONResponse({}, background=BackgroundTask(work, "single"))
    tasks.add_task(work, "param")
    tasks.add_task(response.background)  # type: ignore[arg-type]  # a background object can be called
    group = StarletteTasks([BackgroundTask(work, "of_group")])
    tasks.add_task(group)
    tasks.add_task(BackgroundTask(work, "plain"))
    group.add_task(work, "of_group_later")
    response.background = tasks
    return response


class OwnMeaning(StarletteTasks):
    """Not what Starlette means: the tasks run at once, and one failure is theirs all."""

    async def __call__(self) -> None:
        await asyncio.gather(*(task() for task in self.tasks))


@routes.get("/own_meaning")
async def own_meaning() -> Response:
    tasks = OwnMeaning()
    tasks.add_task(work, "at_once")
    return JSONResponse({}, background=tasks)


@routes.get("/own_and_param_then_exception")
async def own_and_param_then_exception(tasks: BackgroundTasks) -> Response:
    tasks.add_task(work, "param")
    JSONResponse({}, background=BackgroundTask(work, "own"))
    raise HTTPException(409)


SHARED = JSONResponse({}, background=BackgroundTask(work, "of_module"))
SHARED_TOO = JSONResponse({}, background=BackgroundTask(work, "of_module"))


@routes.get("/shared_response")
async def shared_response() -> Response:
    return SHARED


@routes.get("/called_by_hand")
async def called_by_hand(tasks: BackgroundTasks) -> dict[str, str]:
    tasks.add_task(work, "by_hand")
    await tasks()
    tasks.tasks.clear()
    return {}


@routes.get("/explicit")
async def explicit(tasks: outlast.BackgroundTasks) -> dict[str, str]:
    tasks.add_task(work, "first")
    tasks.options(parallel=True).add_task(work, "beside")
    return {"id": tasks.add_task(work_async, "second").id}


def add_explicitly(tasks: outlast.BackgroundTasks) -> None:
    tasks.add_task(work, "in_dependency")


@routes.get("/explicit_sync", dependencies=[Depends(add_explicitly)])
def explicit_sync(tasks: outlast.BackgroundTasks) -> dict[str, str]:
    tasks.add_task(work, "param")
    return {}


@routes.get("/explicit_exception")
async def explicit_exception(tasks: outlast.BackgroundTasks) -> None:
    tasks.add_task(work, "param")
    raise HTTPException(418)


@routes.get("/explicit_refused")
async def explicit_refused(tasks: outlast.BackgroundTasks) -> None:
    tasks.add_task(lambda: None)


@routes.get("/explicit_exit_raises", dependencies=[Depends(fail_at_exit)])
async def explicit_exit_raises(tasks: outlast.BackgroundTasks) -> dict[str, str]:
    tasks.add_task(work, "param")
    return {}


@routes.websocket("/socket")
async def socket(websocket: WebSocket, tasks: BackgroundTasks, ours: outlast.BackgroundTasks) -> None:
    await websocket.accept()
    tasks.add_task(work, "param")
    ours.add_task(work, "explicit")
    tasks.add_task(homeless("inline"))
    await websocket.send_text("stored")
    await websocket.receive_text()
