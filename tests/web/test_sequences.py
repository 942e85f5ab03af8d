"""Chains and groups in the modes that tests have: what they call, and what becomes of what does not run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi import BackgroundTasks, FastAPI
from fastapi.testclient import TestClient

import outlast
from outlast.system.process import Rehearsal, this
from outlast.testing import CollectedTasks
from outlast.web import hook

seen: list[Any] = []


@outlast.task
def double(number: int) -> int:
    if number == 13:
        raise ValueError("not this one")
    return 2 * number


@outlast.task(travels=True)
async def note(number: int, name: str) -> str:
    seen.append((name, number))
    return f"{name} {number}"


@outlast.task(travels=True)
def note_all(numbers: list[int]) -> None:
    seen.append(numbers)


@outlast.task(travels=True)
def alarm(task: str, reason: str) -> None:
    seen.append((task, reason))


@outlast.task(then=note.s("by decorator"), on_failure=alarm)
def decorated(number: int) -> int:
    return double(number)


app = FastAPI()
outlast.install(app, runner="off")


@app.get("/add/{number}")
async def add(number: int, tasks: BackgroundTasks) -> None:
    tasks.add_task(decorated, number)


@outlast.task(key="feed", travels=True)
def feed(number: int) -> int:
    return number


@pytest.fixture(autouse=True)
def _mode(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    hook.install()  # another test may have taken it out since this app was made
    monkeypatch.setattr(this, "mode", "manual" if "outlast_tasks" in request.fixturenames else "inline")
    monkeypatch.setattr(this, "rehearsal", Rehearsal())
    seen.clear()
    yield


def test_a_chain_runs_at_once_in_mode_inline() -> None:
    handle = outlast.chain_sync(double.s(4), note.s("chained"), outlast.si(alarm, "no", "failure"))
    assert seen == [("chained", 8), ("no", "failure")]
    assert [one.result_sync() for one in handle.all] == [8, "chained 8", None]


async def awaited() -> outlast.Handle[None]:
    return await outlast.group(double.s(1), double.s(2), then=outlast.s(note_all))


def test_a_group_runs_at_once_and_then_its_callback() -> None:
    assert asyncio.run(awaited()).status_sync().state == "done"
    assert seen == [[2, 4]]


def test_what_one_raises_is_the_tests_and_what_runs_after_it_says_why() -> None:
    with pytest.raises(ValueError, match="not this one"):
        outlast.chain_sync(double.s(13), note.s("chained"))
    (dropped,) = outlast.find_sync(state="dropped")
    assert "double), which has failed: ValueError: not this one" in dropped.reason


@pytest.mark.parametrize("number", [1, 13])
def test_then_and_on_failure_of_a_background_task(number: int) -> None:
    client = TestClient(app, raise_server_exceptions=False)
    client.get(f"/add/{number}")
    if number == 1:
        assert seen == [("by decorator", 2)]
    else:
        ((_, reason),) = seen
        assert reason == "ValueError: not this one"


def test_mode_manual_runs_a_chain_when_it_is_drained(outlast_tasks: CollectedTasks) -> None:
    handle = outlast.chain_sync(double.s(4), note.s("chained"))
    assert [task.function for task in outlast_tasks.all()] == [double]
    assert handle.status_sync().state == "waiting"
    outlast_tasks.drain()
    assert seen == [("chained", 8)]
    assert handle.result_sync() == "chained 8"


def test_mode_manual_collects_what_a_request_asks_for(outlast_tasks: CollectedTasks) -> None:
    TestClient(app).get("/add/5")
    assert seen == []
    outlast_tasks.drain()
    assert seen == [("by decorator", 10)]


@outlast.task
def ping(_: object = None) -> None: ...


@outlast.task(then=outlast.s(ping))
def pong(_: object = None) -> None: ...


outlast.task(then=outlast.s(pong))(ping)


@pytest.mark.parametrize(
    "ask", [outlast.enqueue_sync, lambda function: outlast.chain_sync(note.s(1, "a"), outlast.s(function))]
)
def test_what_would_run_after_itself_is_refused_at_the_call(ask: Any) -> None:
    with pytest.raises(outlast.OptionError, match="cannot come back to itself: let the last one add the next"):
        ask(ping)


def test_a_chain_may_have_a_hundred_calls() -> None:
    def chained(count: int) -> int:
        return len(outlast.chain_sync(note.s(0, "first"), *[note.si(one, "next") for one in range(1, count)]).all)

    assert chained(100) == 100
    with pytest.raises(outlast.OptionError, match="more than 100 tasks"):
        chained(101)


@pytest.mark.parametrize(
    "ask",
    [
        lambda: outlast.chain_sync(feed.s(1), feed.s()),
        lambda: outlast.chain_sync(feed.s(1), note.s("between"), feed.s()),
        lambda: outlast.chain_sync(note.s(1, "x").options(key="k"), note.si(2, "x").options(key="k")),
        lambda: outlast.group_sync(feed.s(1), note.s(1, "x"), then=feed.si(2)),
        lambda: outlast.options(then=feed.s()).enqueue_sync(feed, 1),
        lambda: outlast.options(on_failure=outlast.si(feed, 1)).enqueue_sync(feed, 1),
    ],
    ids=["next", "later", "of the call", "group", "then", "on_failure"],
)
def test_what_would_run_after_itself_with_its_own_key_is_refused(ask: Any) -> None:
    with pytest.raises(outlast.OptionError, match="would run after itself with the key"):
        ask()


def test_a_key_that_is_taken_back_or_another_one_is_no_matter() -> None:
    outlast.chain_sync(feed.s(1), feed.s().options(key=None), feed.s().options(key="other"))


def test_options_of_options_add_up_outside_of_requests_too() -> None:
    asking = outlast.options(key="twice", queue="mail", delay=5).options(queue="other", run_at=datetime.now(UTC))
    handle = asking.enqueue_sync(feed, 1)
    assert (handle.status_sync().key, handle.status_sync().queue) == ("twice", "other")
