"""What a task asks and says of its attempt, in the modes that tests have."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from fastapi import BackgroundTasks, FastAPI
from starlette.testclient import TestClient

import outlast
from outlast.system.process import this
from outlast.testing import CollectedTasks

SEEN: list[object] = []


@outlast.task(travels=True)  # in these tests it does not have to
def in_thread(attempt: outlast.Attempt, word: str) -> None:
    for letter in outlast.track(word):
        attempt.checkpoint({"letter": letter})
        outlast.current().progress(1, 2, "so far")
    SEEN.append((attempt.number, attempt.resume, word))


@outlast.task(travels=True)
async def on_loop(word: str, attempt: outlast.Attempt = outlast.Attempt()) -> None:  # noqa: B008 - as the docs have it
    await asyncio.sleep(0)
    in_thread(attempt, word)


def keeps_a_set() -> None:
    outlast.current().checkpoint({1, 2})


@pytest.fixture
def app() -> Iterator[FastAPI]:
    SEEN.clear()
    before = this.apps.newest
    app = FastAPI()
    outlast.install(app, spares=0)

    @app.get("/{function}")
    def add(function: str, background_tasks: BackgroundTasks) -> None:
        background_tasks.add_task(globals()[function], *([] if function == "keeps_a_set" else ["abc"]))

    yield app
    this.apps.newest = before


@pytest.mark.parametrize("function", ["in_thread", "on_loop"])
def test_in_a_test_the_same_calls_work(app: FastAPI, function: str) -> None:
    assert TestClient(app).get(f"/{function}").status_code == 200
    assert SEEN == [(0, None, "abc")]


def test_what_could_not_be_stored_is_the_tests_to_see(app: FastAPI) -> None:
    with pytest.raises(outlast.NotStorable, match="is a set"):
        TestClient(app).get("/keeps_a_set")


def test_collected_tasks_get_their_attempt_when_they_are_run(app: FastAPI, outlast_tasks: CollectedTasks) -> None:
    client = TestClient(app)
    for function in ("in_thread", "on_loop"):
        client.get(f"/{function}")
    outlast_tasks.drain()
    assert SEEN == [(0, None, "abc")] * 2


def test_outside_of_a_request_too(app: FastAPI) -> None:
    outlast.enqueue_sync(in_thread, word="abc")  # type: ignore[call-overload]
    asyncio.run(outlast.enqueue(on_loop, "abc"))
    assert SEEN == [(0, None, "abc")] * 2
    with pytest.raises(outlast.NotStorable, match="leave it out of the call"):
        outlast.enqueue_sync(in_thread, outlast.Attempt(), "abc")


def test_a_function_is_tested_with_an_attempt_of_the_tests_own() -> None:
    SEEN.clear()
    in_thread(outlast.Attempt(number=2, resume=5), "a")
    assert SEEN == [(2, 5, "a")]
