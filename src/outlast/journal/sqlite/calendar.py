"""The schedules of a SQLite journal, for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from outlast.ids import shown
from outlast.journal.read import ScheduleRecord
from outlast.journal.sqlite.incidents import as_text
from outlast.journal.sqlite.reading import WITH_SCHEDULES, Reading
from outlast.tasks.keys import MOST_KEY
from outlast.tasks.redaction import Redactor
from outlast.tasks.timing import Timing
from outlast.text import LONGEST_PATH, MOST_NAME, MOST_REASON, clean, json_line, one_line

MOST_TEXT = 8192  # characters of what its tasks are made of
_SCHEDULES = f"""
SELECT id, CAST(name AS BLOB), CAST(app AS BLOB), CAST(release AS BLOB),
    CASE WHEN retired_at IS NOT NULL THEN x'{b"retired".hex()}' WHEN paused_at IS NOT NULL THEN x'{b"paused".hex()}'
        ELSE x'{b"ticking".hex()}' END,
    CAST(timing AS BLOB), CAST(missed AS BLOB), substr(CAST(blueprint AS BLOB), 1, {4 * MOST_TEXT}), in_code,
    next_at, asked_at, last_at, last_task, CAST(reason AS BLOB)
FROM schedule ORDER BY app, name"""  # noqa: S608


def of(file: Reading, redactor: Redactor) -> list[ScheduleRecord]:
    """All of them; none in a journal that is older than schedules."""
    return [_record(row, redactor) for row in file.rows(_SCHEDULES)] if file.version >= WITH_SCHEDULES else []


def _record(row: Sequence[Any], redactor: Redactor) -> ScheduleRecord:
    number, name, app, release, state, timing, missed, blueprint, in_code, *times, last_task, reason = row
    next_at, asked_at, last_at = times
    function, arguments = _call(as_text(blueprint))
    return ScheduleRecord(
        id=number,
        name=one_line(as_text(name), MOST_KEY),
        app=one_line(as_text(app), MOST_NAME),
        release=one_line(as_text(release), MOST_NAME),
        state=as_text(state),
        when=_words(as_text(timing)),
        missed=one_line(as_text(missed), MOST_NAME),
        function=one_line(function, LONGEST_PATH),
        arguments=redactor.redacted(json_line(arguments, MOST_TEXT)),
        in_code=bool(in_code),
        next_at=next_at,
        asked_at=asked_at,
        last_at=last_at,
        last_task="" if last_task is None else shown(last_task),
        reason=clean(as_text(reason), MOST_REASON),
    )


def _words(text: str) -> str:
    try:
        return one_line(Timing.read(text).words(), MOST_NAME)
    except ValueError:
        return one_line(text, MOST_NAME)


def _call(blueprint: str) -> tuple[str, str]:
    """Function and arguments; empty where they cannot be read."""
    try:
        given = json.loads(blueprint)
        return str(given["function"]), str(given["arguments"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return "", ""
