"""The table of what becomes of a task, row by row."""

from __future__ import annotations

import asyncio

import pytest
from starlette.requests import ClientDisconnect

from outlast.events.requests import CLIENT_LEFT_INLINE, NEVER_SENT, OWN_BACKGROUND, TOO_LATE
from outlast.web.fate import (
    NOTHING,
    RELEASE,
    RUN_INLINE,
    Ended,
    Ending,
    Fate,
    TaskSeen,
    Verdict,
    fate,
)
from tests.web.cases import REPLACED

RETURNED = Ending(Ended.RETURNED, 200)
RAISED = Ending(Ended.RAISED, 200, "ValueError: x")
LEFT = Ending(Ended.LEFT, 200, "its client left")
CANCELLED = Ending(Ended.CANCELLED, 200, "its request was cancelled")
FAILED = "its request failed with ValueError: x"


def drop(reason: str) -> Fate:
    return Fate(Verdict.DROP, reason)


def record(reason: str) -> Fate:
    return Fate(Verdict.RECORD, reason)


@pytest.mark.parametrize(
    ("task", "ending", "decision"),
    [
        (TaskSeen(held=True, called=True), RETURNED, RELEASE),
        (TaskSeen(held=True, promised=True), RETURNED, RELEASE),
        (TaskSeen(held=True), RETURNED, drop(NEVER_SENT)),
        (TaskSeen(held=True, late=True), RETURNED, drop(TOO_LATE)),
        (TaskSeen(held=True, called=True), RAISED, drop(FAILED)),
        (TaskSeen(held=True, promised=True), RAISED, drop(FAILED)),
        (TaskSeen(held=True), LEFT, RELEASE),
        (TaskSeen(held=True), CANCELLED, RELEASE),
        (TaskSeen(held=True, inline=True, promised=True), RETURNED, RUN_INLINE),
        (TaskSeen(held=True, inline=True), RETURNED, drop(NEVER_SENT)),
        (TaskSeen(held=True, inline=True), RAISED, drop(FAILED)),
        (TaskSeen(held=True, inline=True), LEFT, RUN_INLINE),
        (TaskSeen(held=True, inline=True), CANCELLED, drop(CLIENT_LEFT_INLINE)),
        (TaskSeen(held=True, over=True), RAISED, NOTHING),
        (TaskSeen(held=False, over=True), RETURNED, NOTHING),
        (TaskSeen(held=False, lost="given up"), RETURNED, record("given up")),
        (TaskSeen(held=False), RAISED, record(FAILED)),
        (TaskSeen(held=False, other_background_sent=True), RETURNED, record(OWN_BACKGROUND)),
        (
            TaskSeen(held=False),
            Ending(Ended.RETURNED, 418),
            record(REPLACED.format(418)),
        ),
        (
            TaskSeen(held=False),
            Ending(Ended.RETURNED, 200),
            record("the response that answered its request (200) does not carry it (FastAPI drops it, too)"),
        ),
        (
            TaskSeen(held=False),
            Ending(Ended.CANCELLED, 0, "its request was cancelled"),
            record("its request was cancelled before a response was started"),
        ),
        (
            TaskSeen(held=False),
            Ending(Ended.RETURNED, 0),
            record("its request ended before a response was started"),
        ),
    ],
)
def test_fate(task: TaskSeen, ending: Ending, decision: Fate) -> None:
    assert fate(task, ending) == decision


GONE = OSError("broken pipe")


def caught(cause: BaseException) -> RuntimeError:
    """What Starlette makes of an exception that comes when the response has started."""
    error = RuntimeError("Caught handled exception, but response already started.")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "ended", "what"),
    [
        (None, Ended.RETURNED, ""),
        (ValueError("x\ny"), Ended.RAISED, "ValueError: x"),
        (ValueError(), Ended.RAISED, "ValueError"),
        (caught(ValueError("x")), Ended.RAISED, "ValueError: x"),
        (RuntimeError("own"), Ended.RAISED, "RuntimeError: own"),
        (ClientDisconnect(), Ended.LEFT, "its client left"),
        (caught(ClientDisconnect()), Ended.LEFT, "its client left"),
        (GONE, Ended.LEFT, "its client left"),
        (OSError("no such file"), Ended.RAISED, "OSError: no such file"),
        (asyncio.CancelledError(), Ended.CANCELLED, "its request was cancelled"),
        (KeyboardInterrupt(), Ended.CANCELLED, "its request was cancelled"),
    ],
    ids=repr,
)
def test_ending(error: BaseException | None, ended: Ended, what: str) -> None:
    assert Ending.of(error, GONE, 200) == Ending(ended, 200, what)
