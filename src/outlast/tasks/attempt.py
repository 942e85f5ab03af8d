"""What a task can know of its own attempt while it runs, and say of it: `outlast.current()`."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

from outlast.ids import shown
from outlast.tasks.log import lines_of
from outlast.tasks.progress import MOST_NOTE, Progress


class Stopped(BaseException):
    """The task was cancelled, its timeout is over, or it blocked its event loop for too long.

    Not an Exception, so that `except Exception` lets it pass. Clean up where needed, then let it go on.
    """


class Keeper:
    """Keeps what an attempt says of itself. This one, where nobody asks for it, keeps nothing."""

    def progress(self, attempt: Attempt, progress: Progress) -> None:
        """It has come so far."""

    def checkpoint(self, attempt: Attempt, value: Any) -> None:
        """The next attempt gets `value`. Raises NotStorable."""

    def log(self, attempt: Attempt, text: str) -> None:
        """It has printed or logged `text`."""


NOBODY = Keeper()


@dataclass(slots=True, eq=False)
class Attempt:
    """One try at a task. `number` is 1 for the first, 0 outside of a task process.

    task: the id of the task as a number, 0 outside of a task process. function: its `module:name`.
    stopping: it has to end, see `check`. over: its function has returned or raised. over_limit: it has more memory
    than it may have, and has not been told yet.
    resume: the last checkpoint of the attempts before, None if there is none. keeper: who gets what it says of itself.
    """

    task_id: int = 0
    number: int = 0
    function: str = ""
    stopping: bool = False
    over: bool = False
    over_limit: bool = False
    resume: Any = None
    keeper: Keeper = NOBODY

    @property
    def id(self) -> str:
        """The id of the task as people see it; empty outside of a task process."""
        return shown(self.task_id) if self.task_id else ""

    @property
    def log(self) -> AttemptLogger:
        """A logger named as the module of its function; what it says from INFO on is kept for `outlast show --log`."""
        return AttemptLogger(self)

    def check(self) -> None:
        """To be called now and then by a `def` that runs long. Raises Stopped when the task has to end."""
        if self.stopping:
            raise Stopped("the task was cancelled, or its timeout is over")

    def progress(self, done: float, total: float | None = None, note: str = "") -> None:
        """Say how far it has come, for `outlast list` and `show`. To be called as often as you like, from any thread.

        done, total: in whatever you count. note: one line of at most 200 characters. Raises ValueError for what is no
        finite number.
        """
        self.keeper.progress(self, Progress.of(done, total, str(note)[:MOST_NOTE]))

    def checkpoint(self, value: Any) -> None:
        """Have the next attempt go on from here: it finds `value` in `resume`. None: from the beginning.

        value: whatever could be an argument of a task without annotation, at most 64 KiB of JSON. It is written within
        about half a second. Raises NotStorable for another one.
        """
        self.keeper.checkpoint(self, value)


class AttemptLogger(logging.LoggerAdapter[logging.Logger]):
    """As any logger, and for the log of the attempt also where nobody else wants to hear it."""

    def __init__(self, attempt: Attempt) -> None:
        super().__init__(logging.getLogger(attempt.function.partition(":")[0] or "outlast.task"), {})
        self._attempt = attempt

    def process(self, msg: object, kwargs: Any) -> tuple[object, Any]:
        """Nothing is added: the record is the task's as any other."""
        return msg, kwargs

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """See `logging.Logger.log`."""
        if self.isEnabledFor(level):
            super().log(level, msg, *args, **{**kwargs, "stacklevel": kwargs.get("stacklevel", 1) + 1})
        elif level >= logging.INFO:
            record = logging.LogRecord(self.logger.name, level, "", 0, msg, args, _raised(kwargs.get("exc_info")))
            with suppress(Exception):  # of arguments that do not fit, which no logger raises at who logs
                self._attempt.keeper.log(self._attempt, lines_of(record))


def _raised(asked: Any) -> Any:
    """What `exc_info` means, see `logging.Logger.debug`."""
    if isinstance(asked, BaseException):
        return type(asked), asked, asked.__traceback__
    return sys.exc_info() if asked and not isinstance(asked, tuple) else asked or None


running_attempt: ContextVar[Attempt | None] = ContextVar("outlast_attempt", default=None)


def current() -> Attempt:
    """The attempt that the calling code belongs to; one that never has to stop outside of a task process."""
    return running_attempt.get() or Attempt()
