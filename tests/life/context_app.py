"""An app whose tasks say which context variables they see; `PLAIN=1` is FastAPI alone. Copied as main.py."""

import asyncio
import decimal
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import anyio.from_thread
from fastapi import BackgroundTasks, Depends, FastAPI, Request
from fastapi.responses import JSONResponse
from starlette.background import BackgroundTask
from starlette.middleware.base import RequestResponseEndpoint
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import outlast


@dataclass
class User:
    name: str
    groups: tuple[str, ...]


class Session:
    """What only its process has."""


class Scoped:
    dependency: ContextVar[str | None] = ContextVar("dependency", default=None)


middleware: ContextVar[str | None] = ContextVar("middleware", default=None)
endpoint: ContextVar[str | None] = ContextVar("endpoint", default=None)
imported: ContextVar[str | None] = ContextVar("imported", default=None)
started: ContextVar[str | None] = ContextVar("started", default=None)
answered: ContextVar[str | None] = ContextVar("answered", default=None)
user: ContextVar[User | None] = ContextVar("user", default=None)
session: ContextVar[Session | None] = ContextVar("session", default=None)
LOOPS: list[asyncio.AbstractEventLoop] = []
imported.set("import")
SEEN: dict[str, ContextVar[Any]] = {
    "middleware": middleware,
    "endpoint": endpoint,
    "dependency": Scoped.dependency,
    "imported": imported,
    "started": started,
    "answered": answered,
    "user": user,
}


def witness(*words: str) -> None:
    with Path("witness.log").open("a") as file:
        file.write(" ".join(words) + "\n")


def look(name: str) -> None:
    words = [f"{key}={variable.get()}".replace(" ", "") for key, variable in SEEN.items()]
    witness(name, *words, f"precision={decimal.getcontext().prec}")


def look_in_thread(name: str) -> None:
    look(f"{name}-def")


async def look_on_loop(name: str) -> None:
    look(f"{name}-async")
    endpoint.set("a task before")  # which another task must not see


def use_session() -> None:
    witness("session", type(session.get()).__name__, str(os.getpid()))


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    started.set("lifespan")
    LOOPS.append(asyncio.get_running_loop())
    yield


class Plain:
    """A middleware that is nothing but an ASGI app."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        token = middleware.set("asgi")
        decimal.getcontext().prec = 50

        async def mark(message: Message) -> None:
            if message["type"] == "http.response.start":
                answered.set("start")
            await send(message)

        try:
            await self.app(scope, receive, mark)
        finally:
            middleware.reset(token)


async def by_function(request: Request, call_next: RequestResponseEndpoint) -> Response:
    middleware.set("http")
    decimal.getcontext().prec = 50
    user.set(User("ann", ("ops", "dev")))
    response = await call_next(request)
    answered.set("after")
    return response


app = FastAPI(lifespan=lifespan)
if os.environ.get("MIDDLEWARE") == "asgi":
    app.add_middleware(Plain)
else:
    app.middleware("http")(by_function)


async def on_loop() -> None:
    Scoped.dependency.set("async")


def in_thread() -> None:
    Scoped.dependency.set("def")


async def held() -> AsyncIterator[None]:
    token = Scoped.dependency.set("held")
    yield
    Scoped.dependency.reset(token)


def both(tasks: BackgroundTasks, name: str) -> None:
    endpoint.set("early")
    tasks.add_task(look_in_thread, name)
    endpoint.set("late")


@app.get("/async/{name}")
async def from_async(name: str, tasks: BackgroundTasks, _: Annotated[None, Depends(on_loop)]) -> None:
    both(tasks, name)


@app.get("/def/{name}")
def from_def(name: str, tasks: BackgroundTasks, _: Annotated[None, Depends(in_thread)]) -> None:
    both(tasks, name)


@app.get("/held/{name}")
async def while_held(name: str, tasks: BackgroundTasks, _: Annotated[None, Depends(held)]) -> None:
    both(tasks, name)


@app.get("/given-back/{name}")
async def given_back(name: str, tasks: BackgroundTasks, _: Annotated[None, Depends(held, scope="function")]) -> None:
    both(tasks, name)


@app.get("/own/{name}")
def own_background(name: str) -> Response:
    endpoint.set("in a thread")
    return JSONResponse({}, background=BackgroundTask(look_on_loop, name))


async def bare(request: Request) -> Response:
    endpoint.set("early")
    response = JSONResponse({}, background=BackgroundTask(look_on_loop, request.path_params["name"]))
    endpoint.set("late")
    return response


app.router.routes.append(Route("/bare/{name}", bare))


@app.get("/session")
async def with_session(tasks: BackgroundTasks) -> None:
    session.set(Session())
    tasks.add_task(use_session)


@app.get("/promised-session")
async def promised_session(tasks: outlast.BackgroundTasks) -> str:
    session.set(Session())
    try:
        tasks.add_task(use_session)
    except outlast.NotStorable as error:
        return str(error)
    return "stored"


@app.get("/enqueued/{name}")
async def enqueued(name: str) -> None:
    endpoint.set("enqueued")
    await outlast.enqueue(look_on_loop, name)


async def on_the_loop(name: str) -> str:
    return f"{name} {endpoint.get()} {asyncio.get_running_loop() is LOOPS[0]}"


def reach_for_the_loop(name: str) -> None:
    witness("reached", anyio.from_thread.run(on_the_loop, name), anyio.from_thread.run_sync(endpoint.get) or "")
    anyio.from_thread.check_cancelled()
    witness("not cancelled")


@app.get("/reach/{name}")
async def reach(name: str, tasks: BackgroundTasks) -> None:
    endpoint.set("here")
    tasks.add_task(reach_for_the_loop, name)


@app.get("/ping")
def ping() -> int:
    return os.getpid()


CARRY: dict[str, Any] = {"none": False, "without": {middleware: False, "main:imported": False}}
if not os.environ.get("PLAIN"):
    outlast.install(app, carry=CARRY.get(os.environ.get("CARRY", ""), True))
