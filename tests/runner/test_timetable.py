"""What a runner does about schedules, whatever stands in their rows: it is said, and the others tick."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outlast.journal.engines import open_history, open_journal
from outlast.journal.schedules import Adopted, Declared, Tick
from outlast.journal.turn import RunnersJournal
from outlast.runner.ledger import Ledger, turn_of
from outlast.runner.policy import Policy
from outlast.runner.timetable import Timetable
from outlast.system.deployment import Deployment
from outlast.tasks.schedules import Blueprint, Missed, Schedule
from outlast.tasks.task import Lane
from outlast.tasks.timing import timing

OLD, NEW = Deployment(("main:app",), "old", "/old", 1.0), Deployment(("main:app",), "new", "/new", 2.0)
GOOD = Schedule("good", timing(None, 60), Missed.ONCE, Blueprint("main:nightly", "{}", Lane.LOOP))
ODD_TEXTS = st.one_of(
    st.text(max_size=50),
    st.sampled_from(["", "[]", "null", "{}", "[" * 5000, "1e999", GOOD.timing.text(), GOOD.blueprint.text()]),
    st.builds(
        lambda cron, tz, seconds: json.dumps({"cron": cron, "tz": tz, "seconds": seconds}),
        st.one_of(
            st.text("0123456789*/-,L# ", max_size=20), st.sampled_from(["* * * * *", "0 0 29 2 *", "* * * * * *"])
        ),
        st.sampled_from(["UTC", "Europe/Berlin", "Nowhere", "/etc/passwd", "../x", ""]),
        st.one_of(st.none(), st.floats(), st.integers(), st.just(10**400), st.text(max_size=3)),
    ),
)
ODD_TIMES = st.one_of(st.none(), st.floats(allow_nan=False), st.floats(0, 4e9))


@dataclass
class Pool:
    deployment: Deployment
    is_alive: bool = True


@dataclass
class Pools:
    """As far as the timetable looks at them."""

    all: list[Pool] = field(default_factory=lambda: [Pool(OLD)])
    others_may_come: bool = False


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[RunnersJournal]:
    with closing(open_journal(f"sqlite:///{tmp_path / 'journal.db'}")) as journal:
        yield journal


class Runner:
    """The part of one that has to do with schedules."""

    def __init__(self, journal: RunnersJournal, pools: Pools) -> None:
        self.ledger = Ledger(Policy())
        self.pools = cast("Any", pools)
        self.timetable = Timetable(journal, self.pools, self.ledger)
        self._journal = journal

    def look(self) -> list[Any]:
        """What comes of it, which is stored then."""
        self.timetable.look(time.monotonic())
        page = self.ledger.page
        self._journal.turn(turn_of(page, 7, None))
        self.ledger.strike(page)
        return list(page)


def declare(journal: RunnersJournal, deployment: Deployment, *schedules: Schedule) -> None:
    with journal.transaction():
        journal.schedules.declare(Declared(schedules), deployment.home)


def states(journal: RunnersJournal) -> dict[str, str]:
    found = open_history(f"sqlite:///{journal.path}").schedules()  # type: ignore[attr-defined]
    return {one.name: one.state for one in found}


def named(name: str) -> Schedule:
    return Schedule(name, GOOD.timing, GOOD.missed, GOOD.blueprint)


def test_what_the_code_declares_is_adopted_once_and_its_first_tick_worked_out(journal: RunnersJournal) -> None:
    runner = Runner(journal, Pools())
    assert (runner.look(), runner.timetable.await_tick(0.0)) == ([], float("inf")), "nobody has any"
    declare(journal, OLD, GOOD)
    (adopted,) = runner.look()
    assert adopted == Adopted(OLD.home, [GOOD])
    (tick,) = runner.look()
    assert (tick.runs, tick.next_at % 60, tick.next_at > time.time()) == ([], 0.0, True)
    assert runner.look() == []
    assert 0 < runner.timetable.await_tick(time.monotonic()) <= 60
    assert Runner(journal, Pools()).look() == [adopted], "another runner does it again, which changes nothing"
    assert runner.look() == []


def test_the_newest_that_is_there_says_what_there_is(journal: RunnersJournal) -> None:
    pools = Pools([Pool(OLD), Pool(NEW)])
    runner = Runner(journal, pools)
    declare(journal, NEW, named("of the new"), named("of both"))
    runner.look()
    declare(journal, OLD, named("of the old"), named("of both"))
    runner.look()
    assert states(journal) == {"of the new": "ticking", "of both": "ticking"}
    pools.all[1].is_alive = False
    runner.look()
    assert states(journal) == {"of the new": "retired", "of both": "ticking", "of the old": "ticking"}


def test_as_long_as_somebody_has_not_said_which_code_he_has_nothing_is_adopted(journal: RunnersJournal) -> None:
    pools = Pools(others_may_come=True)
    runner = Runner(journal, pools)
    declare(journal, OLD, GOOD)
    assert runner.look() == []
    pools.others_may_come = False
    assert runner.look() == [Adopted(OLD.home, [GOOD])]


def test_schedules_of_an_app_that_nobody_serves_wait_for_it(journal: RunnersJournal) -> None:
    declare(journal, OLD, GOOD)
    runner = Runner(journal, Pools())
    runner.look()
    elsewhere = Runner(journal, Pools([Pool(Deployment(("admin:app",), "1", "/admin", 3.0))]))
    assert elsewhere.look() == []
    assert len(runner.look()) == 1


def test_a_declaration_that_cannot_be_read_takes_nothing_along(
    journal: RunnersJournal, caplog: pytest.LogCaptureFixture
) -> None:
    declare(journal, OLD, GOOD, named("broken"))
    with closing(apsw.Connection(str(journal.path))) as connection:  # type: ignore[attr-defined]
        (text,) = connection.execute("SELECT schedules FROM declaration").fetchone() or ("",)
        rows = json.loads(str(text))
        rows[1][1] = "{}"
        connection.execute("UPDATE declaration SET schedules = ?", (json.dumps(rows),))
    assert Runner(journal, Pools()).look() == [Adopted(OLD.home, [GOOD])]
    assert "schedule broken never runs: not a timing" in caplog.text


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(
    st.tuples(ODD_TEXTS, st.sampled_from(["once", "all", "none", "never"]), ODD_TEXTS),
    st.tuples(ODD_TIMES, ODD_TIMES, ODD_TIMES),
)
def test_whatever_stands_in_a_row_the_others_tick(
    journal: RunnersJournal, texts: tuple[str, ...], times: tuple[float | None, ...]
) -> None:
    runner = Runner(journal, Pools())
    declare(journal, OLD, GOOD, named("odd"))
    with closing(apsw.Connection(str(journal.path))) as connection:  # type: ignore[attr-defined]
        connection.execute("DELETE FROM schedule")
        for _ in range(3):
            runner.look()
        put = "timing = ?, missed = ?, blueprint = ?, next_at = ?, seen_at = ?, last_at = ?"
        connection.execute(f"UPDATE schedule SET {put} WHERE name = 'odd'", (*map(storable, texts), *times))  # noqa: S608
        connection.execute("UPDATE schedule SET next_at = 60 WHERE name = 'good'")
        connection.execute("UPDATE declaration SET revision = 0")
    changes = runner.look()
    ticked = [one for one in changes if isinstance(one, Tick) and one.runs]
    assert any(one.before == 60.0 for one in ticked)


def storable(text: str) -> str:
    return text.encode(errors="surrogatepass").decode(errors="replace")
