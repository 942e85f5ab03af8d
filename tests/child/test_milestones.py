"""What attempts say of how far they have come, on the way to the runner: few messages, the newest, before the end."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from outlast.child.milestones import Milestones
from outlast.child.outbox import Outbox
from outlast.functions.checkpoints import encoded
from outlast.runner import reports
from outlast.tasks.attempt import Attempt
from outlast.tasks.outcome import RETURNED
from outlast.tasks.progress import Progress
from outlast.wire.frames import Message, receive_all

Sent = tuple[Outbox, Callable[[], list[Message]]]


@pytest.fixture
def sent() -> Iterator[Sent]:
    """An outbox, and what closes it and gives all that it has sent."""
    theirs, ours = socket.socketpair()
    outbox = Outbox(ours, pytest.fail)
    channel = ours.fileno()

    def messages() -> list[Message]:
        outbox.close()
        os.close(channel)
        return list(receive_all(theirs))

    with theirs:
        yield outbox, messages


def attempt(outbox: Outbox, task: int, number: int = 1) -> Attempt:
    return Attempt(task, number, "main:f", keeper=outbox.milestones)


def reached(messages: list[Message]) -> list[Any]:
    return [one for message in messages if message["type"] == "reached" for one in message["tasks"]]


def test_a_hundred_thousand_calls_are_a_few_messages_and_the_last_one_is_among_them(sent: Sent) -> None:
    outbox, messages = sent
    one, began = attempt(outbox, 1), time.monotonic()
    for done in range(100_000):
        one.progress(done + 1, 100_000)
    seconds = time.monotonic() - began
    said = reached(messages())
    assert said[-1] == [1, 1, Progress(100_000.0, 100_000.0).text(), None]
    assert len(said) <= 2 + 4 * (seconds + 1)


def test_what_an_attempt_has_reached_goes_before_its_end(sent: Sent) -> None:
    outbox, messages = sent
    for task in range(1, 6):
        one = attempt(outbox, task)
        one.progress(1)
        one.checkpoint(task)
        outbox.report(task, RETURNED)
    kinds = [(message["type"], task) for message in messages() for task, *_ in message["tasks"]]
    for task in range(1, 6):
        assert kinds.index(("reached", task)) < kinds.index(("ended", task))


def test_progress_and_checkpoint_of_one_go_together_and_each_as_the_newest(sent: Sent) -> None:
    outbox, messages = sent
    one, other = attempt(outbox, 1), attempt(outbox, 1, 2)
    for row in range(1000):
        one.progress(row)
        one.checkpoint({"row": row})
        other.checkpoint(None)
    said = reached(messages())
    newest = {(task, number): (progress, value) for task, number, progress, value in said}
    assert newest == {(1, 1): (Progress(999.0).text(), encoded({"row": 999})), (1, 2): (None, encoded(None))}


def test_many_large_checkpoints_are_several_messages_that_the_runner_reads() -> None:
    milestones = Milestones(lambda: None)
    for task in range(200):
        Attempt(task, 1, keeper=milestones).checkpoint("x" * 60_000)
    messages = milestones.take()
    assert 1 < len(messages) < 10
    found = [reports.read(message) for message in messages]
    assert sum(len(one.reached) for one in found if isinstance(one, reports.Milestones)) == 200
    assert milestones.take() == []


def test_who_is_woken_finds_something() -> None:
    found: list[float | None] = []
    milestones = Milestones(lambda: found.append(milestones.due_in))
    for task in range(3):
        Attempt(task, 1, keeper=milestones).progress(1)
    assert found == [0.0]


@pytest.mark.parametrize(
    "odd",
    [
        [1, 1, "[", None],
        [1, 1, "[" * 100_000, None],
        [1, 1, None, "x" * 70_000],
        ["one", 1, None, None],
        [1, 1, '[NaN, null, ""]', None],
        [1, 1],
    ],
)
def test_what_is_none_ends_the_channel_and_nothing_else(odd: list[Any]) -> None:
    with pytest.raises((ValueError, TypeError, LookupError, OverflowError)):
        reports.read({"type": "reached", "tasks": [odd]})
