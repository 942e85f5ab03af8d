"""What the doorway does when the journal fails, with tasks that cannot travel, and to others: nothing."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import Context, copy_context
from pathlib import Path
from typing import Any

import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, Request, WebSocket
from fastapi.responses import StreamingResponse
from fastapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.background import BackgroundTasks as StarletteTasks
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Message, Receive, Scope, Send

import outlast
from outlast.errors import JournalUnusable, QueueFull, SettingsError, StoreFailed
from outlast.events.requests import REFUSED
from outlast.functions.functions import task as declared
from outlast.journal.submissions import Answer
from outlast.web import hook
from outlast.web.call_site import MOST
from tests.web.calling import Served
from tests.web.work import homeless, work

pytestmark = pytest.mark.usefixtures("hooks_taken_out")

Endpoint = Callable[..., Any]


@pytest.fixture
def traces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    """The tasks that ran in this process."""
    monkeypatch.setenv("DOORWAY_TRACES", str(tmp_path))
    ran = tmp_path / "ran"
    return lambda: ran.read_text(encoding="utf-8").splitlines() if ran.exists() else []


def app_with(endpoint: Endpoint) -> FastAPI:
    app = FastAPI()
    app.get("/")(endpoint)
    return app


def layers(app: Any) -> Iterator[str]:
    """What an app is in and what is in that, from outside, by class."""
    while app is not None:
        yield type(app).__name__
        app = getattr(app, "app", None)


def served(endpoint: Endpoint, **settings: Any) -> Served:
    return Served(app_with(endpoint), **settings)


async def both(tasks: BackgroundTasks) -> dict[str, str]:
    tasks.add_task(work, "durable")
    tasks.add_task(homeless("inline"))
    return {"own": "answer"}


async def only_inline(tasks: BackgroundTasks) -> dict[str, str]:
    tasks.add_task(homeless("inline"))
    return {"own": "answer"}


async def durable(tasks: BackgroundTasks) -> dict[str, str]:
    tasks.add_task(work, "durable")
    return {"own": "answer"}


async def explicit(tasks: outlast.BackgroundTasks) -> dict[str, str]:
    tasks.add_task(work, "durable")
    return {"own": "answer"}


@pytest.mark.parametrize("failure", [StoreFailed("disk full"), JournalUnusable("not a journal")])
@pytest.mark.parametrize("endpoint", [both, explicit])
def test_refuses_when_the_journal_fails(
    endpoint: Endpoint,
    failure: Exception,
    traces: Callable[[], list[str]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    app = served(endpoint, store_deadline=1.5)
    app.store.failure = failure
    seen = app.get("/")
    assert seen.status == 503
    assert app.headers["retry-after"] == "2"
    assert int(app.headers["content-length"]) == len(app.body)
    assert b"could not be stored" in app.body
    assert b"own" not in app.body
    assert (seen.before, seen.after, seen.released, seen.dropped, traces()) == ([], [], [], {}, [])
    (line,) = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert line.startswith("GET / is answered 503")
    assert "tests.web.work:work" in line
    assert str(failure) in line


def test_what_was_stored_early_is_dropped_by_a_refusal(traces: Callable[[], list[str]]) -> None:
    async def endpoint(tasks: outlast.BackgroundTasks) -> None:
        await tasks.add_task(work, "early").stored()
        app.store.failure = StoreFailed("disk full")
        tasks.add_task(work, "late")

    app = served(endpoint)
    seen = app.get("/")
    assert (seen.status, seen.released, seen.dropped, traces()) == (503, [], {"early": REFUSED}, [])


@pytest.mark.parametrize("error", [StoreFailed("disk full"), QueueFull("mail", 3)])
def test_what_is_raised_in_a_websocket_is_answered_by_no_response(error: Exception) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        raise error

    app = FastAPI()
    app.websocket("/")(endpoint)
    outlast.install(app)
    with pytest.raises(type(error)), TestClient(app).websocket_connect("/") as socket:
        socket.receive_text()


def test_takes_nothing_more_once_it_has_refused(traces: Callable[[], list[str]]) -> None:
    async def endpoint(tasks: BackgroundTasks) -> AsyncIterator[str]:
        tasks.add_task(work, "in_stream")
        yield "x"

    def before(tasks: BackgroundTasks) -> None:
        tasks.add_task(work, "before")

    app = FastAPI()
    app.get("/", dependencies=[Depends(before)])(endpoint)
    refusing = Served(app)
    refusing.store.failure = StoreFailed("disk full")
    assert refusing.get("/").status == 503
    assert [event["what"] for event in refusing.events] == ["start", "end"]
    assert traces() == []


def test_recovers_when_the_journal_does() -> None:
    app = served(durable)
    app.store.failure = StoreFailed("disk full")
    assert app.get("/").status == 503
    app.store.failure = None
    assert app.get("/").released == ["durable"]


def test_runs_inline_instead_of_refusing_where_that_is_set(traces: Callable[[], list[str]]) -> None:
    app = served(both, on_store_error="inline")
    app.store.failure = StoreFailed("disk full")
    seen = app.get("/")
    assert seen.status == 200
    assert traces() == ["durable", "inline"]
    assert (seen.before, seen.after, seen.released, seen.settled) == ([], [], [], {})


def test_explicit_tasks_run_inline_instead_of_refusing_where_that_is_set(
    traces: Callable[[], list[str]],
) -> None:
    app = served(explicit, on_store_error="inline")
    app.store.failure = StoreFailed("disk full")
    assert app.get("/").status == 200
    assert traces() == ["durable"]


def test_does_not_refuse_what_runs_inline_anyway(
    traces: Callable[[], list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    app = served(only_inline)
    app.store.failure = StoreFailed("disk full")
    seen = app.get("/")
    assert (seen.status, seen.before, seen.settled, traces()) == (200, [], {}, ["inline"])
    assert "unrecorded" in caplog.text


def test_nothing_is_stored_for_a_request_without_tasks() -> None:
    async def endpoint(tasks: BackgroundTasks) -> None:
        return

    app = served(endpoint)
    app.store.failure = StoreFailed("nobody should ask")
    assert app.get("/").status == 200
    assert [event["what"] for event in app.events] == ["start", "end"]


def test_warns_once_for_each_call_site(caplog: pytest.LogCaptureFixture) -> None:
    async def endpoint(tasks: BackgroundTasks) -> None:
        for _ in range(2):
            tasks.add_task(homeless("again"))
        tasks.add_task(homeless("elsewhere"))

    app = served(endpoint)
    app.get("/")
    app.get("/")
    warnings = [record.getMessage() for record in caplog.records]
    first = test_warns_once_for_each_call_site.__code__.co_firstlineno + 3
    sites = [line.partition(": ")[0] for line in warnings]
    assert [site.rpartition("/")[2] for site in sites] == [
        f"test_doorway.py:{first}",
        f"test_doorway.py:{first + 1}",
    ]
    assert all("runs inline" in line for line in warnings)
    assert "move it to the top level" in warnings[0]


def test_warns_of_each_function_that_one_line_adds(caplog: pytest.LogCaptureFixture) -> None:
    def later(tasks: BackgroundTasks, function: Callable[..., Any]) -> None:
        tasks.add_task(function)

    async def endpoint(tasks: BackgroundTasks) -> None:
        later(tasks, homeless("first"))
        later(tasks, homeless("second"))

    app = served(endpoint)
    app.get("/")
    app.get("/")
    assert [("first" in line, "second" in line) for line in caplog.messages] == [(True, False), (False, True)]


def test_one_line_does_not_fill_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def endpoint(tasks: BackgroundTasks) -> None:
        for number in range(MOST + 5):
            tasks.add_task(homeless(f"number{number}"))

    served(endpoint).get("/")
    assert len(caplog.messages) == MOST
    assert [line.endswith("nothing more is said about this line") for line in caplog.messages[-2:]] == [False, True]


def test_warns_that_the_order_does_not_hold_between_lanes(caplog: pytest.LogCaptureFixture) -> None:
    app = served(both)
    app.get("/")
    app.get("/")
    lines = [line for line in caplog.messages if "the order they were added in" in line]
    assert len(lines) == 1
    assert "inline" in lines[0]


def test_warns_when_fastapi_ignores_tasks(caplog: pytest.LogCaptureFixture) -> None:
    async def endpoint(tasks: BackgroundTasks) -> Response:
        tasks.add_task(work, "ignored")
        return Response(background=BackgroundTask(work, "own"))

    served(endpoint).get("/")
    assert "fastapi#11215" in caplog.text


def test_a_server_that_cancels_while_tasks_are_stored_leaves_them_to_the_journal() -> None:
    app = served(durable)

    async def cancelled(changes: object) -> Answer:
        raise asyncio.CancelledError

    app.store.store = cancelled  # type: ignore[method-assign]
    assert app.get("/").raised == "CancelledError"
    assert [event["what"] for event in app.events] == ["end"]


def test_a_task_that_was_put_into_the_list_by_hand_is_stored_too() -> None:
    async def endpoint(tasks: BackgroundTasks) -> None:
        tasks.tasks.append(BackgroundTask(work, "by_hand"))

    assert served(endpoint).get("/").released == ["by_hand"]


def test_an_app_of_starlette_alone() -> None:
    async def endpoint(request: Request) -> Response:
        return Response(background=BackgroundTask(work, "durable"))

    app = Served(Starlette(routes=[Route("/", endpoint)]))
    assert app.get("/").released == ["durable"]


def test_an_installed_app_in_an_installed_app_keeps_its_own_tasks() -> None:
    inner, outer = FastAPI(), FastAPI()
    inner.get("/")(durable)
    outer.mount("/inner", inner)
    inside, outside = Served(inner), Served(outer)
    outside.get("/inner/")
    assert [event["what"] for event in inside.events] == ["store", "soon"]
    assert [event["what"] for event in outside.events] == ["start", "end"]


def test_an_app_that_calls_an_installed_app_goes_on_with_its_own_box() -> None:
    inner = FastAPI()
    inner.get("/")(durable)
    inside = Served(inner)

    async def calls_inner(scope: Scope, receive: Receive, send: Send) -> None:
        async def ignore(message: Message) -> None: ...

        await inside.app({**scope, "path": "/"}, receive, ignore)
        await Response(background=BackgroundTask(work, "own"))(scope, receive, send)

    outer = FastAPI()
    outer.mount("/calls", calls_inner)
    assert Served(outer).get("/calls/x").before == ["own"]


def test_what_a_request_leaves_running_is_not_part_of_it() -> None:
    left: list[Context] = []

    async def endpoint() -> None:
        left.append(copy_context())

    served(endpoint).get("/")
    task = BackgroundTask(work, "later")
    assert left[0].run(lambda: Response(background=task).background) is task


@declared(travels=False)
def stays(name: str) -> None:
    work(name)


def test_a_function_that_says_it_stays_runs_inline(
    traces: Callable[[], list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    async def endpoint(tasks: BackgroundTasks) -> None:
        tasks.add_task(stays, "here")

    seen = served(endpoint).get("/")
    assert (list(seen.settled.values()), traces()) == (["done"], ["here"])
    assert "decorated with @outlast.task(travels=False)" in caplog.text


def test_origin_is_the_method_and_the_path() -> None:
    app = served(durable)
    app.get("/", query_string=b"secret=1")
    assert app.events[0]["changes"][0]["origin"] == "GET /"


def test_an_inline_task_is_recorded_from_its_begin_to_its_end() -> None:
    app = served(only_inline)
    app.get("/")
    changes = [change for event in app.events if "changes" in event for change in event["changes"]]
    assert [change["kind"] for change in changes] == ["NewTask", "Begin", "Settlement"]
    task = changes[0]
    assert (task["lane"], task["arguments"], task["state"]) == ("inline", None, 0)
    assert changes[2] == {
        "kind": "Settlement",
        "id": task["id"],
        "attempt": 1,
        "end": "done",
        "state": 3,
        "reason": "",
        "traceback": "",
        "group_size": None,
        "cuts": 0,
        "retried": 0,
        "delay": 0.0,
        "result": None,
    }


def test_a_failing_inline_task_is_recorded_and_logged_with_its_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def endpoint(tasks: BackgroundTasks) -> None:
        tasks.add_task(homeless("fails", fails=True))

    app = served(endpoint)
    assert app.get("/").raised == ""
    (settlement,) = [
        change for event in app.events for change in event.get("changes", []) if change["kind"] == "Settlement"
    ]
    assert (settlement["end"], settlement["state"], settlement["reason"]) == (
        "error",
        4,
        "ValueError: fails fails",
    )
    assert "in inner" in settlement["traceback"]
    assert "in inner" in caplog.text


def test_an_inline_task_that_the_server_cancels_is_recorded_as_interrupted() -> None:
    async def endpoint() -> Response:
        async def never() -> None:
            await asyncio.sleep(60)

        return Response("x", background=BackgroundTask(never))

    seen = served(endpoint).cancel("/")
    assert (seen.settled, seen.raised) == ({"never": "interrupted"}, "CancelledError")


def test_an_inline_task_runs_although_the_client_left(traces: Callable[[], list[str]]) -> None:
    async def endpoint() -> Response:
        async def body() -> AsyncIterator[bytes]:
            while True:
                yield b"x"
                await asyncio.sleep(0.001)

        return StreamingResponse(body(), background=BackgroundTask(homeless("inline")))

    seen = served(endpoint).get_and_leave("/", "2.4")
    assert (seen.raised, seen.settled, traces()) == ("ClientDisconnect", {"inline": "done"}, ["inline"])


def test_another_app_of_the_process_is_untouched(traces: Callable[[], list[str]]) -> None:
    untouched = app_with(both)
    app = served(both)
    assert app.get("/").released == ["durable"]
    assert traces() == ["inline"]
    app.events.clear()
    TestClient(untouched).get("/")
    assert traces() == ["inline", "durable", "inline"]
    assert app.events == []


def test_hooks_do_nothing_outside_of_a_request() -> None:
    hook.install()
    task = BackgroundTask(work, "x")
    response = Response(background=task)
    assert response.background is task
    tasks = BackgroundTasks()
    tasks.add_task(work, "x")
    assert type(tasks.tasks[0]) is BackgroundTask


def test_background_stays_an_attribute() -> None:
    hook.install()
    response = Response()
    assert response.background is None
    del response.background
    assert not hasattr(response, "background")
    with pytest.raises(AttributeError, match="'Response' object has no attribute 'background'"):
        _ = response.background


def test_hooks_are_put_in_once_and_taken_out_whole() -> None:
    hook.uninstall()  # an app that a test module has made may have put them in
    before = StarletteTasks.add_task
    hook.install()
    once = StarletteTasks.add_task
    hook.install()
    assert StarletteTasks.add_task is once
    hook.uninstall()
    assert StarletteTasks.add_task is before
    assert "background" not in vars(Response)


def test_installing_twice_is_the_same_as_once(tmp_path: Path) -> None:
    app = app_with(durable)
    url = f"sqlite:///{tmp_path / 'journal.db'}"
    first = outlast.install(app, url=url, runner="off")
    assert outlast.install(app) is first
    outermost: Any = app.build_middleware_stack()
    assert type(outermost).__name__ == "ServerErrorMiddleware"
    assert type(outermost.app).__name__ == "Doorway"
    kinds = list(layers(outermost))
    assert (kinds.count("Doorway"), kinds.count("Stage")) == (1, 1)


def test_installing_again_with_other_settings_is_refused(tmp_path: Path) -> None:
    app = app_with(durable)
    url = f"sqlite:///{tmp_path / 'journal.db'}"
    first = outlast.install(app, url=url, runner="off", drain=60)
    assert outlast.install(app, url=url, drain=60) is first
    with pytest.raises(SettingsError, match=r"drain = 60\.0, and install\(app, drain=5\.0\) would change nothing"):
        outlast.install(app, url=url, drain=5)
    with pytest.raises(SettingsError, match=r"carry = True, and install\(app, carry=False\) would change nothing"):
        outlast.install(app, carry=False)


async def talk(websocket: WebSocket, tasks: BackgroundTasks) -> None:
    await websocket.accept()
    tasks.add_task(work, "told")
    await websocket.send_text("it is stored")
    tasks.add_task(work, "asked")
    await websocket.receive_text()


def talking(**settings: Any) -> Served:
    app = FastAPI()
    app.websocket("/")(talk)
    return Served(app, **settings)


def test_a_websocket_says_nothing_before_its_tasks_are_stored() -> None:
    app = talking()
    app.websocket("/", {"type": "websocket.receive", "text": "x"})
    assert [event["what"] for event in app.events] == ["soon", "store", "start", "soon", "store", "end"]


def test_a_websocket_says_nothing_when_the_journal_fails() -> None:
    app = talking()
    app.store.failure = StoreFailed("disk full")
    seen = app.websocket("/")
    assert seen.raised == "StoreFailed"
    assert [message["type"] for message in app.sent] == ["websocket.accept"]


def test_a_websocket_goes_on_when_the_journal_fails_where_that_is_set() -> None:
    app = talking(on_store_error="inline")
    app.store.failure = StoreFailed("disk full")
    app.websocket("/", {"type": "websocket.receive", "text": "x"})
    assert "websocket.send" in [message["type"] for message in app.sent]
