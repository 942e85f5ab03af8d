"""The one loop that every thread of outlast's own runs in, and what it says."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from outlast.system.threads import BackOff, Complaints, OwnThread, started
from tests.support.servers import PATIENCE, eventually


@contextmanager
def without_threads() -> Iterator[None]:
    before = threading.stack_size(1 << 50)  # more than any system gives
    try:
        yield
    finally:
        threading.stack_size(before)


def test_work_that_fails_is_done_again_until_it_returns(caplog: pytest.LogCaptureFixture) -> None:
    tries: list[int] = []

    def work() -> None:
        tries.append(1)
        if len(tries) < 4:
            raise SystemExit(tries)

    thread = OwnThread("outlast-test", work)
    thread.start()
    eventually(lambda: not thread.is_alive, "it ends")
    assert len(tries) == 4
    assert caplog.text.count("thread outlast-test has met an error that outlast did not foresee") == 1
    assert caplog.text.count("Traceback") == 1


def test_a_thread_goes_on_although_its_error_cannot_even_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_record: logging.LogRecord) -> bool:
        raise RuntimeError("a filter of the user's")

    tries: list[int] = []

    def work() -> None:
        tries.append(1)
        if len(tries) < 3:
            raise ValueError

    monkeypatch.setattr(logging.getLogger("outlast"), "filters", [refuse])
    thread = OwnThread("outlast-test", work)
    thread.start()
    eventually(lambda: not thread.is_alive and len(tries) == 3, "it ends in its own time")


def test_who_gives_up_is_asked_to_once_with_the_error_in_one_line() -> None:
    said: list[str] = []

    def give_up(error: str) -> None:
        said.append(error)
        thread._has_ended = True  # as the end of the process would have it

    def work() -> None:
        raise ValueError("first\nsecond")

    thread = OwnThread("outlast-test", work, give_up)
    thread.start()
    eventually(lambda: not thread.is_alive, "it ends")
    assert said == ["ValueError: first\\nsecond"]


def test_a_thread_that_the_system_does_not_give_is_told_and_can_be_started_later() -> None:
    ran = threading.Event()
    thread = OwnThread("outlast-test", ran.set)
    with without_threads():
        assert started(thread) == "RuntimeError: can't start new thread"
        assert not thread.is_alive
    assert not started(thread)
    assert ran.wait(10 * PATIENCE)


def test_a_thread_that_is_needed_gives_up_when_the_system_does_not_give_it() -> None:
    said: list[str] = []
    with without_threads():
        OwnThread("outlast-test", said.clear, said.append).start()
    assert said == ["RuntimeError: can't start new thread"]


def test_each_kind_of_error_is_told_once_then_counted(caplog: pytest.LogCaptureFixture) -> None:
    complaints = Complaints("somebody")
    for number in range(100):
        complaints.say(raised_by(lambda number=number: int(f"no {number}")), "it goes on")  # type: ignore[misc]
    complaints.say(raised_by([].pop), "it goes on")
    first, tenth, hundredth, other = (record.getMessage() for record in caplog.records)
    assert first.startswith("somebody has met an error that outlast did not foresee: ValueError: invalid literal")
    assert "(10 times by now): ValueError: " in tenth
    assert "(100 times by now): ValueError: " in hundredth
    assert str(caplog.records[0].exc_text).startswith("Traceback")
    assert "Traceback" not in tenth
    assert "IndexError" in other


def raised_by(call: Callable[[], object]) -> Exception:
    with pytest.raises(Exception) as raised:
        call()
    return raised.value


def test_pauses_get_longer_and_are_short_again_after_a_success() -> None:
    pauses = BackOff(first=1.0, longest=3.0)
    assert [pauses.next() for _ in range(4)] == [1.0, 2.0, 3.0, 3.0]
    pauses.reset()
    assert pauses.next() == 1.0
