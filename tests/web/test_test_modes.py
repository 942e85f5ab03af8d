"""What users' tests can do with time, retries and sequences, and with real task processes."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ("pytester",)

SUITE = """
import asyncio
import math
from datetime import UTC, datetime, timedelta

import outlast
import pytest
from fastapi import BackgroundTasks, FastAPI, UploadFile
from fastapi.testclient import TestClient

app = FastAPI()
outlast.install(app)
ran = []


class Busy(Exception): ...


@outlast.task(travels=True)
def note(name: str) -> str:
    ran.append(name)
    return name


@outlast.task(travels=True, retries=2, backoff=outlast.backoff(first=10, factor=2, jitter="none"), retry_on=Busy)
async def third_time(name: str) -> None:
    attempt = outlast.current()
    ran.append((name, attempt.number, attempt.resume))
    attempt.checkpoint(attempt.number)
    attempt.progress(attempt.number, 3)
    if attempt.number < 3:
        raise Busy("not now")


@outlast.task(travels=True, retries=1, backoff=1)
def never(name: str) -> None:
    ran.append(name)
    raise Busy(name)


@outlast.task(travels=True, retries=1, retry_on=Busy)
def wrong(name: str) -> None:
    ran.append(name)
    raise ValueError(name)


@outlast.task(travels=True)
def naps(name: str) -> None:
    ran.append(name)
    if len(ran) < 3:
        raise outlast.Snooze(5)


@outlast.task(travels=True)
def discards(name: str) -> None:
    ran.append(name)
    raise outlast.Discard("nobody wants it")


@outlast.task(travels=True)
def for_ever(name: str) -> None:
    raise outlast.Snooze(1)


BY_NAME = {one.__name__: one for one in (note, third_time, never, wrong, naps, discards, for_ever)}


@app.get("/{function}")
async def add(function: str, tasks: outlast.BackgroundTasks, delay: float = 0, expires: float = 0, behind: str = ""):
    given = {"delay": delay} | ({"expires": expires} if expires else {})
    handle = tasks.options(**given).add_task(BY_NAME[function], function)
    if behind:
        tasks.add_task(note, behind)
    return handle.id


@app.get("/plain/{function}")
async def plain(function: str, tasks: BackgroundTasks):
    tasks.add_task(BY_NAME[function], function)


@outlast.task(travels=True)
async def read(file: UploadFile, times: int) -> bytes:
    for _ in range(times):
        ran.append(await file.read())
        await file.seek(0)
    if outlast.current().number == 1:
        raise outlast.Retry


@app.post("/upload")
async def upload(file: UploadFile, tasks: outlast.BackgroundTasks):
    stashed = await outlast.stash(file)
    tasks.add_task(read, stashed, 2)
    tasks.add_task(read, file=stashed, times=1)


def get(path: str) -> str:
    return TestClient(app).get(path).json()


@pytest.fixture(autouse=True)
def forget():
    ran.clear()


def test_inline_tries_again_at_once():
    task = get("/third_time")
    assert ran == [("third_time", 1, None), ("third_time", 2, 1), ("third_time", 3, 2)]
    record = outlast.get_sync(task).status_sync()
    assert (record.state, record.attempt, record.progress.done) == ("done", 3, 3)


def test_inline_raises_the_last_failure_alone():
    with pytest.raises(Busy):
        get("/never")
    assert ran == ["never", "never"]


def test_inline_raises_what_is_not_tried_again():
    with pytest.raises(ValueError):
        get("/plain/wrong")
    assert ran == ["wrong"]


def test_inline_heeds_wishes():
    get("/naps")
    assert len(ran) == 3
    record = outlast.get_sync(get("/discards")).status_sync()
    assert (record.state, record.reason) == ("cancelled", "it discarded itself: nobody wants it")


def test_inline_ends_what_never_ends():
    with pytest.raises(RuntimeError, match="1000 times"):
        get("/for_ever")


def test_enqueue_inline():
    async def main():
        handle = await outlast.enqueue(third_time, "x")
        return await handle.status()

    assert asyncio.run(main()).state == "done"
    assert len(ran) == 3


def test_delay(outlast_tasks):
    task = get("/note?delay=60")
    (waiting,) = outlast_tasks.all()
    assert 59 < (waiting.run_at - outlast_tasks.clock.now).total_seconds() <= 60
    outlast_tasks.drain()
    outlast_tasks.clock.move(59)
    outlast_tasks.drain()
    assert ran == []
    assert outlast.get_sync(task).status_sync().state == "waiting"
    outlast_tasks.clock.move(1)
    outlast_tasks.drain()
    assert ran == ["note"]


def test_each_runs_at_its_time(outlast_tasks):
    before = outlast_tasks.clock.now
    outlast.options(delay=50).enqueue_sync(note, "second")
    outlast.options(delay=20).enqueue_sync(note, "first")
    outlast.options(delay=200).enqueue_sync(note, "third")
    outlast_tasks.drain(until=100)
    assert ran == ["first", "second"]
    assert 99 < (outlast_tasks.clock.now - before).total_seconds() < 110
    outlast_tasks.drain(until=before + timedelta(seconds=150))
    assert ran == ["first", "second"]
    outlast_tasks.drain(until=timedelta(seconds=100))
    assert ran == ["first", "second", "third"]


def test_until_something_is_so(outlast_tasks):
    for number in range(5):
        outlast.options(delay=number * 10).enqueue_sync(note, str(number))
    outlast_tasks.drain(until=lambda: len(ran) == 3)
    assert ran == ["0", "1", "2"]
    assert len(outlast_tasks.all()) == 2


def test_retries(outlast_tasks):
    task = get("/third_time?behind=behind")
    outlast_tasks.drain()
    assert ran == [("third_time", 1, None)]
    behind, waiting = outlast_tasks.all()
    assert (waiting.function, waiting.attempts, behind.attempts) == (third_time, 1, 0)
    record = outlast.get_sync(task).status_sync()
    assert (record.state, record.reason) == ("waiting", "Busy: not now; tried again after 10.0 s (retry 1 of 2)")
    outlast_tasks.drain(until=9)
    assert len(ran) == 1
    outlast_tasks.drain(until=1.1)
    assert ran[1:] == [("third_time", 2, 1)]
    outlast_tasks.drain(until=math.inf)
    assert ran[2:] == [("third_time", 3, 2), "behind"]


def test_the_last_failure_is_raised(outlast_tasks):
    get("/never")
    outlast_tasks.drain()
    with pytest.raises(Busy):
        asyncio.run(outlast_tasks.drain_async(until=math.inf))
    assert ran == ["never", "never"]


def test_wishes(outlast_tasks):
    get("/naps")
    get("/discards")
    outlast_tasks.drain()
    assert ran == ["naps", "discards"]
    outlast_tasks.drain(until=5)
    assert ran == ["naps", "discards", "naps"]
    assert outlast_tasks.all() == []


def test_expires(outlast_tasks):
    old = get("/note?expires=30")
    outlast_tasks.clock.move(31)
    outlast_tasks.drain()
    assert ran == []
    record = outlast.get_sync(old).status_sync()
    assert (record.state, "option `expires`" in record.reason) == ("dropped", True)


def test_chains(outlast_tasks):
    handle = outlast.chain_sync(outlast.s(note, "first"), outlast.s(third_time))
    outlast_tasks.drain()
    assert ran == ["first", ("first", 1, None)]
    outlast_tasks.drain(until=math.inf)
    assert handle.status_sync().state == "done"


def test_a_stashed_file():
    TestClient(app).post("/upload", files={"file": ("a.txt", b"abc", "text/plain")})
    assert ran == [b"abc"] * 3


def test_a_stashed_file_that_is_read_later(outlast_tasks):
    TestClient(app).post("/upload", files={"file": ("a.txt", b"abc", "text/plain")})
    outlast_tasks.assert_added(read, times=1)
    first, _ = outlast_tasks.all()
    assert (first.arguments["file"].filename, first.arguments["file"].size) == ("a.txt", 3)
    outlast_tasks.drain()
    assert ran == [b"abc"] * 3


def test_a_clock_goes_on(outlast_tasks):
    with pytest.raises(ValueError, match="a clock goes on"):
        outlast_tasks.clock.move(-1)


def test_the_next_test_has_its_own_time(outlast_tasks):
    assert abs((outlast_tasks.clock.now - datetime.now(UTC)).total_seconds()) < 1
"""

REAL = """
import os
import time

import outlast
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

app = FastAPI()
outlast.install(app)


def twice(folder: str) -> None:
    with open(f"{folder}/tries", "a") as file:
        file.write(f"{os.getpid()}\\n")
    while outlast.current().number == 1:
        time.sleep(0.01)


@app.get("/twice")
async def add(folder: str, tasks: outlast.BackgroundTasks):
    tasks.add_task(twice, folder)
    tasks.options(delay=3600).add_task(twice, folder)
"""
REAL_TEST = """
import pytest
from fastapi.testclient import TestClient
import outlast
from killed_app import app

def _lines(file):
    return file.exists() and file.read_text()

@pytest.mark.outlast("real")
def test_kill(outlast_tasks, tmp_path):
    with TestClient(app) as client:
        client.get("/twice", params={"folder": str(tmp_path)})
        killed = outlast_tasks.kill_task_process(when=lambda: _lines(tmp_path / "tries"))
        outlast_tasks.drain()
    first, second = map(int, (tmp_path / "tries").read_text().split())
    assert first in killed
    assert second not in killed

@pytest.mark.outlast("real")
def test_nothing_runs(outlast_tasks):
    outlast_tasks.drain()
    with pytest.raises(pytest.fail.Exception, match="not within 0.1 s: a task runs"):
        outlast_tasks.kill_task_process(timeout=0.1)
"""


@pytest.fixture(autouse=True)
def _no_options_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)


def test_time_retries_and_sequences(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_suite=SUITE)
    result = pytester.runpytest_subprocess("-W", "error")
    result.assert_outcomes(passed=SUITE.count("\ndef test_"))
    assert not (pytester.path / ".outlast").exists()


def test_a_task_process_can_be_killed(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(killed_app=REAL, test_kill=REAL_TEST)
    result = pytester.runpytest_subprocess("--timeout", "200")
    result.assert_outcomes(passed=2)


def test_the_example_of_the_docs(pytester: pytest.Pytester) -> None:
    page = (Path(__file__).parents[2] / "docs" / "testing.md").read_text()
    code = page.partition("```python\n")[2].partition("```")[0]
    pytester.makepyfile(test_docs=code)
    result = pytester.runpytest_subprocess("-W", "error")
    result.assert_outcomes(passed=code.count("\ndef test_"))
