"""Where attempts run in a task process: each begins once, or goes back, whoever asks first."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Callable, Iterator
from contextvars import copy_context
from typing import Any

import pytest

import outlast
from outlast.child.contexts import Contexts
from outlast.child.lanes import Lanes
from outlast.child.outbox import Outbox
from outlast.child.shared_loop import SharedLoop
from outlast.watch.flights import Flights
from outlast.wire.frames import receive_all

ran: list[tuple[str, int, str]] = []


async def on_loop(word: str) -> None:
    ran.append(("loop", outlast.current().number, word))


def in_thread(word: str) -> None:
    ran.append(("thread", outlast.current().number, word))


def given(task: int, number: int, function: Callable[[str], Any], lane: str) -> list[Any]:
    return [task, number, f"{__name__}:{function.__name__}", lane, None, None, 0, json.dumps({"word": "a"}), ""]


@pytest.fixture
def lanes() -> Iterator[tuple[Lanes, SharedLoop, Callable[[], list[Any]]]]:
    """Them, their loop, and what gives the ends that they have reported."""
    theirs, ours = socket.socketpair()
    outbox, loop = Outbox(ours, pytest.fail), SharedLoop()
    ran.clear()

    channel = ours.fileno()

    def ends() -> list[Any]:
        outbox.close()
        os.close(channel)
        return [end for message in receive_all(theirs) for end in message.get("tasks", ())]

    with theirs:
        yield Lanes(loop, 2, Contexts(copy_context()), Flights(), outbox), loop, ends
    loop.close()


async def idle(lanes: Lanes) -> None:
    while lanes.is_busy:
        await asyncio.sleep(0.001)


def test_what_was_handed_back_does_not_begin_in_the_name_of_its_next_attempt(
    lanes: tuple[Lanes, SharedLoop, Callable[[], list[Any]]],
) -> None:
    here, loop, ends = lanes

    async def work() -> None:
        here.take([given(1, 1, on_loop, "loop")])
        assert here.hand_back() == [1]
        here.take([given(1, 2, on_loop, "loop")])
        await idle(here)

    loop.run(work())
    assert ran == [("loop", 2, "a")]
    assert ends() == [[1, "", "", []]]


def test_what_has_changed_its_kind_goes_on_in_the_other_lane(
    lanes: tuple[Lanes, SharedLoop, Callable[[], list[Any]]],
) -> None:
    here, loop, ends = lanes

    async def work() -> None:
        here.take([given(1, 1, on_loop, "thread"), given(2, 1, in_thread, "loop")])
        await idle(here)

    loop.run(work())
    assert sorted(ran) == [("loop", 1, "a"), ("thread", 1, "a")]
    assert sorted(ends()) == [[1, "", "", []], [2, "", "", []]]


def test_what_is_stopped_before_it_has_begun_never_begins(
    lanes: tuple[Lanes, SharedLoop, Callable[[], list[Any]]],
) -> None:
    here, loop, ends = lanes

    async def work() -> None:
        here.take([given(1, 1, on_loop, "loop")])
        here.stop(1)
        await idle(here)

    loop.run(work())
    assert (ran, ends()) == ([], [[1, "CancelledError", "", []]])
