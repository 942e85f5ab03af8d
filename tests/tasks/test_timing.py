"""When schedules tick: by cron text in a zone, over both changes of its clocks, and every so many seconds."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from outlast.errors import OptionError
from outlast.tasks.timing import Timing, timing

BERLIN = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 11, 27, 12, 30, 15, tzinfo=UTC).timestamp()
CRONS = ("* * * * *", "*/5 * * * *", "0 6 * * mon-fri", "30 2 * * *", "15,45 1-3 * * *", "0 0 29 2 *", "59 23 L * *")


def berlin(*moment: int, fold: int = 0) -> float:
    return datetime(*moment, tzinfo=BERLIN, fold=fold).timestamp()  # type: ignore[misc, arg-type]


def ticks(when: Timing, at: float, count: int) -> list[float]:
    found: list[float] = []
    for _ in range(count):
        at = when.after(at) or 0.0
        found.append(at)
    return found


def in_berlin(found: list[float]) -> list[str]:
    return [datetime.fromtimestamp(tick, BERLIN).strftime("%d %H:%M %Z") for tick in found]


def test_cron_text_is_read_in_its_zone() -> None:
    when = timing("0 6 * * mon-fri", None, "Europe/Berlin")
    assert in_berlin(ticks(when, berlin(2026, 11, 27, 6), 2)) == ["30 06:00 CET", "01 06:00 CET"]
    assert timing("0 6 * * *", None).after(NOW) == datetime(2026, 11, 28, 6, tzinfo=UTC).timestamp()


def test_a_moment_right_before_a_tick_is_before_it() -> None:
    tick = float(round(NOW))
    assert timing("* * * * * *", None).after(math.nextafter(tick, 0)) == tick


def test_a_tick_in_an_hour_that_is_left_out_comes_right_behind_it() -> None:
    when = timing("30 2 * * *", None, "Europe/Berlin")
    found = ticks(when, berlin(2026, 3, 28, 12), 2)
    assert in_berlin(found) == ["29 03:00 CEST", "30 02:30 CEST"]
    hourly = ticks(timing("0 * * * *", None, "Europe/Berlin"), berlin(2026, 3, 29, 0, 30), 3)
    assert in_berlin(hourly) == ["29 01:00 CET", "29 03:00 CEST", "29 04:00 CEST"]


def test_a_tick_in_an_hour_that_is_there_twice_comes_once() -> None:
    when = timing("30 2 * * *", None, "Europe/Berlin")
    found = ticks(when, berlin(2026, 10, 24, 12), 2)
    assert in_berlin(found) == ["25 02:30 CEST", "26 02:30 CET"]
    second_hour = berlin(2026, 10, 25, 2, 15, fold=1)
    assert in_berlin(ticks(when, second_hour, 1)) == ["26 02:30 CET"], "that of the first hour is over"
    assert in_berlin(when.newest(found[0] - 86_400, second_hour, 1)) == ["25 02:30 CEST"]


def test_what_ticks_in_any_hour_goes_on_in_both() -> None:
    found = ticks(timing("*/30 * * * *", None, "Europe/Berlin"), berlin(2026, 10, 25, 1, 45), 5)
    assert in_berlin(found) == ["25 02:00 CEST", "25 02:30 CEST", "25 02:00 CET", "25 02:30 CET", "25 03:00 CET"]
    assert {later - earlier for earlier, later in pairwise(found)} == {1800.0}


@given(st.floats(0, 4e9), st.floats(1, 1e7))
def test_every_so_many_seconds_is_at_multiples_and_behind_now(at: float, seconds: float) -> None:
    when = timing(None, seconds)
    found = when.after(at)
    assert found is not None
    assert at < found <= at + seconds * 1.000001
    assert round(found / seconds) * seconds == found
    assert when.newest(found, found, 5) == [found]


@given(st.sampled_from(CRONS), st.sampled_from(("UTC", "Europe/Berlin", "America/New_York")), st.floats(1e9, 3e9))
def test_the_tick_after_now_is_the_first_and_the_newest_until_then(cron: str, tz: str, at: float) -> None:
    when = timing(cron, None, tz)
    found = when.after(at)
    assert found is not None
    assert found > at
    assert when.newest(found, found, 3) == [found]
    assert when.after(found - 0.5) == found


def test_the_newest_of_very_many_are_found_without_a_walk_over_all() -> None:
    when = timing("* * * * *", None, "Europe/Berlin")
    found = when.newest(NOW - 20 * 365 * 86_400, NOW, 1000)
    assert (len(found), found[-1]) == (1000, NOW - 15)
    assert {later - earlier for earlier, later in pairwise(found)} == {60.0}
    yearly = timing("0 0 1 1 *", None)
    assert yearly.newest(0.0, NOW, 1) == [datetime(2026, 1, 1, tzinfo=UTC).timestamp()]
    assert yearly.newest(NOW - 60, NOW, 1) == []


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ((None, None), "say when"),
        (("* * * * *", 5), "say when"),
        (("0 6 * *", None), "cannot be read"),
        (("0 6 * * mondays", None), "cannot be read"),
        (("0 0 31 2 *", None), "cannot be read|never comes to pass"),
        (("0 0 30 2 mon", None), "^$"),
        (("x" * 300, None), "at most 200"),
        (("* * * * *", None, "Europe/Atlantis"), "no time zone"),
        (("* * * * *", None, "../../etc/passwd"), "no time zone"),
        ((None, 30, "Europe/Berlin"), "'tz' is the zone of cron text"),
        ((None, 0.5), "at least 1"),
        ((None, True), "number of seconds"),
    ],
)
def test_what_is_no_time_is_an_error_where_it_is_written(given: tuple[Any, ...], why: str) -> None:
    if why == "^$":
        assert timing(*given).after(NOW)
        return
    with pytest.raises(OptionError, match=why):
        timing(*given)


@pytest.mark.parametrize("when", [timing("0 6 * * *", None, "Europe/Berlin"), timing(None, timedelta(minutes=5))])
def test_a_timing_comes_back_from_its_text(when: Timing) -> None:
    assert Timing.read(when.text()) == when


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", "{}", '{"cron": 5, "tz": "UTC", "seconds": 0}', '{"cron": "x", "tz": "UTC"}'),
        f'{{"cron": "", "tz": "UTC", "seconds": {10**400}}}',
    ],
)
def test_text_that_is_no_timing_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Timing.read(text)


def test_words_for_people() -> None:
    assert timing(None, 90).words() == "every 90 s"
    assert timing("0 6 * * mon-fri", None, "Europe/Berlin").words().endswith("(Europe/Berlin)")
