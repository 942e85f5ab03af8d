"""What tasks print and log in this process goes where it would, and to whoever keeps it for the task, too."""

from __future__ import annotations

import io
import logging
import sys
from contextlib import suppress
from typing import Any

from outlast.events.event import log
from outlast.tasks.attempt import Attempt, running_attempt
from outlast.tasks.log import lines_of


class HeardFile(io.TextIOWrapper):
    """stdout or stderr. What a log handler writes there is heard as a record, and not once more."""

    def write(self, text: str, /) -> int:
        """Write it, and let the attempt that runs here know."""
        written = super().write(text)
        attempt = _attempt()
        if attempt is not None and sys._getframe(1).f_globals.get("__name__") != logging.__name__:
            attempt.keeper.log(attempt, text)
        return written


def hear_records() -> None:
    """From now on a log record of a task has `outlast_task` and `outlast_attempt`, whoever handles it."""
    before = logging.getLogRecordFactory()

    def made(*args: Any, **kwargs: Any) -> logging.LogRecord:
        record = before(*args, **kwargs)
        attempt = _attempt()
        if attempt is not None:
            record.outlast_task, record.outlast_attempt = attempt.id, attempt.number
            if record.name != log.name:  # whose own lines are in the story of the task
                with suppress(Exception):  # of arguments that do not fit, which is said by the handler
                    attempt.keeper.log(attempt, lines_of(record))
        return record

    logging.setLogRecordFactory(made)


def _attempt() -> Attempt | None:
    attempt = running_attempt.get()
    return attempt if attempt is not None and attempt.task_id and not attempt.over else None
