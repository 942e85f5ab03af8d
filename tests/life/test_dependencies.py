"""Parameters declared with FastAPI's `Depends`: resolved in the task process, closed when the attempt has ended."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.lines import whole_lines
from tests.support.servers import Server, eventually, lay_out, serving

TASKS = """

import asyncio
import contextvars
import os
import threading
import time
from typing import Annotated

import outlast
from fastapi import Body, Cookie, Depends, Form, Header, Request, Security, WebSocket
from fastapi.security import SecurityScopes


def note(name, *words):
    with open(f"{name}.notes", "a") as file:
        file.write(" ".join(map(str, words)) + chr(10))


class Session:
    def __init__(self, kind):
        self.kind = kind
        self.made_in = os.getpid()
        self.is_open = True


def by_yield(kind):
    session = Session(kind)
    try:
        yield session
        note("session", kind, "committed", os.getpid())
    except BaseException as error:
        note("session", kind, "rolled back", type(error).__name__)
        raise
    finally:
        session.is_open = False
        note("session", kind, "closed")


def get_session():
    yield from by_yield("sync")


async def get_async_session():
    session = Session("async")
    try:
        yield session
        note("session", "async", "committed", os.getpid())
    except BaseException as error:
        note("session", "async", "rolled back", type(error).__name__)
        raise
    finally:
        await asyncio.sleep(0)
        note("session", "async", "closed")


class Repository:
    def __init__(self, session: Annotated[Session, Depends(get_session)]):
        self.session = session


SessionDep = Annotated[Session, Depends(get_session)]
AsyncSessionDep = Annotated[Session, Depends(get_async_session)]
where = contextvars.ContextVar("where", default="nowhere")


async def sets_context():
    where.set("set by a dependency")
    return threading.current_thread() is threading.main_thread()


def in_a_pool():
    return threading.current_thread() is threading.main_thread()


async def coroutine(name: str, session: SessionDep, other: AsyncSessionDep, pool: Annotated[bool, Depends(in_a_pool)]):
    note(name, session.kind, session.is_open, other.kind, session.made_in == os.getpid(), pool)


def plain(
    session: SessionDep,
    name: str,
    other: AsyncSessionDep,
    on_loop: bool = Depends(sets_context),
    pool: bool = Depends(in_a_pool),
    again: Repository = Depends(),
):
    own = threading.current_thread() is threading.main_thread()
    same = again.session is session
    note(name, session.kind, session.is_open, other.kind, on_loop, pool, own, same, where.get())


def counted():
    counted.times += 1
    return counted.times


counted.times = 0


@outlast.task(travels=True)
def cached(
    name: str,
    one: int = Depends(counted),
    two: int = Depends(counted),
    no: int = Depends(counted, use_cache=False),
):
    note(name, two - one, no - one)


async def fails(name: str, session: AsyncSessionDep):
    raise ValueError("of the task")


def fails_in_a_thread(name: str, session: SessionDep, other: AsyncSessionDep):
    raise ValueError("of the task")


async def swallows():
    try:
        yield 1
    except ValueError:
        note("swallowed", "caught")


def swallowed(name: str, it: int = Depends(swallows)):
    raise ValueError("of the task")


async def swallowed_on_loop(name: str, it: int = Depends(swallows)):
    raise ValueError("of the task")


async def cannot_commit():
    yield 1
    raise OSError("no connection")


def not_committed(name: str, it: int = Depends(cannot_commit)):
    note(name, "ran")


async def waits(name: str, session: AsyncSessionDep):
    note(name, "began")
    await asyncio.sleep(600)


@outlast.task(timeout=4)
def waits_in_a_thread(name: str, session: AsyncSessionDep):
    note(name, "began")
    while True:
        time.sleep(0.01)
        outlast.current().check()


async def never_opens():
    note("opening", "began")
    await asyncio.sleep(600)


@outlast.task(timeout=4)
def not_opened(name: str, it: int = Depends(never_opens)):
    note(name, "ran")


def overridden():
    return "the real one"


app.dependency_overrides[overridden] = lambda: "the other one"


def uses_override(name: str, it: str = Depends(overridden)):
    note(name, it)


def optional(name: str, number: int = Depends(lambda: 5)):
    note(name, number)


async def user_of(request: Request):
    return "somebody"


async def scoped(scopes: SecurityScopes):
    return "somebody"


async def with_header(x_token: Annotated[str, Header()]):
    return x_token


async def with_cookie(session_id: Annotated[str, Cookie()]):
    return session_id


async def with_body(order: Annotated[dict, Body()]):
    return order


async def with_form(word: Annotated[str, Form()]):
    return word


async def with_websocket(socket: WebSocket):
    return socket


async def indirect(user: Annotated[str, Depends(user_of)]):
    return user


async def paged(limit: int = 10):
    return limit


async def adds(tasks: outlast.BackgroundTasks):
    return tasks


def needs_request(name: str, user: Annotated[str, Depends(user_of)]):
    note(name, user)


def needs_request_below(name: str, user: str = Depends(indirect)):
    note(name, user)


def needs_scopes(name: str, user: str = Security(scoped, scopes=["a"])):
    note(name, user)


def needs_header(name: str, token: str = Depends(with_header)):
    note(name, token)


def needs_cookie(name: str, session_id: str = Depends(with_cookie)):
    note(name, session_id)


def needs_body(name: str, order: dict = Depends(with_body)):
    note(name, order)


def needs_form(name: str, word: str = Depends(with_form)):
    note(name, word)


def needs_websocket(name: str, socket: object = Depends(with_websocket)):
    note(name, socket)


def needs_query(name: str, limit: int = Depends(paged)):
    note(name, limit)


def needs_tasks(name: str, tasks: object = Depends(adds)):
    note(name, tasks)


@outlast.task(travels=False)
async def stays(name: str, session: SessionDep, other: AsyncSessionDep):
    note(name, session.kind, other.kind, session.made_in == os.getpid(), os.getpid())


@app.get("/call/{function}/{name}")
async def call(function: str, name: str, tasks: outlast.BackgroundTasks):
    return {"id": tasks.add_task(globals()[function], name).id}


def both(attempt: outlast.Attempt, session: SessionDep, name: str):
    note(name, attempt.number, session.kind)


@outlast.task(travels=False)
def both_inline(attempt: outlast.Attempt, session: SessionDep, name: str, more: int = Depends(counted)):
    note(name, attempt.number, session.kind, more)


def gives(name: str) -> str:
    return name


def takes(result: str, session: SessionDep, name: str):
    note(name, result, session.kind)


def takes_too_much(result: str, name: str, user: str = Depends(user_of)): ...


@app.get("/chain/{name}")
async def chain(name: str):
    try:
        await outlast.chain(outlast.s(gives, name), outlast.s(takes_too_much, name))
    except outlast.NotStorable as error:
        note("chain", error)
    return {"id": (await outlast.chain(outlast.s(gives, name), outlast.s(takes, name))).id}


@app.get("/given/{name}")
async def given(name: str, tasks: outlast.BackgroundTasks):
    tasks.add_task(optional, name, 7)
    tasks.add_task(optional, name=name, number=8)
    return {"id": tasks.add_task(needs_query, name, limit=9).id}


@app.get("/plainly/{function}/{name}")
async def plainly(function: str, name: str, tasks: BackgroundTasks):
    tasks.add_task(globals()[function], name)
    if function == "both_inline":
        tasks.add_task(both_inline, name, more=7)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = lay_out(tmp_path_factory.mktemp("dependencies"), TASKS)
    with serving("uvicorn", folder) as server:
        yield server


@pytest.fixture(autouse=True)
def _nothing_noted(server: Server) -> None:
    for one in server.folder.glob("*.notes"):
        one.unlink()


def notes(server: Server, name: str) -> list[str]:
    path = server.folder / f"{name}.notes"
    return whole_lines(path)


def ended(server: Server, task: str) -> str:
    """The state it has ended in."""
    eventually(lambda: server.record(task).state not in ("held", "waiting", "running"), server.output)
    return server.record(task).state


def test_a_coroutine_gets_what_it_depends_on(server: Server) -> None:
    task = server.asked("/call/coroutine/a")
    assert ended(server, task) == "done", server.record(task).reason
    assert notes(server, "a") == ["sync True async True False"]
    kinds = [line.rpartition(" ")[0] if "committed" in line else line for line in notes(server, "session")]
    assert kinds == ["async committed", "async closed", "sync committed", "sync closed"]


def test_a_function_in_a_thread_does_too(server: Server) -> None:
    task = server.asked("/call/plain/b")
    assert ended(server, task) == "done", server.record(task).reason
    assert notes(server, "b") == ["sync True async True False False True set by a dependency"]
    assert [line for line in notes(server, "session") if "closed" in line] == ["async closed", "sync closed"]


def test_what_is_cached_is_as_in_fastapi(server: Server) -> None:
    task = server.asked("/call/cached/c")
    assert ended(server, task) == "done", server.record(task).reason
    assert notes(server, "c") == ["0 1"]


@pytest.mark.parametrize("function", ["fails", "fails_in_a_thread"])
def test_what_it_raises_goes_through_its_dependencies(server: Server, function: str) -> None:
    task = server.asked(f"/call/{function}/d")
    assert ended(server, task) == "failed"
    told = server.record(task)
    assert told.reason == "ValueError: of the task"
    assert 'raise ValueError("of the task")' in told.events[-1].traceback
    assert "async rolled back ValueError" in notes(server, "session")
    assert not [line for line in notes(server, "session") if "committed" in line]


@pytest.mark.parametrize("function", ["swallowed", "swallowed_on_loop"])
def test_a_dependency_that_catches_it_makes_it_no_success(server: Server, function: str) -> None:
    task = server.asked(f"/call/{function}/e")
    assert ended(server, task) == "failed"
    assert server.record(task).reason == "ValueError: of the task"
    assert notes(server, "swallowed") == ["caught"]


def test_what_fails_while_it_is_closed_fails_the_task(server: Server) -> None:
    task = server.asked("/call/not_committed/f")
    assert ended(server, task) == "failed"
    assert server.record(task).reason == "OSError: no connection"
    assert notes(server, "f") == ["ran"]


def test_all_is_closed_when_it_is_cancelled(server: Server) -> None:
    task = server.asked("/call/waits/g")
    eventually(lambda: notes(server, "g"), server.output)
    server.get(f"/cancel/{task}")
    assert ended(server, task) == "cancelled"
    assert notes(server, "session") == ["async rolled back CancelledError", "async closed"]


def test_all_is_closed_when_its_time_is_over(server: Server) -> None:
    task = server.asked("/call/waits_in_a_thread/h")
    assert ended(server, task) == "failed"
    assert notes(server, "session") == ["async rolled back Stopped", "async closed"]


def test_what_does_not_open_is_given_up(server: Server) -> None:
    task = server.asked("/call/not_opened/i")
    assert ended(server, task) == "failed"
    assert "timeout" in server.record(task).reason
    assert notes(server, "opening") == ["began"]
    assert notes(server, "i") == []
    assert "was killed" not in server.output


def test_overrides_of_the_app_hold(server: Server) -> None:
    assert ended(server, server.asked("/call/uses_override/j")) == "done"
    assert notes(server, "j") == ["the other one"]


def test_what_is_passed_wins(server: Server) -> None:
    assert ended(server, server.asked("/given/k")) == "done"
    assert notes(server, "k") == ["7", "8", "9"]


@pytest.mark.parametrize(
    ("function", "sentence"),
    [
        ("needs_request", "parameter `user` depends on `user_of`, which takes the request (`request`)"),
        ("needs_request_below", "parameter `user` depends on `user_of`, which takes the request (`request`)"),
        ("needs_scopes", "parameter `user` depends on `scoped`, which takes security scopes (`scopes`)"),
        ("needs_header", "parameter `token` depends on `with_header`, which takes header `x_token`"),
        ("needs_cookie", "parameter `session_id` depends on `with_cookie`, which takes cookie `session_id`"),
        ("needs_body", "parameter `order` depends on `with_body`, which takes body `order`"),
        ("needs_form", "parameter `word` depends on `with_form`, which takes body `word`"),
        ("needs_websocket", "parameter `socket` depends on `with_websocket`, which takes the WebSocket (`socket`)"),
        ("needs_query", "parameter `limit` depends on `paged`, which takes query parameter `limit`"),
        ("needs_tasks", "parameter `tasks` depends on `_tasks`, which takes the tasks of a response"),
    ],
)
def test_what_needs_a_request_is_refused(server: Server, function: str, sentence: str) -> None:
    assert server.get(f"/call/{function}/l")[0] == 500
    eventually(lambda: f"NotStorable: main:{function}: {sentence}" in server.output, server.output)
    server.get(f"/plainly/{function}/l")
    eventually(lambda: f"NotStorable: {sentence}" in " ".join(one.reason for one in server.records()), server.output)
    assert notes(server, "l") == []


def test_the_attempt_is_put_in_as_well(server: Server) -> None:
    assert ended(server, server.asked("/call/both/o")) == "done"
    assert notes(server, "o") == ["1 sync"]
    assert server.get("/plainly/both_inline/p")[0] == 200
    eventually(lambda: len(notes(server, "p")) == 2, server.output)
    assert notes(server, "p")[1] == "0 sync 7"


def test_in_a_sequence_results_go_to_the_other_parameters(server: Server) -> None:
    assert ended(server, server.asked("/chain/n")) == "done", server.output
    assert notes(server, "n") == ["n sync"]
    assert "parameter `user` depends on `user_of`" in notes(server, "chain")[0]


def test_it_works_inline(server: Server) -> None:
    assert server.get("/plainly/stays/m")[0] == 200
    eventually(lambda: notes(server, "m"), server.output)
    assert notes(server, "m")[0].startswith("sync async True")
    eventually(lambda: "sync closed" in notes(server, "session"), server.output)


def test_the_example_of_the_docs(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "dependencies.md").read_text()
    code, *_ = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    ping = '\n\n@app.get("/ping")\ndef ping() -> None: ...\n'
    (tmp_path / "main.py").write_text(code.replace("@app.post", "@app.get") + ping)
    with serving("uvicorn", tmp_path) as server:
        server.get("/invoices/42")
        eventually(lambda: "stored as sent: 42" in server.output, server.output)
