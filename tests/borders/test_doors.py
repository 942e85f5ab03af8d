"""Odd text and objects through every door of the web worker, and what people are shown of it afterwards."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
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
from outlast.child.attempt import Assignment, run_in_loop, run_in_thread
from outlast.child.main import why_not_imported
from outlast.cli.main import cli
from outlast.engines.history import History
from outlast.frames import Unpacker, packed
from outlast.hello import Environment
from outlast.process import this
from outlast.request.boxed import BoxedTask
from outlast.request.plan import plan_or_inline
from outlast.settings import Settings
from tests.borders.odd import ERRORS, TEXTS, raising

KINDS = sorted(ERRORS.keys() - {"hidden"})  # which asyncio does not carry from a thread
BOUNDED = settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


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
    before, this.mode = list(this.installed), "real"
    app = FastAPI(routes=[Route("/{path:path}", endpoint)])
    one = outlast.install(app, url=f"sqlite:///{tmp_path}/journal.db", runner="off", watch=False, store_deadline=20)
    yield app, one
    one.close()
    this.mode = "inline"
    this.installed.clear()
    this.installed.update(before)


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
    for record in History(one.path).tasks(limit=3):
        assert record.origin.isprintable() and len(record.origin) <= 300
    assert_people_are_safe(one.path)


def assert_people_are_safe(journal: Path) -> None:
    url = f"sqlite:///{journal}"
    newest = History(journal).tasks(limit=2)
    shows = [["show", record.id] for record in newest]
    for command in (["list", "--limit", "5"], ["status"], ["explain"], *shows):
        for extra in ([], ["--json"]):
            said = CliRunner().invoke(cli, [*command, *extra, "--url", url])
            assert said.exit_code == 0, said.output
            assert all(letter.isprintable() or letter == "\n" for letter in said.output)
            assert max(map(len, said.output.splitlines())) <= 200_000
            if extra:
                json.loads(said.stdout)


class Found:
    def __init__(self, function: object) -> None:
        self.function = function

    def prepared(self, _path: str, _arguments: str) -> tuple[object, tuple[()], dict[str, object]]:
        return self.function, (), {}


class Sent:
    def __init__(self) -> None:
        self.ends: list[tuple[Any, ...]] = []

    def ended(self, *end: Any) -> None:
        self.ends.append(end)

    def saw(self, _task: int, error: BaseException | None) -> None:
        assert error is not None


@pytest.mark.parametrize("make", ERRORS.values(), ids=ERRORS)
def test_an_attempt_that_raises_anything_is_reported(make: Callable[[], Exception]) -> None:
    def plain() -> None:
        raise make()

    async def on_loop() -> None:
        raise make()

    async def main() -> None:
        await run_in_loop(Assignment.read([2, 1, "m:g", "loop", None, "{}", ""]), Found(on_loop), sent)  # type: ignore[arg-type]

    sent = Sent()
    run_in_thread(Assignment.read([1, 1, "m:f", "thread", 5, "{}", ""]), Found(plain), sent)  # type: ignore[arg-type]
    asyncio.run(main())
    assert [end[0] for end in sent.ends] == [1, 2]
    (message,) = Unpacker().feed(packed({"type": "ended", "tasks": sent.ends}))
    assert message["tasks"] == [list(end) for end in sent.ends]
    for _, reason, traceback in sent.ends:
        assert reason and reason.isprintable() and len(reason) <= 2_000
        assert traceback and len(traceback) <= 16_384


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
    task = BoxedTask(Shy()) if which == "function" else BoxedTask(never, Unseen())
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
    assert len(History(one.path).tasks()) == 5
