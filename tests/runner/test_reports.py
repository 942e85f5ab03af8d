"""Whatever another process says is understood, or ends its channel: nothing of it reaches the runner as an error."""

from __future__ import annotations

import selectors
import socket
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlast.runner import reports, web_workers
from outlast.runner.template import Word
from outlast.tasks.outcome import MOST_RESULT, Raised, Returned
from outlast.wire.channel import Channel
from outlast.wire.frames import Message, packed
from tests.borders.odd import LETTERS

TEXTS = st.text(LETTERS, max_size=10)  # more would not fit into the socket, which nobody reads meanwhile
JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), TEXTS),
    lambda inside: st.one_of(st.lists(inside, max_size=3), st.dictionaries(TEXTS, inside, max_size=3)),
    max_leaves=5,
)
KINDS = (
    *("stands", "broken", "imported", "ready", "ended", "cut", "back", "unknown", "known", "blocked", "free"),
    "reached",
    *("hello", "good-bye", "backlog", "copied", "noise"),
)
FIELDS = (
    *("task", "tasks", "why", "traceback", "remarks", "at", "seconds", "incident", "cause", "sentence", "function"),
    *("code", "unstarted", "waiting", "waits", "version", "environment", "journal", "process", "pid"),
)


def heard(read: Callable[[Message], Any], *messages: Message) -> tuple[list[Any], Channel]:
    near, far = socket.socketpair()
    with near, far, selectors.DefaultSelector() as selector:
        channel = Channel(near, selector)
        for message in messages:
            far.sendall(packed(message))
        for key, _ in selector.select(5):
            key.data.attend()
        found = list(channel.heard(read))
        channel.close()
        return found, channel


@pytest.mark.parametrize("read", [reports.read, web_workers.read, Word.read])
@given(kind=st.sampled_from(KINDS), fields=st.dictionaries(st.sampled_from(FIELDS), JSON))
def test_whatever_is_said_is_understood_or_ends_the_channel(
    read: Callable[[Message], Any], kind: str, fields: dict[str, Any]
) -> None:
    found, channel = heard(read, {"type": kind, **fields})
    assert len(found) == (0 if channel.fault else 1)


def test_what_was_said_before_the_fault_counts_and_nothing_after_it() -> None:
    found, channel = heard(reports.read, {"type": "wake"}, {"type": "cut", "task": float("inf")}, {"type": "wake"})
    assert found == [reports.Notice.WAKE]
    assert channel.is_over
    assert channel.fault


def test_ends_that_came_together_are_one_report() -> None:
    found, _ = heard(
        reports.read, {"type": "ended", "tasks": [[1, "", "", []], [2, "ValueError: no", "at 1", ["a:B"]]]}
    )
    assert found == [reports.Ended(((1, Returned()), (2, Raised("ValueError: no", "at 1", ("a:B",)))))]


def test_one_that_a_newer_outlast_says_is_a_sign_of_life() -> None:
    assert heard(reports.read, {"type": "new"})[0] == [reports.Notice.ALIVE]


def test_what_was_returned_is_told_if_a_journal_can_have_it() -> None:
    kept, lost, odd, long, strange = (
        [1, "", "", [], '{"result":"\u00e9"}', ""],
        [2, "", "", [], None, "its result is not kept: it\nis odd"],
        [3, "", "", [], "a\0b", ""],
        [4, "", "", [], "x" * (MOST_RESULT + 1), ""],
        [5, "", "", [], "\ud800", ""],
    )
    report = reports.read({"type": "ended", "tasks": [kept, lost, odd, long, strange]})
    refused = Returned(lost="its result is not kept: it is no JSON")
    expected = (Returned('{"result":"\u00e9"}'), Returned(lost="its result is not kept: it\\nis odd"), *3 * [refused])
    assert report == reports.Ended(tuple(enumerate(expected, 1)))
