"""Users' tests hear what a server would do: of values that are handed on, of cancels, retries and times."""

from __future__ import annotations

import pytest

pytest_plugins = ("pytester",)

SHOP = """
import threading
from typing import Annotated

import outlast
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
outlast.install(app, queues={"mail": {"max_waiting": 2}})


class Invoice(BaseModel):
    number: int


def as_dict() -> dict:
    return {"number": 1}


def as_model() -> Invoice:
    return Invoice(number=1)


def as_tuple() -> tuple[int, int]:
    return 1, 2


def as_lock():
    return threading.Lock()


def as_much():
    return "x" * 2_000_000


def give(value):
    return value


def number_of(invoice: Invoice) -> int:
    return invoice.number


def numbers_of(invoices: list[Invoice]) -> list[int]:
    return [one.number for one in invoices]


def number_in(invoice) -> int:
    return invoice["number"]


def attempted(attempt: outlast.Attempt, invoice: Invoice) -> list:
    return [invoice.number, attempt.id]


def name_of(value) -> str:
    return type(value).__name__


def end(code: int) -> None:
    raise SystemExit(code)


@app.get("/mail/{count}")
async def mail(count: int, tasks: outlast.BackgroundTasks):
    for number in range(count):
        tasks.options(queue="mail").add_task(give, number)


@app.get("/cancelled")
async def cancelled(tasks: outlast.BackgroundTasks):
    handle = await tasks.add_task(give, 1).stored()
    held = (await handle.status()).state
    return [handle.id, held, await handle.cancel()]
"""

IN_EACH_MODE = """
import outlast
import pytest
import shop
from fastapi.testclient import TestClient
from outlast.testing import CollectedTasks

MODES = [pytest.param(mode, marks=pytest.mark.outlast(mode)) for mode in ("inline", "manual", "real")]


@pytest.mark.parametrize("mode", MODES)
def test_what_is_handed_on(mode):
    def chained(*functions):
        return outlast.chain_sync(*map(outlast.s, functions))

    with TestClient(shop.app):
        done = {
            1: [chained(shop.as_dict, shop.number_of), chained(shop.as_model, shop.number_in)],
            "list": [chained(shop.as_tuple, shop.name_of)],
        }
        named = outlast.chain_sync(outlast.s(shop.as_dict), outlast.s(shop.attempted))
        group = outlast.group_sync(outlast.s(shop.as_dict), outlast.s(shop.as_model), then=outlast.s(shop.numbers_of))
        lost, much = chained(shop.as_lock, shop.name_of, shop.name_of), chained(shop.as_much, shop.name_of)
        if mode == "manual":
            CollectedTasks().drain()
        for value, handles in done.items():
            assert [one.result_sync(60) for one in handles] == [value] * len(handles)
        assert named.result_sync(60) == [1, named.id]
        assert group.result_sync(60) == [1, 1]
        for one, why in ((lost, "its result is not kept: it is a"), (much, "its result is not kept: it is more than")):
            assert why in one.all[0].wait_sync(60).reason
            dropped = one.wait_sync(60)
            assert dropped.state == "dropped"
            assert f"it was to get what task {one.all[0].id} (shop:" in dropped.reason
            assert why in dropped.reason
"""

MANUAL = """
import asyncio
import math
from datetime import timedelta

import outlast
import pytest
import shop
from fastapi import BackgroundTasks
from fastapi.testclient import TestClient

ran = []
broken = []


@outlast.task(travels=True)
def note(value):
    ran.append(value)
    return value


@outlast.task(travels=True)
def fragile(value):
    if broken:
        raise ValueError(value)
    return note(value)


@outlast.task(travels=True)
def alarm(task: str, reason: str) -> str:
    ran.append(reason)
    return reason


@outlast.task(travels=True, retries=1, backoff=0.0)
def grows(values: list) -> None:
    attempt = outlast.current()
    ran.append((list(values), attempt.resume))
    values.append("changed")
    attempt.checkpoint(values)
    values.append("later")
    if attempt.number == 1:
        raise ValueError


@outlast.task(travels=True)
async def sized(file, times: int = 1) -> bytes:
    ran.append(await file.read())


@pytest.fixture(autouse=True)
def forget():
    ran.clear()
    broken.clear()


def test_what_a_function_does_not_take_is_parked(outlast_tasks):
    handle = outlast.chain_sync(outlast.s(shop.as_tuple), outlast.s(shop.number_of))
    with pytest.raises(outlast.NotStorable, match="at `invoice`"):
        outlast_tasks.drain()
    record = handle.status_sync()
    assert (record.state, "at `invoice`" in record.reason) == ("parked", True)
    assert handle.cancel_sync()


def test_arguments_are_those_of_the_moment_and_new_for_each_attempt(outlast_tasks):
    values = ["first"]
    outlast.enqueue_sync(grows, values)
    values.append("too late")
    outlast_tasks.drain()
    assert ran == [(["first"], None), (["first"], ["first", "changed"])]


def test_a_stashed_file_in_a_later_link(outlast_tasks):
    async def ask():
        file = await outlast.stash(b"abc")
        return await outlast.chain(outlast.s(note, 1), outlast.si(sized, file, times=2))
    asyncio.run(ask())
    outlast_tasks.drain()
    assert ran == [1, b"abc"]


def test_cancelled_before_it_runs(outlast_tasks):
    waiting, chain = outlast.enqueue_sync(note, 1), outlast.chain_sync(note.s(2), note.s())
    assert [waiting.cancel_sync(), chain.all[0].cancel_sync()] == [True, True]
    assert [one.status_sync().state for one in chain.all] == ["cancelled"] * 2
    assert outlast_tasks.all() == []
    done = outlast.enqueue_sync(note, 3)
    outlast_tasks.drain()
    assert ran == [3]
    assert not done.cancel_sync()
    with pytest.raises(outlast.TaskNotFound):
        outlast.cancel_sync(5)


def test_a_whole_chain_is_cancelled(outlast_tasks):
    handle = outlast.chain_sync(note.s(1), note.s(), note.s())
    assert asyncio.run(handle.cancel())
    outlast_tasks.drain()
    assert ran == []
    assert [one.status_sync().state for one in handle.all] == ["cancelled"] * 3


@pytest.mark.parametrize("mode", [pytest.param(one, marks=pytest.mark.outlast(one)) for one in ("inline", "manual")])
def test_cancelled_while_it_is_held(mode):
    id, held, is_cancelled = TestClient(shop.app).get("/cancelled").json()
    assert (held, is_cancelled) == ("held", True)
    assert outlast.get_sync(id).status_sync().state == "cancelled"


def test_dropped_with_its_response(outlast_tasks):
    @shop.app.get("/fails")
    async def fails(tasks: outlast.BackgroundTasks):
        handle = await tasks.options(then=note, on_failure=alarm).add_task(note, 1).stored()
        ids.append(handle.id)
        raise RuntimeError
    ids = []
    TestClient(shop.app, raise_server_exceptions=False).get("/fails")
    outlast_tasks.drain()
    assert ran == []
    assert [one.state for one in outlast.find_sync()] == ["cancelled", "dropped"]
    assert outlast.retry_sync(ids[0])
    outlast_tasks.drain()
    assert ran == [1, 1]


def test_a_failed_one_runs_again(outlast_tasks):
    broken.append(True)
    handle = outlast.chain_sync(note.s(1), fragile.s().options(on_failure=alarm), note.s())
    first, failed, dropped = handle.all
    with pytest.raises(ValueError):
        outlast_tasks.drain()
    assert [one.status_sync().state for one in handle.all] == ["done", "failed", "dropped"]
    assert ran == [1, "ValueError: 1"]
    broken.clear()
    assert not outlast.retry_sync(outlast.enqueue_sync(note, 0).id)
    assert outlast.retry_sync(failed.id)
    assert [one.status_sync().state for one in handle.all] == ["done", "waiting", "waiting"]
    outlast_tasks.drain()
    assert ran[2:] == [0, 1, 1]
    assert [one.status_sync().attempt for one in handle.all] == [1, 2, 1]


def test_one_that_was_given_up_runs_again_with_what_it_was_given_up_for(outlast_tasks):
    broken.append(True)
    handle = outlast.chain_sync(fragile.s(1), note.s())
    with pytest.raises(ValueError):
        outlast_tasks.drain()
    broken.clear()
    assert outlast.retry_sync(handle.id)
    outlast_tasks.drain()
    assert (ran, handle.result_sync()) == ([1, 1], 1)


def test_inline_one_that_is_to_run_again_does_so_at_once():
    handle = outlast.enqueue_sync(note, 1)
    assert outlast.retry_sync(handle.id)
    assert (ran, handle.status_sync().attempt) == ([1, 1], 2)
    broken.append(True)
    with pytest.raises(ValueError):
        outlast.enqueue_sync(fragile, 2)
    (failed,) = outlast.find_sync(state="failed")
    broken.clear()
    assert asyncio.run(outlast.retry(failed.id))
    assert ran == [1, 1, 2]


def test_what_runs_after_an_alarm_that_was_not_needed_is_forgotten(outlast_tasks):
    outlast.options(on_failure=alarm.s().options(then=note)).enqueue_sync(note, 1)
    assert len(outlast.find_sync()) == 3
    outlast_tasks.drain()
    assert (ran, len(outlast.find_sync())) == ([1], 1)


def test_of_a_line_that_is_given_up_each_says_which_has_failed(outlast_tasks, caplog):
    broken.append(True)
    handle = outlast.chain_sync(fragile.s(1), note.s(), note.s())
    with pytest.raises(ValueError):
        outlast_tasks.drain()
    second, third = (one.status_sync().reason for one in handle.all[1:])
    assert second == third
    assert f"task {handle.all[0].id} (" in third
    assert f"{handle.id} test_manual:note dropped: {third}" in caplog.text


def test_run_at_goes_by_the_clock(outlast_tasks):
    outlast_tasks.clock.move(timedelta(days=1))
    due = outlast_tasks.clock.now + timedelta(hours=1)
    outlast.options(run_at=due).enqueue_sync(note, 1)
    assert outlast_tasks.all()[0].run_at == due
    outlast.chain_sync(note.s(2).options(delay=7200), note.s().options(run_at=due))
    outlast_tasks.drain(until=3601)
    assert ran == [1]
    outlast_tasks.drain(until=3600)
    assert ran == [1, 2, 2]


def test_expires_counts_from_when_a_link_may_begin(outlast_tasks):
    handle = outlast.chain_sync(note.s(1).options(delay=3600), note.s().options(expires=60, delay=30))
    outlast_tasks.drain(until=3600)
    assert ran == [1]
    outlast_tasks.clock.move(61)
    outlast_tasks.drain()
    assert handle.status_sync().state == "dropped"
    handle = outlast.chain_sync(note.s(2).options(delay=3600), note.s().options(expires=60))
    outlast_tasks.drain(until=math.inf)
    assert ran == [1, 2, 2]


def test_found_since_by_the_clock(outlast_tasks):
    outlast.enqueue_sync(note, 1)
    outlast_tasks.clock.move(7200)
    assert outlast.find_sync(since=timedelta(hours=1)) == []
    new = outlast.enqueue_sync(note, 2)
    assert [one.id for one in outlast.find_sync(since=timedelta(hours=1))] == [new.id]


def test_one_that_wants_to_end_its_process_has_failed(outlast_tasks):
    exits, other = outlast.enqueue_sync(shop.end, 3), outlast.enqueue_sync(note, 1)
    with pytest.raises(SystemExit):
        outlast_tasks.drain()
    record = exits.status_sync()
    assert (record.state, record.reason, other.status_sync().state) == ("failed", "SystemExit: 3", "done")


@outlast.task(travels=False)
def stays(value):
    ran.append(outlast.current().number)
    raise outlast.Retry("not now")


def test_what_would_run_inline_on_a_server_is_not_tried_again(outlast_tasks):
    @shop.app.get("/stays")
    async def add(tasks: BackgroundTasks):
        tasks.add_task(stays, 1)
    TestClient(shop.app).get("/stays")
    with pytest.raises(outlast.Retry):
        outlast_tasks.drain()
    (record,) = outlast.find_sync()
    assert (ran, record.state, "lane inline runs nothing again" in record.reason) == ([0], "failed", True)


def test_priority(outlast_tasks):
    outlast.enqueue_sync(note, "low")
    outlast.options(priority=-1).enqueue_sync(note, "lowest")
    outlast.options(priority=10).enqueue_sync(note, "high")
    outlast_tasks.drain()
    assert ran == ["high", "low", "lowest"]


@pytest.mark.parametrize("mode", [pytest.param(one, marks=pytest.mark.outlast(one)) for one in ("inline", "manual")])
def test_a_full_queue(mode):
    client = TestClient(shop.app)
    assert [client.get(f"/mail/{count}").status_code for count in (3, 2)] == [429, 200]
    if mode == "manual":
        with pytest.raises(outlast.QueueFull):
            outlast.options(queue="mail").enqueue_sync(shop.give, 1)
    assert len(outlast.find_sync(queue="mail")) == 2
"""


@pytest.fixture(autouse=True)
def _no_options_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)


@pytest.mark.slow
def test_what_is_handed_on_is_the_same_in_each_mode(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(shop=SHOP, test_each=IN_EACH_MODE)
    result = pytester.runpytest_subprocess("-W", "error", "--timeout", "200")
    result.assert_outcomes(passed=3)


@pytest.mark.slow
def test_what_becomes_of_tasks_is_what_a_server_would_do(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(shop=SHOP, test_manual=MANUAL)
    result = pytester.runpytest_subprocess("-W", "error")
    result.assert_outcomes(passed=MANUAL.count("\ndef test_") + 2)
