"""What type checkers say of a call: settings are known by name, and a decorated function keeps its signature."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import get_type_hints

import pytest

from outlast.settings.given import GivenSettings
from outlast.settings.settings import Settings

PROGRAM = """
from collections.abc import AsyncIterator
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta

import outlast
from fastapi import FastAPI, Request

app = FastAPI()
tenant: ContextVar[str] = ContextVar("tenant")
outlast.install(app, drain=60, watch=False, runner="off", max_rss="512M", app="main:app")
outlast.install(app, drian=60)  # wrong
outlast.install(app, queues={"mail": {"concurrency": 4, "rate": "10/s", "max_waiting": 9}})
outlast.install(app, queues={"mail": {"concurency": 4}})  # wrong
outlast.install(app, drain="soon")  # wrong
outlast.install(app, runner="of")  # wrong
outlast.install(app, carry={tenant: False, "some_library": True})
outlast.install(app, carry={5: True})  # wrong


@outlast.task
async def bare(number: int) -> None: ...


@outlast.task(timeout=5)
def with_options(number: int) -> None: ...


@outlast.task(retries=3, backoff=outlast.backoff(first=1), retry_on=(OSError, ValueError), on_crash="fail")
def tried_again(number: int) -> None: ...


@outlast.task(queue="mail", concurrency=3, rate="10/s", limit_by="number")
def limited(number: int) -> None: ...


@outlast.task(concurrency="3")  # wrong
def without_number(number: int) -> None: ...


@outlast.task(retires=3)  # wrong
def misspelt(number: int) -> None: ...


@outlast.task(backoff=outlast.backoff(jitter="ful"))  # wrong
def unsteady(number: int) -> None: ...


@outlast.task(backoff=outlast.backoff(max=5))  # wrong
def unbounded(number: int) -> None: ...


@outlast.task(on_crash="ignore")  # wrong
def misjudged(number: int) -> None: ...


@outlast.every("0 6 * * *", tz="Europe/Berlin", missed="all")
@outlast.every(seconds=timedelta(minutes=5), name="five")
async def scheduled() -> None: ...


@outlast.every(seconds=30, missed="some")  # wrong
def wrongly_scheduled() -> None: ...


@outlast.every(minutes=5)  # wrong
def scheduled_by_another_name() -> None: ...


async def plan_ahead() -> None:
    await scheduled()
    await outlast.schedule("x", outlast.every(seconds=5), bare, 1)
    await outlast.schedule("x", outlast.every(seconds=5), bare, "one")  # wrong
    await outlast.schedule("x", 5, bare, 1)  # wrong


async def ask(tasks: outlast.BackgroundTasks, request: Request) -> None:
    tasks.add_task(bare, 1)
    tasks.add_task(bare, "one")  # wrong
    tasks.add_task(with_options, number=1)
    tasks.add_task(with_options, numbre=1)  # wrong
    await outlast.enqueue(with_options, 1, 2)  # wrong
    tasks.options(delay=60, priority=3, parallel=True).add_task(bare, 1)
    tasks.options(dealy=60)  # wrong
    tasks.options(queue="mail", rate=10)  # wrong
    tasks.options(retry_on=5)  # wrong
    tasks.options(delay=60).add_task(bare, "one")  # wrong
    await outlast.options(run_at=datetime.now(UTC)).enqueue(bare, 1)
    await outlast.options(parallel=True).enqueue(bare, 1)  # wrong
    outlast.options(expires=timedelta(hours=1)).enqueue_sync(bare, "one")  # wrong
    keyed = await outlast.options(key=outlast.idempotency_key(request), key_for=timedelta(days=1)).enqueue(bare, 1)
    is_new: bool | None = (await keyed.stored()).is_new
    certain: bool = keyed.is_new  # wrong
    tasks.options(key=42)  # wrong
    number: int = await (await outlast.enqueue(answer, 1)).result(timeout=5)
    number = tasks.add_task(answer_async, 1).result_sync()
    number = outlast.options(priority=1).enqueue_sync(answer_async, 1).result_sync()
    word: str = await tasks.add_task(answer, 1).result()  # wrong
    handle: outlast.Handle[int] = await outlast.enqueue(answer_async, 1)
    handle = await outlast.get(handle.id)
    state: str = (await handle.wait(1)).state
    found: list[outlast.TaskRecord] = await outlast.find(state=("done", "failed"), since=timedelta(hours=1))
    await outlast.find(state="over")  # wrong
    print(number, word, state, found)
    tasks.add_task(wants_attempt, 1)
    total: float = await (await outlast.chain(read.s(1), convert.s(currency="EUR"), outlast.s(add, 5))).result()
    word = await (await outlast.chain(read.s(1), convert.s())).result()  # wrong
    read.s("one")  # wrong
    convert.s(currency=5)  # wrong
    convert.s(curency="EUR")  # wrong
    read.si()  # wrong
    outlast.s(add, "five")  # wrong
    total = (await outlast.group(convert.s("1"), convert.s("2"), then=outlast.s(add_up))).result_sync()
    await outlast.group(convert.s("1"))  # wrong
    await outlast.chain(5)  # wrong
    await outlast.chain(read)  # wrong
    await outlast.options(then=convert.s(), on_failure=print).enqueue(bare, 1)
    tasks.options(then=5)  # wrong
    read.s(1).options(retries=3, delay=5, key="42", then=convert.s())
    read.s(1).options(retires=3)  # wrong
    print(total, Page().lines(5))
    raise outlast.Retry("busy", after=timedelta(seconds=5))


@outlast.task
def read(number: int) -> str:
    return str(number)


@outlast.task(retries=3, on_failure=outlast.s(print))
async def convert(text: str, currency: str = "USD") -> float:
    return float(text) * len(currency)


def add(total: float, more: int) -> float:
    return total + more


def add_up(totals: list[float]) -> float:
    return sum(totals)


class Page:
    @outlast.task
    def lines(self, most: int) -> int:
        return most


def wants_attempt(number: int, attempt: outlast.Attempt = outlast.Attempt()) -> None:
    attempt.progress(1, total=2.5, note="so far")
    attempt.progress("half")  # wrong
    attempt.checkpoint({"row": number})
    for letter in outlast.track("abc", start=3):
        letter.upper()
        letter.lofty()  # wrong


async def loops(rows: AsyncIterator[int]) -> None:
    async for row in outlast.track(rows, total=5):
        row.bit_length()
        row.upper()  # wrong
    for row in outlast.track(rows):  # wrong
        pass


def answer(number: int) -> int:
    return number


async def answer_async(number: int) -> int:
    return number
"""
CHECKERS = {
    "mypy": ["-m", "mypy", "--strict", "--no-incremental"],
    "pyright": ["-m", "pyright", "--pythonpath", sys.executable],
}
NODE = pytest.mark.skipif(shutil.which("node") is None, reason="pyright needs node, and would download it")


@pytest.mark.parametrize("checker", ["mypy", pytest.param("pyright", marks=[NODE, pytest.mark.slow])])
def test_type_checkers_find_each_mistake_and_nothing_else(checker: str, tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    arguments = [sys.executable, *CHECKERS[checker], "program.py"]
    done = subprocess.run(arguments, cwd=tmp_path, capture_output=True, text=True, check=False)
    found = {int(line) for line in re.findall(r"program\.py:(\d+):.* error:", done.stdout)}
    wrong = {at for at, line in enumerate(PROGRAM.splitlines(), 1) if line.endswith("# wrong")}
    assert found == wrong, done.stdout + done.stderr


def test_install_takes_each_setting_by_name() -> None:
    assert set(get_type_hints(GivenSettings)) == {field.name for field in fields(Settings)}
