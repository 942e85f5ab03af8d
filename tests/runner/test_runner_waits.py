"""What the runner waits for, and for how long at most."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from outlast.errors import JournalBusy, StoreFailed
from outlast.runner.reaping import Copied, exit_status
from outlast.runner.refusal import FIRST_PAUSE, LONGEST_PAUSE, WORTH_SAYING, Refusal
from tests.support.servers import PATIENCE


class Unkillable(Copied):
    """As a process in uninterruptible sleep, which SIGKILL does not end."""

    def wait(self, timeout: float) -> int:
        raise subprocess.TimeoutExpired("it", timeout)


def test_a_killed_process_that_does_not_end_is_not_waited_for() -> None:
    assert exit_status(Unkillable(1)) == -signal.SIGKILL


def test_how_a_process_has_ended_is_known() -> None:
    program = [sys.executable, "-c", "raise SystemExit(7)"]
    assert subprocess.Popen(program).wait(20 * PATIENCE) == exit_status_of_copy(program) == 7


def exit_status_of_copy(program: list[str]) -> int:
    process = subprocess.Popen(program)
    status = Copied(process.pid).wait(20 * PATIENCE)
    process.returncode = status
    return status


def test_a_copy_that_lives_is_waited_for_no_longer_than_asked() -> None:
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    with pytest.raises(subprocess.TimeoutExpired):
        Copied(process.pid).wait(0.0)
    process.kill()
    process.wait(20 * PATIENCE)


class Clock:
    """The time of a test."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("outlast.runner.refusal.time", clock)
    return clock


def test_who_is_kept_out_by_others_tries_soon_and_then_less_often(clock: Clock) -> None:
    refusal, busy = Refusal(), JournalBusy("it is locked")
    pauses = [refusal.next_try(busy, {}) - clock.now for _ in range(6)]
    assert [round(one / FIRST_PAUSE) for one in pauses] == [1, 2, 4, 8, 10, 10]
    refusal.end()
    assert round((refusal.next_try(busy, {}) - clock.now) / FIRST_PAUSE) == 1


def test_being_kept_out_is_said_once_when_it_lasts(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    refusal, busy = Refusal(), JournalBusy("it is locked")
    refusal.next_try(busy, {})
    assert not caplog.records
    for _ in range(3):
        clock.now += WORTH_SAYING + 0.1
        refusal.next_try(busy, {})
    assert [record.getMessage().partition(";")[0] for record in caplog.records] == ["it is locked"]


def test_any_other_refusal_is_said_at_once_and_again_when_it_is_another(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    refusal = Refusal()
    for why in ("it is full", "it is full", "it is read-only"):
        assert refusal.next_try(StoreFailed(why), {}) == clock.now + LONGEST_PAUSE
    assert [record.getMessage().partition(";")[0] for record in caplog.records] == ["it is full", "it is read-only"]
