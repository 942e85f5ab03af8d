"""What lines look like is stated, or learned by example, for a process that cannot have the formatter."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from outlast.logs.example import told_format
from outlast.logs.lines import formatter_of

RECORD = {"name": "outlast", "levelname": "ERROR", "levelno": 40, "msg": "%s ended", "args": ("it",), "task_id": "x1"}


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


def test_a_time_of_the_moment_keeps_its_shape(handler: logging.Handler) -> None:
    servers, ours = map(json.loads, both(handler, Now()))
    assert ours["text"] == servers["text"]
    assert len(ours["now"]) == len(servers["now"]) == len("2026-11-26T16:00:00.000001+00:00")


def test_one_that_is_neither_stated_nor_json_is_not_imitated(handler: logging.Handler) -> None:
    class Poem(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            raise ValueError(record)

    handler.setFormatter(Poem())
    line = formatter_of(told_format()).format(logging.makeLogRecord(RECORD))
    assert line.endswith("[ERROR] outlast: it ended")
