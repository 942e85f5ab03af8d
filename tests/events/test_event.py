"""Each event has a name, fields and a sentence; the log has them all, and docs/events.md names them."""

from __future__ import annotations

import logging
import pkgutil
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from string import Formatter

import pytest

import outlast.events
from outlast.events.event import Event, Once
from outlast.events.hindrances import Doubt, KeptInMemory
from outlast.events.journal import JournalRefuses
from outlast.events.processes import LifespanFailed, LinesDropped, RunnerStarted, TaskProcessImported

DOCS = (Path(__file__).parents[2] / "docs" / "events.md").read_text()
for module in pkgutil.iter_modules(outlast.events.__path__, "outlast.events."):
    import_module(module.name)


def events(kind: type[Event] = Event) -> Iterator[type[Event]]:
    """All that are no base of others."""
    for one in kind.__subclasses__():
        yield from events(one) if one.__subclasses__() else [one]


EVENTS = sorted(events(), key=lambda one: one.name)


def test_the_docs_have_each_event_with_its_level_and_fields() -> None:
    rows = [
        f"| `{one.name}` | {logging.getLevelName(one.level)} | {', '.join(f'`{name}`' for name in one.fields)} |"
        for one in EVENTS
    ]
    assert re.findall(r"^\| `.*\|$", DOCS, re.MULTILINE) == [row.replace("|  |", "| |") for row in rows]


def test_an_event_is_a_frozen_record() -> None:
    event = LinesDropped(3, since=0.5)
    assert (event.count, event.since) == (3, 0.5)
    assert event == LinesDropped(3, 0.5) != LinesDropped(4, 0.5)
    assert len({event, LinesDropped(3, 0.5), Doubt("x"), JournalRefuses("x")}) == 3
    with pytest.raises(AttributeError, match="frozen"):
        event.count = 4  # type: ignore[misc]


def test_no_two_events_have_one_name() -> None:
    assert len({one.name for one in EVENTS}) == len(EVENTS)


@pytest.mark.parametrize("kind", EVENTS, ids=lambda one: one.name)
def test_an_event_can_be_logged_and_says_what_it_has(kind: type[Event]) -> None:
    taken = {*vars(logging.makeLogRecord({})), "message", "asctime", "event"}
    assert not taken & set(kind.fields)
    if kind.__str__ is Event.__str__:
        assert {name for _, name, _, _ in Formatter().parse(kind.sentence) if name} <= set(kind.fields)


def test_the_record_has_name_and_fields(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "outlast")
    RunnerStarted(7, Path("/srv/journal.db")).tell()
    (record,) = caplog.records
    assert (record.getMessage(), record.levelno) == ("runner 7 moves the tasks of /srv/journal.db", logging.INFO)
    assert {name: vars(record)[name] for name in ("event", "pid", "journal")} == {
        "event": "runner_started",
        "pid": 7,
        "journal": "/srv/journal.db",
    }
    assert record.filename == Path(__file__).name, "who has told it"


def test_the_message_is_the_sentence_also_for_who_groups_by_it(caplog: pytest.LogCaptureFixture) -> None:
    Doubt("100 % of it").tell()
    (record,) = caplog.records
    assert (record.msg, record.args, record.getMessage()) == ("100 % of it", (), "100 % of it")


def test_a_number_stays_a_number_and_text_is_made_clean(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "outlast")
    TaskProcessImported(7, "main:app\nERROR forged", 0.25).tell()
    (record,) = caplog.records
    assert (vars(record)["seconds"], vars(record)["app"]) == (0.25, "main:app\\nERROR forged")


def test_counts_stay_counts(caplog: pytest.LogCaptureFixture) -> None:
    KeptInMemory("the disk is full", {"Ended": 2}).tell()
    (record,) = caplog.records
    assert vars(record)["kept"] == {"Ended": 2}
    assert record.getMessage() == "the disk is full; what has ended is kept in memory until it can be written (2 ended)"


def test_the_level_may_be_another(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "outlast")
    Doubt("left out").tell()
    Doubt("said").tell(level=logging.ERROR)
    assert [(one.getMessage(), one.levelname) for one in caplog.records] == [("said", "ERROR")]


def test_an_error_goes_along(caplog: pytest.LogCaptureFixture) -> None:
    error = ValueError("it")
    LifespanFailed().tell(error)
    (record,) = caplog.records
    assert record.exc_info is not None and record.exc_info[1] is error
    assert record.exc_text == "ValueError: it"


def test_what_the_users_record_factory_has_set_stays(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = logging.getLogRecordFactory()

    def with_app(*args: object, **kwargs: object) -> logging.LogRecord:
        record = made(*args, **kwargs)
        vars(record).update(app="the shop", event="logged")
        return record

    monkeypatch.setattr(logging, "_logRecordFactory", with_app)
    caplog.set_level(logging.INFO, "outlast")
    TaskProcessImported(7, "main:app", 0.25).tell()
    (record,) = caplog.records
    assert (vars(record)["app"], vars(record)["event"], vars(record)["pid"]) == ("the shop", "logged", 7)


def test_what_is_the_same_is_told_once_and_no_more_than_so_many(caplog: pytest.LogCaptureFixture) -> None:
    once = Once(2)
    once.tell(Doubt("a"), Doubt("a"), Doubt("b"))
    once.tell(Doubt("b"), Doubt("c"))
    assert [one.getMessage() for one in caplog.records] == ["a", "b"]
