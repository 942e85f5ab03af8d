"""Odd text and objects through every door of the web worker, and what people are shown of it afterwards."""

from __future__ import annotations

import asyncio
import inspect
import json
import socket
from collections.abc import Callable, Iterator
from contextvars import copy_context
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.background import BackgroundTasks
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

import outlast
from outlast.app import Outlast
from outlast.child.attempt import Pipeline
from outlast.child.code import FoundFunctions
from outlast.child.contexts import Contexts
from outlast.child.life import why_not_imported
from outlast.child.outbox import Outbox
from outlast.child.run import Assignment, Run
from outlast.cli.main import cli
from outlast.settings.settings import Settings
from outlast.system.process import this
from outlast.watch.flights import Flights
from outlast.web.background import StandIn
from outlast.web.plan import plan_or_inline
from outlast.wire.frames import receive_all
from outlast.wire.hello import Environment
from tests.borders.odd import ERRORS, TEXTS, raising
from tests.support.history import history_of

KINDS = sorted(ERRORS.keys() - {"hidden"})  # which asyncio does not carry from a thread
BOUNDED = settings(max_examples=20, suppress_health_check=list(HealthCheck))


@outlast.task(travels=True)
def fine(text: Any = None) -> None:
    """Never run: there is no runner."""


def never(text: Any) -> None:
    """Never run: there is no runner."""


async def endpoint(request: Request) -> PlainTextResponse:
    tasks = BackgroundTasks()
    kind = request.scope["kind"]
    tasks.add_task(fine, request.scope["given"])
    tasks.add_task(raiser, kind)
    if request.scope["fails"]:
        raise ERRORS[kind]()
    return PlainTextResponse("ok", background=tasks)


@outlast.task(travels=False)
def raiser(kind: str) -> None:
    raise ERRORS[kind]()


@pytest.fixture
def installed(tmp_path: Path) -> Iterator[tuple[FastAPI, Outlast]]:
    before, this.mode = list(this.apps.installed), "real"
    app = FastAPI(routes=[Route("/{path:path}", endpoint)])
    one = outlast.install(app, url=f"sqlite:///{tmp_path}/journal.db", runner="off", watch=False, store_deadline=20)
    yield app, one
    one.close()
    this.mode = "inline"
    this.apps.installed.clear()
    this.apps.installed.update(before)


async def called(app: FastAPI, scope: dict[str, Any]) -> int:
    statuses: list[int] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        statuses.append(message.get("status", 0))

    try:
        await app(scope, receive, send)
    except Exception:  # noqa: BLE001 - what the endpoint has raised goes on to the server
        return 500
    return statuses[0]


@given(
    path=TEXTS,
    query=st.binary(max_size=50),
    given_text=TEXTS,
    kind=st.sampled_from(KINDS),
    fails=st.booleans(),
)
@BOUNDED
def test_a_request_leaves_nothing_that_hurts(
    installed: tuple[FastAPI, Outlast], path: str, query: bytes, given_text: str, kind: str, fails: bool
) -> None:
    app, one = installed
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": f"/{path}",
        "raw_path": b"/",
        "query_string": query,
        "root_path": "",
        "server": ("x", 80),
        "headers": [(b"x", query)],
        "client": ("y", 1),
        "given": given_text,
        "kind": kind,
        "fails": fails,
    }
    status = asyncio.run(called(app, scope))
    one.enqueue_sync(fine)
    assert status in (200, 404, 405, 500)
    for record in history_of(one.path).tasks(limit=3):
        assert record.origin.isprintable() and len(record.origin) <= 300
    assert_people_are_safe(one.path)


def assert_people_are_safe(journal: Path) -> None:
    url = f"sqlite:///{journal}"
    newest = history_of(journal).tasks(limit=2)
    shows = [["show", record.id] for record in newest]
    for command in (["list", "--limit", "5"], ["status"], ["explain"], *shows):
        for extra in ([], ["--json"]):
            said = CliRunner().invoke(cli, [*command, *extra, "--url", url])
            assert said.exit_code == 0, said.output
            assert all(letter.isprintable() or letter == "\n" for letter in said.output)
            assert max(map(len, said.output.splitlines())) <= 200_000
            if extra:
                json.loads(said.stdout)


def plain_raiser(kind: str) -> None:
    raise ERRORS[kind]()


async def async_raiser(kind: str) -> None:
    raise ERRORS[kind]()


def run_of(number: int, function: Callable[[str], Any], kind: str, memory: int | None = None) -> Run:
    lane = "loop" if inspect.iscoroutinefunction(function) else "thread"
    arguments = json.dumps({"kind": kind})
    return Run(Assignment.read([number, 1, f"{__name__}:{function.__name__}", lane, memory, None, 0, arguments, ""]))


@pytest.mark.parametrize("kind", ERRORS)
def test_an_attempt_that_raises_anything_is_reported(kind: str) -> None:
    theirs, ours = socket.socketpair()
    outbox = Outbox(ours, pytest.fail)
    pipeline = Pipeline(FoundFunctions(), Contexts(copy_context()), Flights(), outbox)
    copy_context().run(pipeline.run_in_thread, run_of(1, plain_raiser, kind))
    asyncio.run(pipeline.run_on_loop(run_of(2, async_raiser, kind, memory=1 << 30)))
    ends: list[list[Any]] = []
    with theirs:
        for message in receive_all(theirs):
            ends += message["tasks"] if message["type"] == "ended" else []
            if len(ends) == 2:
                break
        outbox.close()
    assert [task for task, *_ in ends] == [1, 2]
    for _, reason, traceback, kinds in ends:
        assert reason and reason.isprintable() and len(reason) <= 2_000
        assert traceback and len(traceback) <= 16_384
        assert kinds[-2:] == ["builtins:Exception", "builtins:BaseException"] or kind == "exits"


@pytest.mark.parametrize("make", ERRORS.values(), ids=ERRORS)
def test_an_app_that_cannot_start_says_why_whatever_it_raises(make: Callable[[], Exception]) -> None:
    why = why_not_imported(raising(make()), Environment.here("main:app", Settings()))
    assert why.startswith("importing main:app raised ")
    assert len(why) < 20_000


class Unseen:
    """Raises whatever it is asked."""

    def __getattribute__(self, name: str) -> Any:
        raise RuntimeError(f"no {name}")

    def __repr__(self) -> str:
        raise RuntimeError("no repr")

    __str__ = __repr__


class Shy:
    """A callable that can be added as a task, and raises what Starlette does not ask for."""

    def __call__(self) -> None:
        """Could be called."""

    @property
    def __self__(self) -> Any:
        raise RuntimeError("whose I am is mine")

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


@pytest.mark.parametrize("which", ["function", "argument"])
def test_what_raises_when_it_is_looked_at_runs_inline_and_says_so(
    installed: tuple[FastAPI, Outlast], which: str
) -> None:
    task = StandIn(Shy()) if which == "function" else StandIn(never, Unseen())
    planned = plan_or_inline(task, installed[1].functions.describe)
    assert planned.is_inline
    assert planned.function.isprintable() and planned.reason.isprintable() and planned.reason


def test_an_id_that_is_taken_costs_another_draw(
    installed: tuple[FastAPI, Outlast], monkeypatch: pytest.MonkeyPatch
) -> None:
    app, one = installed
    taken = one.enqueue_sync(fine).number
    draws = iter([taken])
    real = one.ids.next
    monkeypatch.setattr(one.ids, "next", lambda: next(draws, 0) or real())
    again = one.enqueue_sync(fine).number
    assert again != taken
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "root_path": "",
        "server": ("x", 80),
        "headers": [],
        "client": ("y", 1),
        "given": "",
        "kind": "noise",
        "fails": False,
    }
    draws = iter([taken])
    assert asyncio.run(called(app, scope)) == 200
    one.enqueue_sync(fine)
    assert len(history_of(one.path).tasks()) == 5
