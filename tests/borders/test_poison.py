"""A value that no journal can take costs its own task; a row that cannot be read, too."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import apsw
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outlast.errors import JournalUnusable, StoreFailed, TaskRefused
from outlast.ids import shown
from outlast.journal import submissions
from outlast.journal.contract import Change, Drop, ProcessEntry, Release
from outlast.journal.sqlite.journal import SqliteJournal
from outlast.journal.sqlite.opening import is_damaged
from outlast.journal.turn import Burial, Gone, Learned, Turn
from outlast.journal.writer import Writer
from outlast.runner import ledger
from outlast.runner.ledger import Ended, Ledger, turn_of
from outlast.runner.pen import Pen
from outlast.runner.policy import Policy
from outlast.runner.presence import Presence
from outlast.system.liveness import Liveness
from outlast.system.place import Place
from outlast.tasks.ids import TaskIds
from outlast.tasks.task import End, Lane, NewTask, Settlement, State
from outlast.watch.incident import Cause, Flight, Incident, IncidentKind
from tests.borders.odd import NOISE, TEXTS
from tests.support.history import history_of
from tests.support.servers import eventually
from tests.support.turns import claim

IDS = TaskIds()
NOBODY: Any = None
TOO_LARGE = 2**70  # for a column
INCIDENT = Incident(IncidentKind.STALL, Cause.BLOCKED, "web worker", 1, 1.0, 1.0, "it", "it blocks")


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[SqliteJournal]:
    journal = SqliteJournal(f"sqlite:///{tmp_path}/journal.db")
    yield journal
    journal.close()


@pytest.fixture
def runner(journal: SqliteJournal) -> int:
    with journal.transaction():
        return journal.processes.enter(ProcessEntry("runner", 1, "here", 1.0))


def task(state: State = State.WAITING, **changes: Any) -> NewTask:
    return NewTask(IDS.next(), "app:f", "{}", Lane.LOOP, state, 1.0, "GET /")._replace(**changes)


def add(journal: SqliteJournal, owner: int, *tasks: NewTask) -> list[int]:
    with journal.transaction():
        journal.tasks.add(tasks, owner)
    return [one.id for one in tasks]


def state_of(journal: SqliteJournal, number: int) -> str:
    return history_of(journal.path).task(shown(number)).state


def reason_of(journal: SqliteJournal, number: int) -> str:
    return history_of(journal.path).task(shown(number)).reason


@given(texts=st.lists(TEXTS, min_size=12, max_size=12))
@settings(max_examples=25, suppress_health_check=list(HealthCheck))
def test_words_through_every_verb_are_stored(journal: SqliteJournal, texts: list[str]) -> None:
    name, origin, reason, trace, how, kind, machine, function, sentence, culprit, stack, flight = texts
    incident = Incident(
        IncidentKind.DEATH, Cause.EXIT, kind, 1, 1.0, 0.0, culprit, sentence, stack, (Flight(flight, 1.0),)
    )
    held, inline = task(State.HELD, origin=origin), task(State.HELD, arguments=None, lane=Lane.INLINE, function=name)
    with journal.transaction():
        me = journal.processes.enter(ProcessEntry(kind, 1, machine, 1.0))
        journal.tasks.add([held, inline, task(origin=origin)], me)
        journal.tasks.drop([Drop(held.id, reason)])
        journal.attempts.begin([inline.id], me)
        journal.attempts.settle([Settlement(inline.id, 1, End.ERROR, State.FAILED, reason, trace)])
        journal.processes.note([incident])
    journal.turn(Turn(me, learned=[Learned(function, name, 1.0)], happened=[incident], gone=[Gone(me, how)]))
    with closing(apsw.Connection(str(journal.path))) as connection:
        for table in ("task", "event", "process", "incident", "function"):
            connection.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608 - text that is none raises here
    history = history_of(journal.path)
    record = history.task(shown(inline.id))
    for text in (record.function, record.origin, *history.summary(5.0).blockers):
        assert text.isprintable()


def test_what_decides_how_a_task_runs_is_stored_as_it_is_or_refused(journal: SqliteJournal, runner: int) -> None:
    odd = '{"text":"é\u202e\U0001f600\\u0000\\ud800"}'
    add(journal, runner, task(arguments=odd))
    (claimed,) = claim(journal, runner)
    assert claimed.arguments == odd
    poisons = {"function": "app:\ud800"}, {"function": "app:\0"}, {"arguments": '"\udce9"'}, {"follows": TOO_LARGE}
    for poison in poisons:
        with pytest.raises(TaskRefused):
            add(journal, runner, task(**poison))


def test_rows_that_cannot_be_read_end_their_own_tasks(
    journal: SqliteJournal, runner: int, caplog: pytest.LogCaptureFixture
) -> None:
    good, noise, lane, arguments = add(journal, runner, *(task() for _ in range(4)))
    held = add(journal, runner, task(State.HELD))[0]
    with closing(apsw.Connection(str(journal.path))) as connection:
        connection.execute("UPDATE task SET function = CAST(x'ff00fe' AS TEXT) WHERE id = ?", (noise,))
        connection.execute("UPDATE task SET origin = CAST(x'ff' AS TEXT) WHERE id = ?", (noise,))
        connection.execute("UPDATE task SET calling = 'nowhere' WHERE id = ?", (lane,))
        connection.execute("UPDATE task SET arguments = CAST(x'80' AS TEXT) WHERE id = ?", (arguments,))
        connection.execute("UPDATE task SET lane = CAST(x'80' AS TEXT) WHERE id = ?", (held,))
    assert len(history_of(journal.path).tasks()) == 5, "people see them all"
    assert [one.id for one in claim(journal, runner)] == [good]
    journal.turn(Turn(0, burials=[Burial(runner, "never ran", "cut")]))
    for number, state in ((noise, "failed"), (lane, "failed"), (arguments, "failed"), (held, "dropped")):
        assert (state_of(journal, number), reason_of(journal, number)[:18]) == (state, "could not be read:")
    assert len(caplog.records) == 4
    assert "damaged" not in caplog.text


def test_a_file_is_damaged_when_sqlite_says_so(journal: SqliteJournal, runner: int) -> None:
    add(journal, runner, *(task() for _ in range(500)))
    journal.close()
    with closing(apsw.Connection(str(journal.path))) as connection:
        assert not is_damaged(connection)
    data = bytearray(journal.path.read_bytes())
    data[8 * 4096 : 12 * 4096] = b"\xa5" * 4 * 4096
    journal.path.write_bytes(data)
    with closing(apsw.Connection(str(journal.path))) as connection:
        assert is_damaged(connection)


@pytest.fixture
def writer(journal: SqliteJournal) -> Iterator[Writer]:
    writer = Writer(
        journal, lambda one, known: one.processes.enter(ProcessEntry("web", 1, "here", 1.0), known), lambda: None
    )
    yield writer
    writer.close()


def test_a_refused_change_is_set_aside_and_all_others_are_stored(
    journal: SqliteJournal, writer: Writer, caplog: pytest.LogCaptureFixture
) -> None:
    held, late, poison = task(State.HELD), task(State.HELD), task(State.HELD, follows=TOO_LARGE)
    inline = task(State.HELD, arguments=None, lane=Lane.INLINE)
    writer.store_now([held, inline], 5)
    odd_end = Settlement(inline.id, 1, End.ERROR, State.FAILED, "it", group_size=TOO_LARGE)
    changes: list[Change] = [poison, late, Release(held.id), replace(INCIDENT, pid=5), odd_end]
    writer.store_soon([*changes, Release(TOO_LARGE), Drop(TOO_LARGE, "x")])
    writer.store_now([task()], 5)
    eventually(lambda: writer.waiting == 0, "all is written")
    assert state_of(journal, poison.id) == "dropped"
    assert reason_of(journal, poison.id).startswith("could not be stored: ")
    assert (state_of(journal, late.id), state_of(journal, held.id)) == ("held", "waiting")
    assert "is set aside, all others are stored" in caplog.text
    assert "damaged" not in caplog.text


def test_what_is_said_of_a_task_whose_id_is_taken_is_not_done_to_the_other_one(
    journal: SqliteJournal, writer: Writer
) -> None:
    theirs, ours = task(State.HELD), task(State.HELD)
    writer.store_now([theirs], 5)
    writer.store_soon([theirs._replace(function="app:g"), Drop(theirs.id, "never sent"), ours])
    eventually(lambda: writer.waiting == 0, "all is written")
    assert (state_of(journal, theirs.id), state_of(journal, ours.id)) == ("held", "held")


def test_who_waits_is_told_and_the_others_of_the_batch_are_stored(writer: Writer) -> None:
    async def three() -> list[Any]:
        given = [task(), task(follows=TOO_LARGE), task()]
        return await asyncio.gather(*(writer.store([one], 5) for one in given), return_exceptions=True)

    first, poison, last = asyncio.run(three())
    assert (first, last) == ({}, {})
    assert isinstance(poison, TaskRefused)


class Refusing:
    """A journal that takes nothing for as long as it is told to."""

    def __init__(self, journal: SqliteJournal) -> None:
        self.journal = journal
        self.refuses = True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.journal, name)

    def transaction(self) -> Any:
        if self.refuses:
            raise StoreFailed("the disk is full")
        return self.journal.transaction()


def test_a_backlog_is_bounded_and_says_so(
    journal: SqliteJournal, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(submissions, "MOST_WAITING", 10)
    refusing = Refusing(journal)
    told: list[int] = []
    enter = lambda one, known: one.processes.enter(ProcessEntry("web", 1, "here", 1.0), known)  # noqa: E731
    writer = Writer(refusing, enter, lambda: None, told.append)
    for _ in range(10):
        writer.store_soon([Drop(1, "x")])
    assert writer.waiting == 10
    with pytest.raises(StoreFailed, match="the writer has 10 changes waiting"):
        writer.store_now([task()], 5)
    writer.store_soon([INCIDENT, task(), Release(1)])
    writer.store_soon([INCIDENT])
    assert writer.waiting == 11, "what ends or moves a task is kept"
    assert "1 incident and 1 task not taken" in caplog.text
    refusing.refuses = False
    eventually(lambda: writer.waiting == 0, "it is written when the journal takes it")
    assert told[0] > 0 and told[-1] == 0, "the runner is told"
    writer.store_now([task()], 5)
    writer.close()


def test_an_outage_leaves_nothing_behind_of_what_was_refused(journal: SqliteJournal) -> None:
    refusing = Refusing(journal)
    writer = Writer(
        refusing, lambda one, known: one.processes.enter(ProcessEntry("web", 1, "here", 1.0), known), lambda: None
    )
    for _ in range(5):
        with pytest.raises(StoreFailed):
            writer.store_now([task(State.HELD)], 5)
    assert writer.waiting == 0
    writer.close()


def ended(attempt: Any, **changes: Any) -> Ended:
    settlement = Settlement(attempt.id, attempt.attempt, End.DONE, State.DONE)
    return Ended(settlement._replace(**changes), attempt)


def pen_of(journal: SqliteJournal, book: Ledger) -> Pen:
    """Of a runner that serves nobody."""
    presence = Presence(journal, Liveness(Place.of(journal.path)))
    presence.arrive()
    return Pen(journal, book, presence, NOBODY, NOBODY)


def test_the_ledger_sets_a_refused_entry_aside_and_writes_the_others(
    journal: SqliteJournal, runner: int, caplog: pytest.LogCaptureFixture
) -> None:
    ids = add(journal, runner, *(task() for _ in range(5)))
    attempts = claim(journal, runner)
    book = Ledger(Policy())
    for attempt in attempts:
        poison = {"group_size": TOO_LARGE, "end": End.ERROR, "state": State.FAILED} if attempt.id == ids[2] else {}
        book.add(ended(attempt, **poison))
    book.add(Gone(TOO_LARGE, NOISE))
    book.learn(Learned("app:f", "c", 1.0))
    book.learn(Learned("app:f", "c", 2.0))
    book.add_incidents([INCIDENT])
    with pytest.raises(TaskRefused):
        journal.turn(turn_of(book.page, runner, None))
    pen_of(journal, book).write(NOBODY, NOBODY, 0.0, serves=False)
    assert not book
    assert [state_of(journal, one) for one in ids] == ["done", "done", "failed", "done", "done"]
    assert reason_of(journal, ids[2]).startswith("could not be stored: ")
    assert history_of(journal.path).summary(3.0).blockers == {"app:f": 2.0}
    assert len(history_of(journal.path).incidents()) == 1
    assert caplog.text.count("is set aside") == 2


def test_the_ledger_keeps_the_newest_incidents(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    book = Ledger(Policy())
    book.add_incidents(replace(INCIDENT, pid=pid) for pid in range(ledger.MOST_INCIDENTS + 2))
    kept = [one.pid for one in book.page if isinstance(one, Incident)]
    assert (len(kept), kept[0]) == (ledger.MOST_INCIDENTS, 2)
    assert "the journal will not know of this one" in caplog.text


def test_large_tasks_are_claimed_a_few_at_a_time(journal: SqliteJournal, runner: int) -> None:
    add(journal, runner, *(task(arguments='"' + "x" * 1_000_000 + '"') for _ in range(60)))
    first, second = (claim(journal, runner, limit=512) for _ in range(2))
    assert 0 < len(first) < 60
    assert len(first) + len(second) == 60


def test_sqlite_is_asked_before_a_journal_is_called_damaged(journal: SqliteJournal, runner: int) -> None:
    with pytest.raises(TaskRefused), journal.transaction():
        raise ValueError("whatever it is")
    with pytest.raises(JournalUnusable, match="is damaged"), journal.transaction():
        raise apsw.CorruptError("database disk image is malformed")
    with pytest.raises(StoreFailed), journal.transaction():
        raise apsw.SQLError("something that nobody has thought of")
