"""What the log is told of stalls, and what is remembered of them."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from outlast.system.memory import resident_bytes
from outlast.watch.incident import Cause, Flight, Incident
from outlast.watch.reporter import Reporter
from outlast.watch.site import Site
from outlast.watch.stall import Stall

SITE = Site("send", "mail.py", 8, "time.sleep(9)")
STALL = Stall(Cause.BLOCKED, 1.0, SITE, Flight("GET /mail", 1.0), "stack", beside=(Flight("GET /mail", 1.0),))
NAMED = "by send (mail.py:8) in time.sleep(9), for GET /mail"


@pytest.fixture
def noted() -> list[Incident]:
    return []


@pytest.fixture
def reporter(noted: list[Incident]) -> Reporter:
    return Reporter("web worker", 7, noted.append)


@pytest.fixture
def silent_log() -> Iterator[None]:
    logging.disable(logging.CRITICAL)
    yield
    logging.disable(logging.NOTSET)


def whole(reporter: Reporter, stall: Stall) -> None:
    """A stall that is seen three times, and then over."""
    for seconds in (1.0, 1.5, 2.0):
        reporter.tell(replace(stall, seconds=seconds))
    reporter.tell(replace(stall, seconds=2.5, is_over=True))


def test_a_line_when_it_begins_and_one_when_it_ends(
    reporter: Reporter, noted: list[Incident], caplog: pytest.LogCaptureFixture
) -> None:
    whole(reporter, STALL)
    assert caplog.messages == [
        f"the event loop of web worker 7 has been blocked for 1.0 s {NAMED}: no request is answered meanwhile",
        f"the event loop of web worker 7 was blocked for 2.5 s {NAMED} and is free again",
    ]
    (incident,) = noted
    assert (incident.cause, incident.seconds, incident.culprit) == (Cause.BLOCKED, 2.5, "send (mail.py:8)")
    assert incident.flights == (Flight("GET /mail", 1.0),)


def test_repeats_are_counted_and_all_noted(
    reporter: Reporter, noted: list[Incident], caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(8):
        whole(reporter, STALL)
    endings = [one.partition(NAMED)[2] for one in caplog.messages if "free again" in one]
    assert endings == [f" and is free again{more}" for more in ("", *(f" ({n} times by now)" for n in (2, 4, 8)))]
    assert len(caplog.messages) == 8
    assert len(noted) == 8


def test_starved_first_and_blocked_then_is_said_when_it_is_known(
    reporter: Reporter, noted: list[Incident], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="outlast")
    reporter.tell(Stall(Cause.STARVED, 1.0, None, None, ""))
    assert "not blocked" not in caplog.text, "it may turn out to be"
    whole(reporter, STALL)
    assert [one.levelname for one in caplog.records] == ["INFO", "WARNING", "WARNING"]
    assert [one.cause for one in noted] == [Cause.BLOCKED]


def test_what_stood_still_at_first_and_was_blocked_then_is_said_when_it_is_known(
    reporter: Reporter, noted: list[Incident], caplog: pytest.LogCaptureFixture
) -> None:
    reporter.tell(Stall(Cause.FROZEN, 1.0, SITE, None, ""))
    whole(reporter, STALL)
    assert [one.partition(NAMED)[0] for one in caplog.messages[1:]] == [
        "the event loop of web worker 7 has been blocked for 1.0 s ",
        "the event loop of web worker 7 was blocked for 2.5 s ",
    ]
    assert [one.cause for one in noted] == [Cause.BLOCKED]


@pytest.mark.slow
def test_a_hundred_thousand_culprits_do_not_fill_the_memory(silent_log: None) -> None:
    """All of their names would be 100 MB."""
    reporter = Reporter("web worker", 7, lambda _: None)
    for number in range(1000):
        whole(reporter, replace(STALL, site=replace(SITE, function=f"{number:01000}")))
    before = resident_bytes(os.getpid())
    for number in range(1000, 100_000):
        reporter.tell(replace(STALL, site=replace(SITE, function=f"{number:01000}"), is_over=True))
    assert resident_bytes(os.getpid()) - before < 20_000_000
