"""Handlers of the standard library's logging, as JSON and back: where each writes, which lines, and how they look.

A task process writes to the server's own stdout and stderr. Into a file it appends, and follows when the server begins
another one: it never empties or renames it. What has a connection makes its own.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from logging.handlers import WatchedFileHandler
from typing import Any

from outlast.logs.objects import NotTold, class_name, made, stream_number, told
from outlast.text import in_brief, name_of_class

Told = Mapping[str, Any]
_MADE_ANEW = ("lock", "formatter", "filters", "level", "_name", "_closed", "stream")
_CONNECTIONS = ("sock", "socket")  # None: the handler makes one when it has something to send
_FROM_THE_START = ("logging", "logging.handlers")  # whose handlers can be made before any code of the user's is there


def told_handler(handler: logging.Handler) -> dict[str, Any]:
    """What `made_handler` makes its like of. One that cannot be told is named, with `why`."""
    common = {"kind": class_name_of(handler), "level": handler.level}
    try:
        looks = {"formatter": told_later(handler.formatter), "filters": [told_later(one) for one in handler.filters]}
        return {**common, **looks, **_told_place(handler)}
    except NotTold as error:
        return {**common, "why": str(error)}


def made_handler(given: Told) -> logging.Handler:
    """A handler as it was told. Raises what importing its class raises; TargetNotFound."""
    handler = _made_place(given)
    handler.setLevel(given["level"])
    if given["formatter"]:
        handler.setFormatter(LaterFormatter(given["formatter"]))
    for one in given["filters"]:
        handler.addFilter(LaterFilter(one))
    return handler


def is_made_early(given: Told) -> bool:
    """Whether it can be made before the app's modules are imported."""
    return "why" not in given and str(given["kind"]).partition(":")[0] in _FROM_THE_START


class LaterFormatter(logging.Formatter):
    """The formatter that was told of, made when the first line needs it: its module may be the app's own, or large."""

    def __init__(self, given: Any) -> None:
        super().__init__()
        self.given = given
        self._real: logging.Formatter | None = None

    def format(self, record: logging.LogRecord) -> str:
        """As that one does it; plainly where it cannot be made."""
        if self._real is None:
            try:
                self._real = made(self.given)
            except Exception:  # noqa: BLE001 - importing the user's module may raise anything, and the line is to be seen
                return super().format(record)
        return self._real.format(record)


class LaterFilter(logging.Filter):
    """The same for a filter."""

    def __init__(self, given: Any) -> None:
        super().__init__()
        self.given = given
        self._real: logging.Filterer | None = None

    def filter(self, record: logging.LogRecord) -> Any:
        """As that one does it; where it cannot be made, all passes."""
        if self._real is None:
            self._real = logging.Filterer()
            try:
                self._real.addFilter(made(self.given))
            except Exception as error:  # noqa: BLE001 - as above
                record.__dict__.setdefault("filter_failed", in_brief(error))
        return self._real.filter(record)


def told_later(thing: Any) -> Any:
    """One of ours is told as what it stands for, so that a set-up that was followed looks like the one it follows."""
    return thing.given if isinstance(thing, LaterFormatter | LaterFilter) else told(thing)


def class_name_of(handler: logging.Handler) -> str:
    """For reading, where it cannot be found under it, too."""
    try:
        return class_name(type(handler))
    except NotTold:
        return f"{type(handler).__module__}:{name_of_class(type(handler))}"


def _told_place(handler: logging.Handler) -> dict[str, Any]:
    if isinstance(handler, logging.FileHandler):
        file = {"file": handler.baseFilename, "encoding": handler.encoding, "errors": handler.errors}
        return {**file, "kind": "logging.handlers:WatchedFileHandler"}
    place: dict[str, Any] = {"holds": {key: _told_part(key, value) for key, value in vars(handler).items()}}
    for key in _MADE_ANEW:
        place["holds"].pop(key, None)
    if isinstance(handler, logging.StreamHandler):
        place["stream"] = stream_number(handler.stream)
        if not place["stream"]:
            raise NotTold("it writes to a stream that only its own process has")
    return place


def _told_part(key: str, value: object) -> Any:
    return None if key in (*_MADE_ANEW, *_CONNECTIONS) else told(value)


def _made_place(given: Told) -> logging.Handler:
    if "file" in given:
        return WatchedFileHandler(given["file"], encoding=given["encoding"], delay=True, errors=given["errors"])
    cls: type[logging.Handler] = made({"name": given["kind"]})
    handler = cls.__new__(cls)
    logging.Handler.__init__(handler)
    if isinstance(handler, logging.StreamHandler):
        handler.stream = made({"stream": given["stream"]})
    vars(handler).update({key: made(value) for key, value in given["holds"].items()})
    return handler
