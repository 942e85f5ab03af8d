"""Log files that a task process has in common with its server, which alone empties and renames them.

A module that puts up a handler at its import does so in each process. Two that rotate one file, or begin it anew, throw
away what the other has written: so it is for the classes of the standard library, and whatever is derived from them or
stands behind a queue, that this is changed in a task process.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Collection
from contextlib import suppress
from logging.handlers import BaseRotatingHandler
from typing import IO, Any


def files_of_handlers() -> list[str]:
    """The paths of those that handlers of this process write to, be they a logger's or behind a queue."""
    handlers = (reference() for reference in logging._handlerList.copy())  # type: ignore[attr-defined]
    return sorted({one.baseFilename for one in handlers if isinstance(one, logging.FileHandler)})


def share(files: Collection[str]) -> None:
    """From now on, until it ends, this process appends to these files, and follows whoever renames them."""
    opened, emitted = logging.FileHandler._open, BaseRotatingHandler.emit

    def append(handler: logging.FileHandler) -> IO[Any]:
        if handler.baseFilename in files:
            handler.mode = handler.mode.translate(str.maketrans("wx", "aa"))
        return opened(handler)

    def follow(handler: BaseRotatingHandler, record: logging.LogRecord) -> None:
        if handler.baseFilename in files:
            _let_go_if_moved(handler)
            logging.FileHandler.emit(handler, record)
        else:
            emitted(handler, record)

    logging.FileHandler._open = append  # type: ignore[method-assign,assignment]
    BaseRotatingHandler.emit = follow  # type: ignore[method-assign,assignment]


def _let_go_if_moved(handler: logging.FileHandler) -> None:
    """As WatchedFileHandler does: who writes next opens the file that has the name now."""
    if handler.stream is None:  # until its first line, with `delay`
        return
    with suppress(OSError, ValueError):  # there is none any more; or somebody has closed ours
        if os.path.samestat(os.stat(handler.baseFilename), os.fstat(handler.stream.fileno())):  # noqa: PTH116 - as text
            return
    with suppress(OSError):
        handler.stream.close()
    handler.stream = None
