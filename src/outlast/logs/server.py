"""Lines of outlast in a process of the user's, where nobody has said how the lines of libraries are to be heard.

Python alone prints them bare, and none below WARNING. The server has handlers for its own lines: these take ours, too,
so that what FastAPI alone would have said by the server's log is said there.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator

from outlast.events.event import log
from outlast.logs.plain import DATES, LINE

SERVERS = ("uvicorn.error", "gunicorn.error", "hypercorn.error", "_granian")


class ServerLog(logging.Handler):
    """Hands lines on to the server's handlers, as long as no other handler takes lines of every level.

    One for errors only is an alert, and stands beside the log.
    """

    def __init__(self) -> None:
        super().__init__()
        self._plain = logging.StreamHandler()
        self._plain.setFormatter(logging.Formatter(LINE, DATES))

    def emit(self, record: logging.LogRecord) -> None:
        """As logging itself would, with the handlers that are there at this moment."""
        if is_heard(log):
            return
        heard_by = {type(one) for one in handlers_above(log)}
        for handler in server_handlers() or [self._plain]:
            is_alert = handler.level > logging.INFO
            if record.levelno >= handler.level and not (is_alert and type(handler) in heard_by):
                handler.handle(record)


def begin_server_log() -> None:
    """From now on lines of outlast are heard in this process, once, whatever becomes of its logging."""
    log.disabled = False  # by logging.config, which disables what it does not know, unless it is told not to
    if not any(isinstance(one, ServerLog) for one in log.handlers):
        log.addHandler(ServerLog())


def is_heard(logger: logging.Logger) -> bool:
    """Whether a handler that was put up for a logger, or one above it, takes lines of level INFO."""
    return any(one.level <= logging.INFO for one in handlers_above(logger))


def server_handlers() -> list[logging.Handler]:
    """Those of the server's own log; none where it is not known."""
    return list(handlers_above(server_logger())) if server_logger() is not log else []


def server_logger() -> logging.Logger:
    """The server's own; ours where there is none that is heard."""
    known = (logging.getLogger(name) for name in SERVERS if name in logging.root.manager.loggerDict)
    return next((one for one in known if any(handlers_above(one))), log)


def handlers_above(logger: logging.Logger) -> Iterator[logging.Handler]:
    """All that get a line of it, but for those of outlast."""
    above: logging.Logger | None = logger
    while above is not None:
        yield from (one for one in above.handlers if not isinstance(one, ServerLog | logging.NullHandler))
        above = above.parent if above.propagate else None
