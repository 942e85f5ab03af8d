"""Chains, groups, `then` and `on_failure`, on real processes, whoever is killed."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from outlast.cli.main import cli
from tests.support.marks import slow
from tests.support.processes import runners_in
from tests.support.servers import Server, eventually, lay_out, serving

TASKS = """

from datetime import UTC, datetime
from pydantic import BaseModel


class Page(BaseModel):
    url: str
    at: datetime


class Word(BaseModel):
    text: str
    pages: int = 0


@outlast.task
def fetch(url: str) -> Page:
    if url == "broken":
        raise ValueError("no such page")
    witness("fetched", url)
    return Page(url=url, at=datetime(2026, 1, 1, tzinfo=UTC))


@outlast.task(retries=2, backoff=0.1)
async def read(page: Page, length: int = 3) -> Word:
    assert isinstance(page, Page) and page.at.tzinfo is not None
    witness("read", page.url)
    if page.url == "second time" and outlast.current().number < 2:
        raise OSError("not yet")
    return Word(text=page.url[:length])


@outlast.task
def keep(word: Word | None, name: str) -> str:
    witness("kept", name, word.text if word else "nothing")
    return f"{name}: {word.text if word else None}"


def count(words: list[Word], name: str) -> int:
    witness("counted", name, *(word.text for word in words))
    return len(words)


def alarm(task: str, reason: str, name: str) -> None:
    witness("alarm", name, task, reason)


async def returns_none(name: str) -> None:
    witness("nothing", name)


def too_long(name: str) -> list[int]:
    return list(range(100_000))


@outlast.task
def step(number: int, name: str) -> int:
    witness("began", name, number)
    wait_until(f"{name}.told")
    witness("ran", name, number)
    return number + 1


def wait_until(path: str) -> None:
    while not os.path.exists(path):
        outlast.current().check()
        time.sleep(0.01)


@outlast.task(then=outlast.s(keep, "by decorator"), on_failure=outlast.s(alarm, "by decorator"))
def decorated(url: str) -> Word:
    if url == "broken":
        raise ValueError("no such page")
    return Word(text=url)


@app.get("/chain/{url}")
async def chain(url: str, name: str):
    handle = await outlast.chain(fetch.s(url), read.s(length=4), keep.s(name))
    return {"id": handle.id, "all": [one.id for one in handle.all]}


@app.get("/result/{task}")
async def result(task: str):
    return await (await outlast.get(task)).result(timeout=30)


@app.get("/group/{urls}")
async def group(urls: str, name: str):
    calls = [read.s(Page(url=url, at=datetime.now(UTC))) for url in urls.split(",")]
    handle = await outlast.group(*calls, then=outlast.s(count, name))
    return {"id": handle.id, "all": [one.id for one in handle.all]}


@app.get("/steps/{name}")
def steps(name: str, count: int):
    calls = [step.s(0, name), *(step.s(name) for _ in range(count - 1))]
    handle = outlast.chain_sync(*calls)
    return {"id": handle.id, "all": [one.id for one in handle.all]}


@app.get("/options/{url}")
async def options(url: str, name: str, tasks: outlast.BackgroundTasks, fails: bool = False):
    asked = tasks.options(then=keep.s(name), on_failure=outlast.s(alarm, name))
    handle = asked.add_task(decorated, url)
    if fails:
        raise HTTPException(500)
    return {"id": handle.id}


@app.get("/decorated/{url}")
async def plain(url: str, tasks: BackgroundTasks):
    tasks.add_task(decorated, url)


@outlast.task(travels=False, then=outlast.s(keep, "never"))
def stays(url: str) -> Word:
    return Word(text=url)


@app.get("/inline/{url}")
async def inline(url: str, tasks: BackgroundTasks):
    tasks.add_task(stays, url)


@app.get("/nothing/{name}")
async def nothing(name: str):
    handle = await outlast.chain(outlast.s(returns_none, name), keep.s(name), outlast.si(ok, name))
    return {"id": handle.id, "all": [one.id for one in handle.all]}


@app.get("/misfit/{name}")
async def misfit(name: str):
    handle = await outlast.chain(outlast.s(returns_none, name), outlast.s(read))
    return {"id": handle.id, "all": [one.id for one in handle.all]}


@app.get("/large/{name}")
async def large(name: str):
    handle = await outlast.chain(outlast.s(too_long, name), keep.s(name).options(on_failure=outlast.s(alarm, name)))
    return {"id": handle.id, "all": [one.id for one in handle.all]}


@app.get("/stop/{name}")
async def stop_(name: str, count: int):
    handle = await outlast.chain(step.s(0, name), *(step.s(name) for _ in range(count - 1)))
    app.state.handle = handle
    return {"id": handle.id, "all": [one.id for one in handle.all]}


@app.get("/stopped")
async def stopped():
    return await app.state.handle.cancel()


@app.get("/wrong")
async def wrong():
    said = []
    for make in (
        lambda: outlast.chain(fetch),
        lambda: outlast.chain(fetch.s("a"), outlast.s(ok, name="x")),
        lambda: outlast.chain(fetch.s("a"), outlast.s(returns_nothing_and_takes_nothing)),
        lambda: outlast.chain(fetch.s("a"), outlast.s(lambda page: None)),
        lambda: outlast.group(then=outlast.s(count, "x")),
    ):
        try:
            await make()
        except outlast.OutlastError as error:
            said.append(f"{type(error).__name__}: {error}")
    return said


def returns_nothing_and_takes_nothing() -> None: ...
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = lay_out(tmp_path_factory.mktemp("sequences"), TASKS)
    with serving("uvicorn", folder) as server:
        yield server


def asked(server: Server, path: str) -> list[str]:
    """The ids of all that a request has asked for."""
    status, body = server.get(path)
    assert status == 200, body
    ids: list[str] = json.loads(body)["all"]
    return ids


def ended(server: Server, *tasks: str) -> list[str]:
    """The states in which these have ended."""
    eventually(lambda: all(server.record(one).has_ended for one in tasks), server.output)
    return [server.record(one).state for one in tasks]


def command(server: Server, *words: str) -> Any:
    done = CliRunner().invoke(cli, [*words, "--url", f"sqlite:///{server.journal}"])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_results_flow_on_as_what_they_are_annotated(server: Server) -> None:
    ids = asked(server, "/chain/front?name=flows")
    assert ended(server, *ids) == ["done", "done", "done"]
    status, body = server.get(f"/result/{ids[2]}", timeout=60)
    assert (status, json.loads(body)) == (200, "flows: fron")


def test_one_that_is_tried_again_keeps_the_others_waiting(server: Server) -> None:
    ids = asked(server, "/chain/second%20time?name=tried")
    assert ended(server, *ids) == ["done"] * 3
    assert server.record(ids[1]).attempt == 2
    assert server.witnessed("kept", "tried") == [["kept", "tried", "seco"]]


def test_what_runs_after_a_failure_ends_and_retry_goes_on_from_there(server: Server) -> None:
    ids = asked(server, "/chain/broken?name=broken")
    assert ended(server, *ids) == ["failed", "dropped", "dropped"]
    shown = command(server, "show", ids[2])
    assert f"it was to run after task {ids[0]} (main:fetch), which has failed: ValueError: no such page" in shown
    before = len(server.records())
    command(server, "retry", ids[2])
    assert ended(server, *ids) == ["failed", "dropped", "dropped"]
    assert server.record(ids[0]).attempt == 2
    assert len(server.records()) == before


def test_list_and_show_say_what_a_waiting_one_waits_for(server: Server) -> None:
    ids = asked(server, "/steps/waits?count=3")
    server.wait_for("began", "waits")
    assert f"waits for task {ids[0]}" in command(server, "show", ids[1])
    listed = {one["id"]: one for one in json.loads(command(server, "list", "--json"))}
    assert listed[ids[2]]["reason"] == f"waits for task {ids[1]}"
    shown = json.loads(command(server, "show", ids[1], "--json"))
    assert (shown["runs_after"], shown["then"]) == ([ids[0]], [ids[2]])
    assert f"then       {ids[1]}" in command(server, "show", ids[0])
    server.tell("waits")
    assert ended(server, *ids) == ["done"] * 3
    assert server.witnessed("ran", "waits") == [["ran", "waits", str(number)] for number in range(3)]


def test_a_callback_gets_what_its_group_has_returned_in_order(server: Server) -> None:
    ids = asked(server, "/group/abc,second%20time,xyz?name=grouped")
    assert ended(server, *ids) == ["done"] * 4
    assert server.witnessed("counted", "grouped") == [["counted", "grouped", "abc", "sec", "xyz"]]


@pytest.mark.parametrize("url", ["fine", "broken"])
def test_then_or_on_failure_of_one_task_of_a_response(server: Server, url: str) -> None:
    task = server.asked(f"/options/{url}?name=option-{url}")
    assert ended(server, task) == ["done" if url == "fine" else "failed"]
    if url == "fine":
        server.wait_for("kept", "option-fine")
    else:
        said = server.wait_for("alarm", "option-broken")
        assert said[2:] == [task, "ValueError:", "no", "such", "page"]
    eventually(server.all_settled, server.output)
    assert len(server.witnessed("kept", f"option-{url}")) + len(server.witnessed("alarm", f"option-{url}")) == 1


def test_nothing_runs_after_a_task_of_a_request_that_failed(server: Server) -> None:
    assert server.get("/options/fine?name=refused&fails=true")[0] == 500
    eventually(server.all_settled, server.output)
    assert server.witnessed("kept", "refused") == server.witnessed("alarm", "refused") == []


def test_what_a_decorator_says_holds_for_plain_background_tasks(server: Server) -> None:
    assert server.get("/decorated/plain")[0] == 200
    server.wait_for("kept", "by", "decorator", "plain")
    assert server.get("/decorated/broken")[0] == 200
    server.wait_for("alarm", "by", "decorator")


def test_that_nothing_runs_after_an_inline_task_is_said(server: Server) -> None:
    assert server.get("/inline/here")[0] == 200
    eventually(lambda: "what is to run after it (`then`, `on_failure`) does not run" in server.output, server.output)
    eventually(server.all_settled, server.output)
    assert server.witnessed("kept", "never") == []


def test_none_is_given_on_and_si_gets_nothing(server: Server) -> None:
    ids = asked(server, "/nothing/none")
    assert ended(server, *ids) == ["done"] * 3
    assert server.witnessed("kept", "none") == [["kept", "none", "nothing"]]
    assert len(server.witnessed("ran", "none")) == 1


def test_a_result_that_is_too_large_is_said_of_what_was_to_get_it(server: Server) -> None:
    ids = asked(server, "/large/large")
    assert ended(server, *ids) == ["done", "dropped"]
    why = server.record(ids[1]).reason
    assert why.startswith(f"it was to get what task {ids[0]} (main:too_long) has returned: its result is not kept")
    assert server.wait_for("alarm", "large")[2] == ids[1]


def test_what_does_not_fit_waits_parked_for_code_that_takes_it(server: Server) -> None:
    ids = asked(server, "/misfit/misfit")
    eventually(lambda: server.record(ids[1]).state == "parked", server.output)
    assert "or are what the task before it in a sequence has returned" in server.record(ids[1]).reason
    command(server, "cancel", ids[1])
    assert ended(server, *ids) == ["done", "cancelled"]


def test_cancelling_the_handle_ends_all_that_have_not_ended(server: Server) -> None:
    ids = asked(server, "/stop/cancels?count=4")
    server.wait_for("began", "cancels")
    assert server.get("/stopped") == (200, "true")
    assert ended(server, *ids) == ["cancelled"] * 4
    assert len(server.witnessed("began", "cancels")) == 1


def test_what_cannot_be_is_refused_where_it_is_asked_for(server: Server) -> None:
    said = json.loads(server.get("/wrong")[1])
    assert [one.split(":")[0] for one in said] == [
        "OptionError",
        "NotStorable",
        "NotStorable",
        "NotStorable",
        "OptionError",
    ]
    assert "function.s(...)" in said[0]
    assert ".si(...)" in said[2]


@pytest.mark.parametrize("who", ["everything", *slow("child", "runner")])
def test_a_chain_goes_on_whoever_is_killed_and_each_link_is_let_go_once(tmp_path: Path, who: str) -> None:
    folder = lay_out(tmp_path, TASKS)
    with serving("uvicorn", folder) as server:
        ids = asked(server, "/steps/killed?count=3")
        server.wait_for("began", "killed", "0")
        if who == "everything":
            server.kill_everything()
        else:
            pids = server.living("child") if who == "child" else runners_in(folder)
            for pid in pids:
                os.kill(pid, signal.SIGKILL)
        server.tell("killed")
        if who == "everything":
            with serving("uvicorn", folder) as another:
                assert ended(another, *ids) == ["done"] * 3
        else:
            assert ended(server, *ids) == ["done"] * 3
        assert {tuple(one) for one in server.witnessed("ran", "killed")} == {
            ("ran", "killed", str(number)) for number in range(3)
        }
        assert [server.record(one).attempt for one in ids][1:] == [1, 1]
