"""What lines look like is stated, or learned by example, for a process that cannot have the formatter."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog

from outlast.events.processes import RunnerStarted
from outlast.logs.example import told_format
from outlast.logs.lines import formatter_of

RECORD = {"name": "outlast", "levelname": "ERROR", "levelno": 40, "msg": "%s ended", "args": ("it",), "task_id": "x1"}
TENANT = ContextVar("TENANT", default="")


class Json(logging.Formatter):
    """As people write it."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC)
        line = {
            "ts": at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            "at": record.created,
            "ms": int(record.created * 1000),
            "when": at.isoformat(timespec="milliseconds"),
            "asctime": self.formatTime(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "env": {"name": "test"},
        }
        return json.dumps(line)


class Now(logging.Formatter):
    """One that does not ask the record."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps({"now": datetime.now(UTC).isoformat(), "text": record.getMessage()})


class Extras(logging.Formatter):
    """One that writes what somebody has added to the record, and what the request has set."""

    known = frozenset((*vars(logging.makeLogRecord({})), "taskName"))

    def format(self, record: logging.LogRecord) -> str:
        extras = {key: value for key, value in vars(record).items() if key not in self.known}
        return json.dumps(
            {"event": record.getMessage(), **extras, **({"tenant": TENANT.get()} if TENANT.get() else {})}
        )


class OfTheShop(logging.Formatter):
    """One with a constant, and some of what somebody has added."""

    def format(self, record: logging.LogRecord) -> str:
        added = {key: getattr(record, key, None) for key in ("task_id", "event")}
        return json.dumps({"text": record.getMessage(), **added, "app": "shop"})


class Poem(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        raise ValueError(record)


class Intercept(logging.Handler):
    """As loguru's users have it."""

    def emit(self, record: logging.LogRecord) -> None: ...


@pytest.fixture
def handler() -> Iterator[logging.Handler]:
    one = logging.StreamHandler()
    log = logging.getLogger("outlast")
    log.addHandler(one)
    yield one
    log.removeHandler(one)


def both(handler: logging.Handler, formatter: logging.Formatter | None) -> tuple[str, str]:
    """How a line looks in the server, and in a process that was told, by way of JSON."""
    handler.setFormatter(formatter)
    there = formatter_of(json.loads(json.dumps(told_format())))
    return handler.format(logging.makeLogRecord(RECORD)), there.format(logging.makeLogRecord(RECORD))


@pytest.mark.parametrize(
    "formatter",
    [
        None,
        logging.Formatter("%(levelname)s %(name)s: %(message)s"),
        logging.Formatter("{levelname:>8} {message}", style="{"),
        logging.Formatter("$levelname $message", style="$"),
        logging.Formatter('{"level": "%(levelname)s", "message": "%(message)s", "task": "%(task_id)s"}'),
    ],
)
def test_a_stated_format_is_the_same(handler: logging.Handler, formatter: logging.Formatter | None) -> None:
    servers, ours = both(handler, formatter)
    assert ours == servers


def test_the_time_is_in_the_servers_zone(handler: logging.Handler) -> None:
    formatter = logging.Formatter("%(asctime)s", "%H:%M:%S")
    formatter.converter = time.gmtime
    given = {**RECORD, "created": 1_700_000_000.0}
    handler.setFormatter(formatter)
    assert formatter_of(told_format()).format(logging.makeLogRecord(given)) == "22:13:20"


def test_a_field_that_no_line_of_ours_has_is_left_blank(handler: logging.Handler) -> None:
    handler.setFormatter(logging.Formatter("%(request_id)s %(message)s"))
    assert formatter_of(told_format()).format(logging.makeLogRecord(RECORD)) == "- it ended"


def test_json_is_learned_by_example(handler: logging.Handler) -> None:
    handler.setFormatter(Json())
    record = {**RECORD, "created": 1_755_555_555.25}
    record["msecs"] = 250.0
    servers = json.loads(handler.format(logging.makeLogRecord(record)))
    assert json.loads(formatter_of(told_format()).format(logging.makeLogRecord(record))) == servers


def test_what_the_handlers_filters_add_is_in_the_line_and_what_a_request_has_set_is_not(
    handler: logging.Handler,
) -> None:
    def correlation(record: logging.LogRecord) -> bool:
        record.correlation_id = TENANT.get() or "-"
        return True

    handler.addFilter(correlation)
    handler.setFormatter(Extras())
    token = TENANT.set("acme")
    told = told_format()
    TENANT.reset(token)
    line = json.loads(formatter_of(told).format(logging.makeLogRecord(RECORD)))
    assert line == {"event": "it ended", "task_id": "x1", "correlation_id": "-"}


def test_a_constant_of_the_servers_lines_is_not_replaced_by_a_field_of_its_name(handler: logging.Handler) -> None:
    handler.setFormatter(OfTheShop())
    record = {**RECORD, "app": "main:app", "event": "imported"}
    line = json.loads(formatter_of(told_format()).format(logging.makeLogRecord(record)))
    assert line == {"app": "shop", "text": "it ended", "task_id": "x1", "event": "imported"}


def test_in_lines_of_structlog_event_is_the_sentence(handler: logging.Handler) -> None:
    """As its docs have it for lines of other libraries."""
    stdlib = structlog.stdlib
    formatter = stdlib.ProcessorFormatter(
        foreign_pre_chain=[stdlib.ExtraAdder()],
        processors=[stdlib.ProcessorFormatter.remove_processors_meta, structlog.processors.JSONRenderer()],
    )
    handler.setFormatter(formatter)
    written: list[str] = []
    handler.emit = lambda record: written.append(handler.format(record))  # type: ignore[method-assign]
    RunnerStarted(7, Path("/srv/journal.db")).tell(level=logging.ERROR)
    there = json.loads(written[0])
    record = {**RECORD, "msg": "runner 7 starts", "args": (), "event": "runner_started"}
    here = json.loads(formatter_of(told_format()).format(logging.makeLogRecord(record)))
    names = ("event", "event_name")
    assert [there[name] for name in names] == ["runner 7 moves the tasks of /srv/journal.db", "runner_started"]
    assert [here[name] for name in names] == ["runner 7 starts", "runner_started"]


def test_a_time_of_the_moment_keeps_its_shape(handler: logging.Handler) -> None:
    servers, ours = map(json.loads, both(handler, Now()))
    assert ours["text"] == servers["text"]
    assert len(ours["now"]) == len(servers["now"]) == len("2026-11-26T16:00:00.000001+00:00")


def test_one_that_is_neither_stated_nor_json_is_not_imitated(handler: logging.Handler) -> None:
    handler.setFormatter(Poem())
    line = formatter_of(told_format()).format(logging.makeLogRecord(RECORD))
    assert line.endswith("[ERROR] outlast: it ended")


@pytest.mark.usefixtures("handler")
def test_what_the_app_has_disabled_is_not_said() -> None:
    logging.disable(logging.ERROR)
    try:
        assert told_format()["level"] == logging.ERROR + 1
    finally:
        logging.disable(logging.NOTSET)


def test_who_makes_lines_look_as_no_other_process_can_is_named(handler: logging.Handler) -> None:
    handler.setFormatter(Poem())
    assert told_format()["unlike"] == "tests.logs.test_lines.Poem"
    log = logging.getLogger("outlast")
    intercept = Intercept()
    log.removeHandler(handler)
    log.addHandler(intercept)
    log.propagate = False
    try:
        intercept.setFormatter(logging.Formatter(logging.BASIC_FORMAT))  # by basicConfig
        assert told_format()["unlike"] == "tests.logs.test_lines.Intercept"
        log.addHandler(handler)  # the remedy
        handler.setFormatter(logging.Formatter("ours %(message)s"))
        assert formatter_of(told_format()).format(logging.makeLogRecord(RECORD)) == "ours it ended"
    finally:
        log.propagate = True
        log.removeHandler(intercept)
