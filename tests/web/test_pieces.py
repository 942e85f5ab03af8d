"""A response with very many tasks does not keep others from the event loop, and loses none of them by that."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from fastapi import BackgroundTasks, FastAPI

from outlast.web import pieces
from outlast.web.pieces import in_pieces
from tests.web.calling import Served
from tests.web.work import work

NAMES = [f"task {number}" for number in range(5)]


@pytest.fixture(autouse=True)
def _yield_after_each(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pieces, "AT_ONCE", 0.0)


def served(before_it_answers: Callable[[], object] = lambda: None) -> Served:
    """An app whose endpoint adds five tasks."""
    app = FastAPI()

    @app.get("/")
    async def endpoint(tasks: BackgroundTasks) -> None:
        for name in NAMES:
            tasks.add_task(work, name)
        before_it_answers()

    return Served(app)


def test_others_have_their_turn_in_between() -> None:
    seen: list[str] = []

    async def other() -> None:
        for _ in range(2):
            seen.append("other")
            await asyncio.sleep(0)

    async def both() -> None:
        beside = asyncio.ensure_future(other())
        await in_pieces(seen.append, "abc")
        await beside

    asyncio.run(both())
    assert seen == ["a", "other", "b", "other", "c"]


def test_all_are_stored_at_once_before_the_response_starts() -> None:
    app = served()
    seen = app.get("/")
    assert (seen.before, seen.released) == (NAMES, NAMES)
    assert [event["what"] for event in app.events][:2] == ["store", "start"]


def test_a_call_that_is_cancelled_while_its_tasks_are_let_go_lets_all_of_them_go() -> None:
    seen = served().cancel("/")
    assert (seen.raised, seen.released) == ("CancelledError", NAMES)


@pytest.mark.parametrize("turns", range(1, 9))
def test_a_call_that_is_cancelled_before_its_tasks_were_offered_stores_none(turns: int) -> None:
    def cancel_in(turns: int, call: asyncio.Task[object]) -> None:
        if turns:
            asyncio.get_running_loop().call_soon(cancel_in, turns - 1, call)
        else:
            call.cancel()

    def begin() -> None:
        call = asyncio.current_task()
        assert call is not None
        cancel_in(turns, call)

    seen = served(begin).get("/")
    assert (seen.raised, seen.before, seen.released) == ("CancelledError", [], [])
