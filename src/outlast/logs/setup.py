"""How a server has set up logging, told to its task processes, which have it likewise.

Who did it does not matter: the server by its `--log-config`, the app, or what stands under `__main__`, which task
processes do not run. So the outcome is told: levels, handlers, formatters and filters of each logger.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from outlast.events import hindrances
from outlast.logs.files import files_of_handlers, share
from outlast.logs.handlers import LaterFilter, is_made_early, made_handler, told_handler, told_later
from outlast.logs.objects import NotTold, stream_number
from outlast.logs.server import ServerLog
from outlast.text import in_brief

_STDERR = 2
_OURS = (logging.NullHandler, ServerLog)


def told_setup() -> dict[str, Any]:
    """The set-up of this process as JSON, for `Follower`."""
    loggers = {name: _told_logger(logger) for name, logger in _loggers() if _is_set_up(logger)}
    captures = logging._warnings_showwarning is not None  # type: ignore[attr-defined]
    ways = {"disabled": logging.root.manager.disable, "captures_warnings": captures}
    return {"loggers": loggers, "files": files_of_handlers(), **ways}


class Follower:
    """Brings a set-up to this process, in two steps: the app's own modules do their part of it in between."""

    def __init__(self, setup: Mapping[str, Any]) -> None:
        self._setup = setup
        self._loggers: Mapping[str, Any] = setup.get("loggers", {})
        self._brought: dict[str, list[tuple[logging.Handler, Any]]] = {}

    def begin(self) -> None:
        """Before the app is imported: what a server has done by then, as far as no code of the app is needed."""
        if files := self._setup.get("files"):
            share(frozenset(files))
        for name, given in self._loggers.items():
            if given.get("is_filtered"):  # without its filter, which is made later, it would say too much
                continue
            logger = logging.getLogger(name)
            self._add(logger, [one for one in given["handlers"] if is_made_early(one)])
            _bring_levels(logger, given)
        logging.disable(self._setup.get("disabled", logging.NOTSET))
        logging.captureWarnings(bool(self._setup.get("captures_warnings")))

    def finish(self) -> None:
        """Once the app has been imported: take back what it has done itself, add what nobody has done."""
        for name, given in self._loggers.items():
            logger = logging.getLogger(name)
            self._take_back(logger, given["handlers"])
            self._add(logger, _missing(given["handlers"], logger))
            for one in _missing_filters(given["filters"], logger):
                logger.addFilter(LaterFilter(one))
            _bring_levels(logger, given)

    def _take_back(self, logger: logging.Logger, wanted: Sequence[Any]) -> None:
        """First what the app has put up likewise, then what is one too many of its kind."""
        for is_needless in (_is_double, _is_surplus):
            for handler, given in self._brought.get(logger.name, ()):
                if handler in logger.handlers and is_needless(handler, given, logger, wanted):
                    logger.removeHandler(handler)
                    handler.close()

    def _add(self, logger: logging.Logger, wanted: Sequence[Any]) -> None:
        for given in sorted(wanted, key=lambda one: "why" in one):
            try:
                handler = made_handler(given) if "why" not in given else _stand_in(given, given["why"], logger)
            except Exception as error:  # noqa: BLE001 - importing the user's module may raise anything
                handler = _stand_in(given, in_brief(error), logger)
            logger.addHandler(handler)
            self._brought.setdefault(logger.name, []).append((handler, given))


def _loggers() -> Iterator[tuple[str, logging.Logger]]:
    yield "", logging.root
    for name, logger in sorted(logging.root.manager.loggerDict.items()):
        if isinstance(logger, logging.Logger):
            yield name, logger


def _is_set_up(logger: logging.Logger) -> bool:
    return bool(_handlers_of(logger) or logger.level or logger.filters or not logger.propagate or logger.disabled)


def _handlers_of(logger: logging.Logger) -> list[logging.Handler]:
    return [one for one in logger.handlers if not isinstance(one, _OURS)]


def _told_logger(logger: logging.Logger) -> dict[str, Any]:
    handlers = [told_handler(one) for one in _handlers_of(logger)]
    return {
        "level": logger.level,
        "propagate": logger.propagate,
        "disabled": logger.disabled,
        "handlers": handlers,
        "is_filtered": bool(logger.filters),
        "filters": [one for one in map(_told_or_none, logger.filters) if one],
    }


def _told_or_none(thing: object) -> Any:
    try:
        return told_later(thing)
    except NotTold:
        return None


def _bring_levels(logger: logging.Logger, given: Mapping[str, Any]) -> None:
    logger.setLevel(given["level"])
    logger.propagate, logger.disabled = given["propagate"], given["disabled"]


def _missing(wanted: Sequence[Any], logger: logging.Logger) -> list[Any]:
    """Of those that were told, the ones that the logger has not; each that it has stands for one."""
    there, missing = _handlers_of(logger), list(wanted)
    for matches in (_is_same, _is_alike):
        for given in list(missing):
            if found := next((one for one in there if matches(one, given)), None):
                there.remove(found)
                missing.remove(given)
    return missing


def _is_double(handler: logging.Handler, given: Any, logger: logging.Logger, _: Sequence[Any]) -> bool:
    return any(_is_same(one, given) for one in _handlers_of(logger) if one is not handler)


def _is_surplus(_: logging.Handler, given: Any, logger: logging.Logger, wanted: Sequence[Any]) -> bool:
    there = sum(_is_alike(one, given) for one in _handlers_of(logger))
    return there > sum(_key(one) == _key(given) for one in wanted)


def _missing_filters(wanted: Sequence[Any], logger: logging.Logger) -> list[Any]:
    there = list(map(_told_or_none, logger.filters))
    return [one for one in wanted if one not in there]


def _is_same(handler: logging.Handler, given: Any) -> bool:
    return bool(told_handler(handler) == given)


def _is_alike(handler: logging.Handler, given: Any) -> bool:
    """Of the same kind, to the same place: what it holds besides may have changed while it was used."""
    return handler.get_name() == _standing_in(given) or _key(told_handler(handler)) == _key(given)


def _key(given: Mapping[str, Any]) -> tuple[Any, ...]:
    return given["kind"], given.get("stream"), given.get("file")


def _writes_to_stderr(handler: logging.Handler, level: int) -> bool:
    """Whether it does all that has this level, or a higher one."""
    is_one = isinstance(handler, logging.StreamHandler) and stream_number(handler.stream) == _STDERR
    return is_one and handler.level <= level and not handler.filters


def _standing_in(given: Mapping[str, Any]) -> str:
    return f"outlast: instead of {given['kind']}"


def _stand_in(given: Mapping[str, Any], why: str, logger: logging.Logger) -> logging.Handler:
    """Its lines are not lost: they go to stderr, once, whatever else writes there."""
    hindrances.HandlerNotFollowed(str(given["kind"]), logger.name, why).tell()
    if there := next((one for one in logger.handlers if _writes_to_stderr(one, given["level"])), None):
        return there
    handler = logging.StreamHandler()
    handler.setLevel(given["level"])
    handler.set_name(_standing_in(given))
    return handler
