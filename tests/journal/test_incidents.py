"""What every engine has to do with incidents: deaths one by one, stalls of one culprit together, all of it short."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import apsw
import pytest

from outlast.errors import IncidentNotFound
from outlast.ids import shown
from outlast.journal.contract import Journal, ProcessEntry
from outlast.journal.read import IncidentCounts, IncidentRecord
from outlast.journal.sqlite.incidents import MOST_FLIGHTS, MOST_STACK
from outlast.journal.sqlite.journal import SqliteJournal
from outlast.journal.sqlite.opening import connect
from outlast.journal.turn import Retention
from outlast.journal.writer import Writer
from outlast.text import MOST_NAME
from outlast.watch.incident import Cause, Flight, Incident, IncidentKind
from tests.support.history import history_of
from tests.support.turns import CLOCK, at, prune

DAY = 86_400.0
STALL = Incident(
    kind=IncidentKind.STALL,
    cause=Cause.BLOCKED,
    process="web worker",
    pid=11,
    at=100.0,
    seconds=2.0,
    culprit="send_report (report.py:88)",
    sentence="send_report blocked the loop for 2.0 s",
    stack="  File …",
    flights=(Flight("GET /orders", 1.5), Flight("main:send", 3.0, task=77, lane="loop")),
)
DEATH = replace(STALL, kind=IncidentKind.DEATH, cause=Cause.MEMORY, sentence="out of memory")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    journal = SqliteJournal(f"sqlite:///{tmp_path}/journal.db", clock=CLOCK)
    yield journal
    journal.close()


def note(journal: Journal, *incidents: Incident, now: float = 200.0) -> None:
    at(now)
    with journal.transaction():
        journal.processes.note(incidents)


def listed(journal: SqliteJournal) -> list[IncidentRecord]:
    return history_of(journal.path).incidents()


def whole(journal: SqliteJournal) -> IncidentRecord:
    (one,) = listed(journal)
    return history_of(journal.path).incident(str(one.id))


def test_an_incident_is_kept_whole(journal: SqliteJournal) -> None:
    note(journal, STALL)
    found = whole(journal)
    assert (found.kind, found.cause, found.process, found.pid) == ("stall", "blocked", "web worker", 11)
    assert (found.first_at, found.last_at, found.times, found.seconds) == (100.0, 100.0, 1, 2.0)
    assert (found.culprit, found.sentence, found.stack) == (STALL.culprit, STALL.sentence, STALL.stack)
    assert found.machine == socket.gethostname()
    request, task = found.flights
    assert (request.name, request.seconds, request.task, request.lane) == ("GET /orders", 1.5, "", "")
    assert (task.name, task.seconds, task.task, task.lane) == ("main:send", 3.0, shown(77), "loop")


def test_every_death_stands_for_itself(journal: SqliteJournal) -> None:
    note(journal, DEATH, DEATH)
    note(journal, DEATH)
    assert [one.times for one in listed(journal)] == [1, 1, 1]


def test_stalls_of_one_culprit_are_counted_and_the_newest_is_told(journal: SqliteJournal) -> None:
    note(journal, replace(STALL, seconds=9.0))
    newer = replace(STALL, at=150.0, pid=12, sentence="again", stack="newer", flights=(), times=3)
    note(journal, newer)
    found = whole(journal)
    assert (found.first_at, found.last_at, found.times, found.seconds) == (100.0, 150.0, 4, 9.0)
    assert (found.pid, found.sentence, found.stack, [one.task for one in found.flights]) == (
        *(12, "again", "newer"),
        [shown(77)],
    ), "the task of the first time still finds it"


def test_a_stall_that_is_told_late_does_not_hide_the_newer_one(journal: SqliteJournal) -> None:
    note(journal, STALL)
    note(journal, replace(STALL, at=50.0, seconds=4.0, sentence="older", flights=()))
    found = whole(journal)
    assert (found.first_at, found.last_at, found.times, found.seconds) == (50.0, 100.0, 2, 4.0)
    assert (found.sentence, len(found.flights)) == (STALL.sentence, 2)


@pytest.mark.parametrize(
    "other",
    [
        replace(STALL, cause=Cause.HELD),
        replace(STALL, process="task process"),
        replace(STALL, culprit="somebody (else.py:1)"),
        DEATH,
    ],
    ids=["cause", "process", "culprit", "kind"],
)
def test_what_differs_is_not_counted_together(journal: SqliteJournal, other: Incident) -> None:
    note(journal, STALL, other)
    assert [one.times for one in listed(journal)] == [1, 1]


def test_stalls_of_another_machine_are_not_counted_with_ours(journal: SqliteJournal) -> None:
    note(journal, STALL)
    with journal.transaction():
        journal.connection.opened.execute("UPDATE incident SET machine = 'elsewhere'")
    note(journal, STALL)
    assert [one.times for one in listed(journal)] == [1, 1]


def test_stalls_that_nobody_is_named_for_stand_for_themselves(journal: SqliteJournal) -> None:
    nobody = replace(STALL, culprit="", cause=Cause.SATURATED)
    note(journal, nobody, nobody)
    assert [one.times for one in listed(journal)] == [1, 1]


@pytest.mark.parametrize(("later", "times"), [(DAY - 1, [2]), (DAY + 1, [1, 1])])
def test_after_a_day_a_new_record_begins(journal: SqliteJournal, later: float, times: list[int]) -> None:
    note(journal, STALL, now=100.0)
    note(journal, replace(STALL, at=100.0 + later), now=100.0 + later)
    assert [one.times for one in listed(journal)] == times


def test_the_newest_is_first_and_no_more_than_asked(journal: SqliteJournal) -> None:
    note(journal, *(replace(DEATH, at=at) for at in (3.0, 1.0, 2.0)))
    assert [one.last_at for one in history_of(journal.path).incidents(limit=2)] == [3.0, 2.0]


@pytest.mark.parametrize("unknown", ["2", "0", "-1", "x", "", "1.0", "９", "9" * 5000])
def test_what_is_not_there_is_not_found(journal: SqliteJournal, unknown: str) -> None:
    note(journal, DEATH)
    with pytest.raises(IncidentNotFound):
        history_of(journal.path).incident(unknown)


def test_the_incidents_of_the_last_day_are_counted(journal: SqliteJournal) -> None:
    note(journal, replace(STALL, at=DAY, times=11), replace(STALL, at=DAY, culprit=""), replace(DEATH, at=DAY))
    note(journal, replace(DEATH, at=1.0))
    assert history_of(journal.path).summary(DAY + 5.0).incidents == IncidentCounts(stalls=2, times=12, deaths=1)
    assert history_of(journal.path).summary(3 * DAY).incidents == IncidentCounts()


def test_a_task_knows_the_newest_incidents_it_was_in(journal: SqliteJournal) -> None:
    note(journal, *(replace(DEATH, at=float(at)) for at in range(1, 8)), replace(DEATH, at=9.0, flights=()))
    assert [one.last_at for one in history_of(journal.path).incidents_of(shown(77))] == [7.0, 6.0, 5.0, 4.0, 3.0]
    assert history_of(journal.path).incidents_of(shown(7)) == []


def test_incidents_past_keeping_are_forgotten(journal: SqliteJournal) -> None:
    url, keep = f"sqlite:///{journal.path}", Retention(done=1.0, count=1, failed=10.0)
    note(journal, *(replace(DEATH, at=float(at)) for at in range(1, 7)))
    assert prune(url, replace(keep, most=2), now=14.5) == 2, "no more at once than asked"
    assert prune(url, keep, now=14.5) == 2
    assert [one.last_at for one in listed(journal)] == [6.0, 5.0]


def test_of_incidents_the_newest_thousand_are_kept(journal: SqliteJournal) -> None:
    note(journal, *(replace(DEATH, at=float(at)) for at in range(1, 1001)))
    assert len(history_of(journal.path).incidents(limit=5000)) == 1000
    note(journal, *(replace(DEATH, at=float(at)) for at in range(1001, 1004)))
    assert [one.last_at for one in history_of(journal.path).incidents(limit=5000)] == list(range(1003, 3, -1))


def test_noise_is_stored_short_and_printable(journal: SqliteJournal) -> None:
    noise = "\x1b[31m\ud800\0\u202e\n" * 10_000
    flights = tuple(Flight(noise, float("nan"), task=-1, lane=noise) for _ in range(MOST_FLIGHTS + 1))
    death = replace(DEATH, sentence=noise, stack=noise, culprit=noise, process=noise, flights=flights)
    note(journal, replace(death, at=float("inf"), seconds=float("-inf"), pid=10**30, times=-3), now=200.0)
    found = whole(journal)
    assert (found.last_at, found.seconds, found.pid, found.times) == (200.0, 0.0, 0, 1)
    assert len(found.flights) == MOST_FLIGHTS
    texts = [found.sentence, found.culprit, found.process, found.flights[0].name, found.flights[0].lane]
    assert all(text.isprintable() for text in texts)
    assert all(letter.isprintable() or letter == "\n" for letter in found.stack)
    assert len(found.stack) <= MOST_STACK + 3
    assert "\\x1b[31m" in found.stack
    assert len(found.flights[0].name) <= MOST_NAME + 3
    assert (found.flights[0].seconds, found.flights[0].task) == (0.0, "")


@pytest.mark.parametrize(
    ("flights", "names"),
    [
        ("no JSON", []),
        ("{}", []),
        ('{"task": 77}', []),
        ("[" * 100_000, []),
        ('["text", 5, null, [77], {}]', [""]),
        ('[{"name": 5, "seconds": 1e999, "task": 1e30, "lane": []}]', [""]),
        ('[{"name": "\\u001b[2J\\nGET /", "seconds": -1, "task": 99999999999999999999999}]', ["\\x1b[2J\\nGET /"]),
        (f'[{{"name": "{"x" * 2_000_000}"}}]', []),
    ],
    ids=["text", "object", "flat", "deep", "mixed", "numbers", "terminal", "huge"],
)
def test_noise_in_the_journal_is_read_as_nothing(journal: SqliteJournal, flights: str, names: list[str]) -> None:
    note(journal, DEATH)
    spoil(journal.path, flights)
    found = whole(journal)
    assert [one.name for one in found.flights] == names
    assert all((one.seconds, one.task, one.lane) == (0.0, "", "") for one in found.flights)
    assert len(found.stack) <= MOST_STACK + 3
    assert history_of(journal.path).incidents_of(shown(77)) == []


def spoil(path: Path, flights: str) -> None:
    connection: apsw.Connection = connect(path, patience=1.0)
    connection.execute("UPDATE incident SET flights = ?, stack = ?", (flights, "s" * 1_000_000))
    connection.close()


def test_the_writer_notes_incidents_and_wakes_nobody(journal: SqliteJournal) -> None:
    woken: list[bool] = []
    writer = Writer(
        journal,
        lambda opened, known: opened.processes.enter(ProcessEntry("web", 1, "here", 1.0), known),
        lambda: woken.append(True),
    )
    now = replace(STALL, at=time.time())
    writer.store_now([now, replace(now, seconds=5.0)], deadline=10.0)
    writer.close()
    assert [(one.times, one.seconds) for one in listed(journal)] == [(2, 5.0)]
    assert woken == []
