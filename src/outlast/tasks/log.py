"""What an attempt prints and logs: the newest of it, up to so many bytes."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

MOST_LOG = 1 << 20  # bytes of one attempt that are kept, whatever the setting says
ATTEMPTS_KEPT = 20  # of one task, the newest: those of which something is kept


@dataclass(frozen=True, slots=True)
class TaskLog:
    """left_out: bytes that came before `text` and are not kept. most: how many may be."""

    text: str
    left_out: int
    most: int

    def and_then(self, newer: TaskLog) -> TaskLog:
        """Both in one: the end of them, from the beginning of a line on."""
        kept = "" if newer.left_out else self.text  # what is before a gap is older still
        whole = f"{kept}{newer.text}".encode()
        size = self.left_out + newer.left_out + len(self.text.encode()) + len(newer.text.encode())
        if len(whole) > newer.most or newer.left_out:
            whole = whole[-newer.most :]
            whole = whole[whole.find(b"\n") + 1 :]
        text = whole.decode(errors="ignore")  # without a line break it may begin within a character
        return TaskLog(text, size - len(text.encode()), newer.most)


def lines_of(record: logging.LogRecord) -> str:
    """What was logged, with the time of day and the traceback of its exception. Raises what formatting it raises."""
    clock = time.strftime("%H:%M:%S", time.localtime(record.created))
    when = f"{clock}.{int(record.created % 1 * 1000):03}"
    line = f"{when} {logging.getLevelName(record.levelno)} {record.name}: {record.getMessage()}\n"
    if record.exc_info and record.exc_info[0] is not None:
        return f"{line}{_FORMATTER.formatException(record.exc_info)}\n"
    return line


_FORMATTER = logging.Formatter()
