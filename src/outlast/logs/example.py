"""What the lines of a server look like, for a process that cannot have its formatter: stated, or learned by example."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from contextvars import Context
from datetime import datetime
from itertools import product
from typing import Any

from outlast.events.event import log
from outlast.logs.lines import written
from outlast.logs.server import handlers_above, is_heard, server_handlers, server_logger

_STYLES = {logging.PercentStyle: "%", logging.StrFormatStyle: "{", logging.StringTemplateStyle: "$"}
_PLAIN = "%(message)s"
_ATTRIBUTES = ("message", "name", "levelname", "levelno", "process", "pathname", "filename", "funcName", "lineno")
_PARTS = ("microseconds", "milliseconds", "seconds")
_EXAMPLES = (
    (1_777_777_777.123456, logging.CRITICAL, "one of the lines", 41),
    (1_733_333_333.654321, logging.WARNING, "another line", 42),
)


def told_format() -> dict[str, Any]:
    """The level from which on, and the format in which, lines of outlast are written in this process. As JSON."""
    heard = is_heard(log)
    level = (log if heard else server_logger()).getEffectiveLevel()
    lowest = max(level, logging.root.manager.disable + 1)
    handlers = list(handlers_above(log)) if heard else server_handlers()
    return {"level": lowest, **(_told(_first(handlers)) if handlers else {})}


def _first(handlers: list[logging.Handler]) -> logging.Handler:
    """The one that writes to the console; else one that writes lines at all."""
    lines = [one for one in handlers if isinstance(one, logging.StreamHandler)]
    console = [one for one in lines if getattr(one, "stream", None) in (sys.stdout, sys.stderr)]
    return [*console, *lines, *handlers][0]


def _told(handler: logging.Handler) -> dict[str, Any]:
    """How its lines look; `unlike`, what makes them look so, where that cannot be told."""
    formatter = handler.formatter or logging.Formatter(_PLAIN)
    told = _format_of(handler, formatter)
    if "json" in told or (told and isinstance(handler, logging.StreamHandler)):
        return told
    return {"unlike": _kind(formatter if isinstance(handler, logging.StreamHandler) else handler)}


def _format_of(handler: logging.Handler, formatter: logging.Formatter) -> dict[str, Any]:
    if type(formatter) is logging.Formatter:
        return _stated(formatter)
    if _kind(formatter).startswith("uvicorn.logging."):
        return {**_stated(formatter), "colours": bool(getattr(formatter, "use_colors", False))}
    return Context().run(_by_example, handler, formatter)  # what a request has set is not of the server's lines


def _kind(thing: object) -> str:
    return f"{type(thing).__module__}.{type(thing).__qualname__}"


def _stated(formatter: logging.Formatter) -> dict[str, Any]:
    style = _STYLES.get(type(formatter._style))
    if style is None:
        return {}
    is_utc = getattr(formatter.converter, "__name__", "") == "gmtime"
    return {"format": formatter._fmt, "dates": formatter.datefmt, "style": style, "utc": is_utc}


def _by_example(handler: logging.Handler, formatter: logging.Formatter) -> dict[str, Any]:
    """Of one that writes JSON, what each key is; of another one, nothing."""
    pairs = []
    for at, level, message, task in _EXAMPLES:
        record = logging.LogRecord(log.name, level, __file__, 7, message, (), None, "example")
        record.created, record.msecs, record.task_id = at, at % 1 * 1000, f"id-{task}"
        with suppress(Exception):  # the user's filters, which add fields, and formatter: they may raise anything
            handler.filter(record)
            line = json.loads(formatter.format(record))
            record.message = message  # not before: a formatter may take it for a field that somebody has added
            pairs.append((record, line if isinstance(line, dict) else {}))
    if len(pairs) < len(_EXAMPLES) or not pairs[0][1]:
        return {}
    keys = {key: found for key in pairs[0][1] if (found := _source(key, pairs)) is not None}
    has_extras = keys.pop("task_id", None) is not None
    return {"json": keys, "extras": has_extras}


def _source(key: str, pairs: list[tuple[logging.LogRecord, dict[str, Any]]]) -> dict[str, Any] | None:
    """What of a record stands under a key, the same of each; None where that is not seen."""
    values = [line.get(key) for _, line in pairs]
    for source in _sources():
        if all(_matches(source, record, line.get(key)) for record, line in pairs):
            return source
    if shape := _shape(values[0]):
        return shape
    return {"constant": values[0]} if all(one == values[0] for one in values) else None


def _shape(value: object) -> dict[str, Any] | None:
    """Of a time that is not the record's, but that of the moment in which it was written."""
    with suppress(ValueError, TypeError):
        at = datetime.fromisoformat(value)  # type: ignore[arg-type]  # what is none is refused
        zone = "z" if str(value).endswith("Z") else "offset" if at.tzinfo else "none"
        digits = len(str(value).partition(".")[2].partition("+")[0].rstrip("Z"))
        part = "seconds" if not digits else "milliseconds" if digits == 3 else "microseconds"
        return {"iso": part, "separator": str(value)[10], "utc": not at.utcoffset(), "zone": zone}
    return None


def _sources() -> Iterator[dict[str, Any]]:
    yield from ({"attribute": one} for one in ("task_id", *_ATTRIBUTES))
    yield {"attribute": "levelname", "lower": True}
    yield from ({"seconds": times, "whole": whole} for times in (1, 1000, 1_000_000) for whole in (True, False))
    for dates in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M:%S %z", "%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%dT%H:%M:%S%z", "%H:%M:%S"):
        yield from ({"dates": dates, "utc": utc, "millis": millis} for utc in (False, True) for millis in (False, True))
    for separator, part, utc, zone in product("T ", _PARTS, (False, True), ("none", "z", "offset")):
        yield {"iso": part, "separator": separator, "utc": utc, "zone": zone}


def _matches(source: Mapping[str, Any], record: logging.LogRecord, value: object) -> bool:
    if "seconds" in source:
        expected = record.created * source["seconds"]
        return type(value) in (int, float) and value == (int(expected) if source["whole"] else expected)
    if "dates" in source or "iso" in source:
        return value == written(record.created, source)
    found = getattr(record, source["attribute"], None)
    return value == (str(found).lower() if source.get("lower") else found)
