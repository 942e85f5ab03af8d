"""How lines look in a process that imports no code of the user's: as the server's, as far as that can be told."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from outlast.events.event import NAME_BESIDE
from outlast.logs.plain import DATES, LINE

_COLOURS = {10: 36, 20: 32, 30: 33, 40: 31, 50: 91}  # of a level, as terminals count them
_OWN = frozenset((*vars(logging.makeLogRecord({})), "message", "asctime"))


def formatter_of(given: Mapping[str, Any]) -> logging.Formatter:
    """What `example.told_format` has told of: a stated format, a JSON object by example, or neither."""
    if "json" in given:
        return JsonLines(given["json"], given.get("extras", False))
    if "format" in given:
        return StatedFormat(given)
    return logging.Formatter(LINE, DATES)


class StatedFormat(logging.Formatter):
    """A format of the standard library, also one that names what no line of outlast has."""

    def __init__(self, given: Mapping[str, Any]) -> None:
        super().__init__(given["format"], given["dates"], given["style"], validate=False)
        self._colours = bool(given.get("colours"))
        if given.get("utc"):
            self.converter = time.gmtime

    def formatMessage(self, record: logging.LogRecord) -> str:
        """As logging does it."""
        known = _WithBlanks(record.__dict__, levelprefix=self._prefix(record.levelname, record.levelno))
        try:
            is_percent = type(self._style) is logging.PercentStyle
            return str(self._style._fmt % known) if is_percent else self._style.format(record)
        except (ValueError, TypeError, KeyError):
            return f"{record.levelname} {record.message}"

    def _prefix(self, name: str, level: int) -> str:
        """What uvicorn has in front of its lines."""
        shown = f"\x1b[{_COLOURS.get(level, 0)}m{name}\x1b[0m" if self._colours else name
        return f"{shown}:{' ' * (8 - len(name))}"


class _WithBlanks(dict[str, Any]):
    def __missing__(self, key: str) -> str:
        return "-"


class JsonLines(logging.Formatter):
    """One JSON object a line, with the keys of the server's: each names what of a record it is, or is a constant."""

    def __init__(self, keys: Mapping[str, Any], extras: bool) -> None:  # noqa: FBT001
        super().__init__()
        self._keys = keys
        self._extras = extras
        self._names = {"event": NAME_BESIDE} if keys.get("event", {}).get("attribute") else {}
        self._kept = _OWN | {key for key, source in keys.items() if source.get("constant") is not None}

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        record.message = record.getMessage()
        line = {key: _value(source, record) for key, source in self._keys.items()}
        if self._extras:
            extras = ((key, value) for key, value in vars(record).items() if key not in self._kept)
            line |= {self._names.get(key, key): value for key, value in extras}
        if record.exc_info:
            line["exc_info"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def _value(source: Mapping[str, Any], record: logging.LogRecord) -> Any:
    match source:
        case {"attribute": name, "lower": True}:
            return str(getattr(record, name)).lower()
        case {"attribute": name}:
            return getattr(record, name, None)
        case {"seconds": times}:
            return int(record.created * times) if source.get("whole") else record.created * times
        case {"dates": _} | {"iso": _}:
            return written(record.created, source)
    return source.get("constant")


def written(seconds: float, how: Mapping[str, Any]) -> str:
    """A time of day (seconds since the epoch) as text: `dates` for strftime, or `iso`: to which part of a second."""
    at = datetime.fromtimestamp(seconds, UTC)
    at = at if how["utc"] else at.astimezone()
    if "dates" in how:
        return at.strftime(how["dates"]) + (f",{int(seconds % 1 * 1000):03d}" if how.get("millis") else "")
    text = at.isoformat(how["separator"], how["iso"])
    bare = at.replace(tzinfo=None).isoformat(how["separator"], how["iso"])
    return {"none": bare, "z": f"{bare}Z"}.get(how["zone"], text)
