"""Tasks that fail and are tried again, sleep, discard themselves, wait for a time, or must not run twice."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.lines import whole_lines
from tests.support.marks import slow
from tests.support.servers import Server, eventually, lay_out, serving

TASKS = """

import asyncio
import os
import time
import outlast

import datetime


def tries(name):
    with open(f"{name}.tries", "a") as file:
        file.write(f"{time.time()}" + chr(10))
    with open(f"{name}.tries") as file:
        return len(file.readlines())


class Busy(Exception): ...


@outlast.task(retries=3, backoff=0.2, retry_on=Busy)
def third_time(name):
    if tries(name) < 3:
        raise Busy("not now")


def plain(name):
    if tries(name) < 3:
        raise ValueError("not yet")


@outlast.task(retries=2, backoff=0.1)
async def never(name):
    tries(name)
    raise Busy("not now")


@outlast.task(retries=5, backoff=0.1, retry_on=(Busy, OSError))
async def another_error(name):
    tries(name)
    raise ValueError("it is wrong")


async def wishes(name, what):
    number = tries(name)
    if number == 1 and what == "retry":
        raise outlast.Retry("busy", after=0.2)
    if number < 6 and what == "snooze":
        raise outlast.Snooze(0.05, "not yet")
    if what == "discard":
        raise outlast.Discard("nobody wants it")
    if what.startswith("own"):
        raise Own(what.partition("-")[2])


class Own(outlast.Retry):
    def __init__(self, after):
        if after:
            self.after = after


@outlast.task(on_crash="fail")
def only_once(name):
    tries(name)
    os.kill(os.getpid(), 9)


@outlast.task(timeout=4, retries=1, backoff=0.1)
async def too_slow(name):
    if tries(name) == 1:
        await asyncio.sleep(60)


@outlast.task(travels=False, retries=3)
def inline_wish(name):
    raise outlast.Retry("busy")


@app.get("/try/{function}/{name}")
async def try_(function: str, name: str, tasks: outlast.BackgroundTasks, what: str = "", delay: float = 0):
    arguments = (name, what) if what else (name,)
    return {"id": tasks.options(delay=delay).add_task(globals()[function], *arguments).id}


@outlast.task(travels=False)
def inline_plain(name): ...


@outlast.task(retries=3)
def takes(thing): ...


@app.get("/inline/{name}")
async def inline(name: str, tasks: BackgroundTasks):
    tasks.add_task(inline_wish, name)


@app.get("/said-of-one/{name}")
async def said_of_one(name: str, tasks: outlast.BackgroundTasks):
    tasks.options(delay=3600).add_task(inline_plain, name)


@app.get("/stays/{name}")
async def stays(name: str, tasks: BackgroundTasks):
    tasks.add_task(takes, object())


def number_of(name):
    with open(f"{name}.number", "w") as file:
        file.write(str(outlast.current().number))


@app.get("/behind/{name}")
async def behind(name: str, tasks: outlast.BackgroundTasks):
    tasks.add_task(third_time, name)
    return {"id": tasks.add_task(number_of, name).id}


@app.get("/later/{name}")
async def later(name: str, seconds: float):
    when = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=seconds)
    return {"id": (await outlast.options(run_at=when).enqueue(ok, name)).id, "at": when.timestamp()}


@app.get("/expires/{name}")
async def expires(name: str, tasks: BackgroundTasks):
    when = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=1)
    return {"id": (await outlast.options(run_at=when, expires=0.1).enqueue(ok, name)).id}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = lay_out(tmp_path_factory.mktemp("retries"), TASKS)
    with serving("uvicorn", folder) as server:
        yield server


def times(server: Server, name: str) -> list[float]:
    path = server.folder / f"{name}.tries"
    return [float(line) for line in whole_lines(path)]


def ended(server: Server, task: str) -> str:
    """The state it has ended in."""
    eventually(lambda: server.record(task).state not in ("held", "waiting", "running"), server.output)
    return server.record(task).state


def test_it_is_tried_again_until_it_succeeds(server: Server) -> None:
    task = server.asked("/try/third_time/third")
    assert ended(server, task) == "done"
    first, second, third = times(server, "third")
    assert min(second - first, third - second) >= 0.2
    told = server.record(task)
    assert told.attempt == 3
    failures = [one for one in told.events if one.kind == "error"]
    assert [one.attempt for one in failures] == [1, 2]
    assert all("Busy: not now" in one.traceback for one in failures)
    assert failures[0].reason == "Busy: not now; tried again after 0.2 s (retry 1 of 3)"
    said = f"task {task} main:third_time failed on attempt 1, and is tried again (retry 1 of 3)"
    eventually(lambda: said in server.output, server.output)
    assert f"task {task} main:third_time failed on attempt 3" not in server.output


def test_what_waits_behind_one_that_is_tried_again_counts_no_attempt_for_that(server: Server) -> None:
    task = server.asked("/behind/before")
    assert ended(server, task) == "done"
    assert len(times(server, "before")) == 3
    assert (server.folder / "before.number").read_text() == "1"
    assert server.record(task).attempt == 1


def test_when_no_retry_is_left_it_has_failed(server: Server) -> None:
    task = server.asked("/try/never/never")
    assert ended(server, task) == "failed"
    assert len(times(server, "never")) == 3
    assert server.record(task).reason == "Busy: not now; no retry is left (of 2)"
    eventually(lambda: f"task {task} main:never failed on attempt 3" in server.output, server.output)


def test_another_error_is_the_end(server: Server) -> None:
    task = server.asked("/try/another_error/another")
    assert ended(server, task) == "failed"
    assert len(times(server, "another")) == 1
    assert server.record(task).reason == "ValueError: it is wrong"


def test_a_timeout_is_tried_again(server: Server) -> None:
    task = server.asked("/try/too_slow/slow")
    assert ended(server, task) == "done"
    assert [one.kind for one in server.record(task).events].count("timeout") == 1


@pytest.mark.parametrize(
    ("what", "state", "count", "kind"),
    [("retry", "done", 2, "retry"), ("snooze", "done", 6, "snoozed"), ("discard", "cancelled", 1, "cancelled")],
)
def test_a_task_says_itself_what_is_to_become_of_it(
    server: Server, what: str, state: str, count: int, kind: str
) -> None:
    task = server.asked(f"/try/wishes/{what}?what={what}")
    assert ended(server, task) == state
    assert len(times(server, what)) == count
    assert [one.kind for one in server.record(task).events].count(kind) == max(1, count - 1)
    assert f"task {task} main:wishes failed" not in server.output


@pytest.mark.parametrize(("what", "count"), [("own", 4), ("own-soon", 1)])
def test_a_wish_of_a_class_of_ones_own_ends_its_attempt(server: Server, what: str, count: int) -> None:
    """It may not call what it inherits, and may have any attributes."""
    task = server.asked(f"/try/wishes/{what}?what={what}")
    assert ended(server, task) == "failed"
    assert len(times(server, what)) == count


def test_an_inline_task_cannot_be_tried_again_and_says_so(server: Server) -> None:
    assert server.get("/inline/wish")[0] == 200
    lost = "what its options ask for (retries, limits, a delay, a key) does not hold there"
    eventually(lambda: lost in server.output, server.output)
    said = "it raised outlast.Retry (busy), but lane inline runs nothing again"
    eventually(lambda: ("failed", said) in [(one.state, one.reason) for one in server.records()], server.output)


@pytest.mark.parametrize(("path", "function"), [("said-of-one", "inline_plain"), ("stays", "takes")])
def test_what_is_lost_of_the_options_of_an_inline_task_is_said(server: Server, path: str, function: str) -> None:
    assert server.get(f"/{path}/it")[0] == 200
    lost = rf"main:{function} .*what its options ask for \(retries, limits, a delay, a key\) does not hold there"
    eventually(lambda: re.search(lost, server.output), server.output)


def test_what_must_not_happen_twice_has_failed_when_its_process_died(server: Server) -> None:
    task = server.asked("/try/only_once/once")
    assert ended(server, task) == "failed"
    assert len(times(server, "once")) == 1
    assert server.record(task).reason.endswith("it is not run again (option `on_crash`)")


def test_a_delayed_task_runs_at_its_time_and_says_so_before(server: Server) -> None:
    waits = json.loads(server.get("/later/waits?seconds=3600")[1])
    told = server.record(waits["id"])
    assert told.state == "waiting"
    assert told.run_at == pytest.approx(waits["at"], abs=0.01)
    assert server.get(f"/cancel/{waits['id']}") == (200, "true")
    runs = json.loads(server.get("/later/later?seconds=1.5")[1])
    assert ended(server, runs["id"]) == "done"
    assert (server.record(runs["id"]).started_at or 0) >= runs["at"]


def test_what_expires_is_dropped(server: Server) -> None:
    task = server.asked("/expires/old")
    assert ended(server, task) == "dropped"
    assert "option `expires`" in server.record(task).reason


@pytest.mark.parametrize("kind", ["uvicorn", *slow("gunicorn uvicorn_worker", "gunicorn asgi")])
def test_a_task_between_two_attempts_outlasts_the_death_of_everything(tmp_path: Path, kind: str) -> None:
    source = (lay_out(tmp_path, TASKS) / "main.py").read_text()
    (tmp_path / "main.py").write_text(source.replace("retries=3, backoff=0.2", "retries=3, backoff=2"))
    with serving(kind, tmp_path) as server:
        task = server.asked("/try/third_time/third")
        eventually(lambda: server.record(task).run_at, server.output)
        server.kill_everything()
    with serving(kind, tmp_path) as server:
        assert ended(server, task) == "done"
        assert server.record(task).attempt == 3
        assert len(times(server, "third")) == 3


def test_what_is_set_for_all_functions_holds_where_none_says_otherwise(tmp_path: Path) -> None:
    """In whichever process a task is added, and where it runs."""
    asked = '{"retries": 2, "backoff": 0.05, "priority": 3}'
    with serving("uvicorn", lay_out(tmp_path, TASKS), OUTLAST_OPTIONS=asked) as server:
        task = server.asked("/try/plain/plain")
        assert ended(server, task) == "done"
        assert (server.record(task).attempt, len(times(server, "plain"))) == (3, 3)
        own = server.asked("/try/another_error/own")
        assert ended(server, own) == "failed"
        assert server.record(own).attempt == 1
