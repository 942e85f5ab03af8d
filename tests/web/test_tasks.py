"""`outlast.BackgroundTasks`: what it answers to wrong calls, and in wrong places."""

from __future__ import annotations

import json
from typing import Annotated, get_args, get_origin

import fastapi
import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient

import outlast
from outlast.errors import NotInstalled, NotStorable, OptionError
from outlast.ids import id_range, shown
from outlast.web import tasks as module
from outlast.web.handle import Handle
from outlast.web.journal import Durable
from outlast.web.tasks import Tasks
from tests.web.calling import Served
from tests.web.recording import RecordingStore
from tests.web.work import homeless, work

pytestmark = pytest.mark.usefixtures("hooks_taken_out")


def test_a_handle_shows_the_id_of_the_task() -> None:
    app = FastAPI()

    @app.get("/")
    async def endpoint(tasks: outlast.BackgroundTasks) -> str:
        handle = tasks.add_task(work, "first")
        assert str(handle) == handle.id
        return handle.id

    served = Served(app)
    served.get("/")
    (add,) = served.events[0]["changes"]
    assert json.loads(served.body) == shown(add["id"])


def test_options_of_options_add_up() -> None:
    app = FastAPI()

    @app.get("/")
    async def endpoint(tasks: outlast.BackgroundTasks) -> None:
        mail = tasks.options(priority=3, timeout=5, parallel=True)
        tasks.add_task(work, "before")
        mail.options(timeout=9).add_task(work, "behind none")
        mail.options(parallel=False).add_task(work, "behind the first")

    served = Served(app)
    served.get("/")
    first, *others = served.events[0]["changes"]
    assert [one["options"]["priority"] for one in others] == [3, 3]
    assert [one["options"]["timeout"] for one in others] == [9.0, 5.0]
    assert [one["follows"] for one in others] == [None, first["id"]]


def test_parallel_is_true_or_false() -> None:
    app = FastAPI()

    @app.get("/")
    async def endpoint(tasks: outlast.BackgroundTasks) -> None:
        with pytest.raises(OptionError, match="true or false"):
            tasks.options(parallel="no")  # type: ignore[arg-type]

    assert Served(app).get("/").status == 200


@outlast.task(expires=30)
def short_lived(name: str) -> None: ...


@outlast.task(delay=60)
def late(name: str) -> None: ...


def test_options_that_together_let_nothing_begin_are_refused_at_the_call() -> None:
    app = FastAPI()

    @app.get("/")
    async def endpoint(tasks: outlast.BackgroundTasks) -> None:
        with pytest.raises(OptionError, match="let 'expires' be more than 'delay'"):
            tasks.options(delay=60).options(expires=30).add_task(work, "first")
        with pytest.raises(OptionError, match="let 'expires' be more than 'delay'"):
            tasks.options(delay=60).add_task(short_lived, "second")
        tasks.options(delay=60, expires=None).add_task(short_lived, "third")

    served = Served(app)
    served.get("/")
    assert [json.loads(one["arguments"])["name"] for one in served.events[0]["changes"]] == ["third"]


def test_a_setting_and_a_function_that_together_let_nothing_begin_are_refused(caplog: pytest.LogCaptureFixture) -> None:
    app = FastAPI()

    @app.get("/")
    async def endpoint(tasks: outlast.BackgroundTasks) -> None:
        with pytest.raises(OptionError, match="let 'expires' be more than 'delay'"):
            tasks.options(retries=1).add_task(late, "first")
        tasks.options(delay=0).add_task(late, "second")
        tasks.add_task(late, "third")

    served = Served(app, options={"expires": 30})
    served.get("/")
    second, third = served.events[0]["changes"]
    assert json.loads(second["arguments"])["name"] == "second"
    assert "arguments" not in third
    assert "let 'expires' be more than 'delay'" in caplog.text


def test_handles_are_values() -> None:
    nobody, nobody_else = Durable(RecordingStore(print)), Durable(RecordingStore(print))
    assert Handle(5, nobody) == Handle(5, nobody_else)
    assert id_range(Handle(5, nobody).id) == (5, 5)


@pytest.mark.parametrize(
    ("function", "arguments", "sentence"),
    [
        (homeless("x"), (), "move it to the top level of a module"),
        (work, (1,), "name"),
        (work, (), "name"),
    ],
    ids=["function", "argument", "missing argument"],
)
def test_what_cannot_travel_is_refused_at_the_call(
    function: object, arguments: tuple[object, ...], sentence: str
) -> None:
    app = FastAPI()
    refusals: list[str] = []

    @app.get("/")
    async def endpoint(tasks: outlast.BackgroundTasks) -> None:
        with pytest.raises(NotStorable) as refused:
            tasks.add_task(function, *arguments)  # type: ignore[call-overload]  # that is the point
        refusals.append(str(refused.value))

    seen = Served(app).get("/")
    assert (seen.status, seen.before, seen.after) == (200, [], [])
    assert sentence in refusals[0]


def test_refuses_when_its_request_is_over() -> None:
    app = FastAPI()
    kept: list[Tasks] = []

    @app.get("/")
    async def endpoint(tasks: outlast.BackgroundTasks) -> None:
        kept.append(tasks)

    Served(app).get("/")
    with pytest.raises(NotStorable, match=r"outlast\.enqueue"):
        kept[0].add_task(work, "late")


def test_a_task_added_while_the_response_streams_is_stored_and_released() -> None:
    from collections.abc import AsyncIterator

    app = FastAPI()

    @app.get("/")
    async def endpoint(tasks: outlast.BackgroundTasks) -> AsyncIterator[str]:
        tasks.add_task(work, "after_start")
        yield "x"
        tasks.add_task(work, "later")

    seen = Served(app).get("/")
    assert (seen.before, seen.after) == ([], ["after_start", "later"])
    assert sorted(seen.released) == ["after_start", "later"]


def test_says_what_to_do_when_outlast_is_not_installed() -> None:
    app = FastAPI()

    @app.get("/")
    async def endpoint(tasks: outlast.BackgroundTasks) -> None: ...

    with pytest.raises(NotInstalled, match=r"outlast\.install\(app\)"):
        TestClient(app).get("/")


def test_needs_a_fastapi_with_scopes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fastapi, "__version__", "0.115.14")
    monkeypatch.delitem(vars(module), "BackgroundTasks", raising=False)
    with pytest.raises(ImportError, match=r"needs FastAPI 0\.128\.4 or newer, this is 0\.115\.14"):
        _ = module.BackgroundTasks


def test_is_an_annotation() -> None:
    assert get_origin(module.BackgroundTasks) is Annotated
    assert get_args(module.BackgroundTasks)[0] is Tasks
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = module.Nothing


def test_who_calls_it_hears_where_it_belongs() -> None:
    with pytest.raises(
        TypeError, match=r"declare a parameter of the endpoint .* outside of a request `outlast\.enqueue"
    ):
        module.BackgroundTasks()


def test_adds_no_parameter_to_the_schema() -> None:
    app = FastAPI()

    @app.get("/")
    async def endpoint(request: Request, tasks: outlast.BackgroundTasks) -> None: ...

    assert "parameters" not in app.openapi()["paths"]["/"]["get"]
