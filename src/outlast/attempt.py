"""What a task can know of its own attempt while it runs: `outlast.current()`."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass

from outlast.tasks import shown


class Stopped(BaseException):
    """The task was cancelled, its timeout is over, or it blocked its event loop for too long.

    Not an Exception, so that `except Exception` lets it pass. Clean up where needed, then let it go on.
    """


@dataclass(slots=True, eq=False)
class Attempt:
    """One try at a task. `number` is 1 for the first, 0 outside of a task process.

    task: the id of the task as a number, 0 outside of a task process. function: its `module:name`.
    stopping: it has to end, see `check`. over: its function has returned or raised. over_limit: it has more memory
    than it may have, and has not been told yet.
    """

    task: int = 0
    number: int = 0
    function: str = ""
    stopping: bool = False
    over: bool = False
    over_limit: bool = False

    @property
    def id(self) -> str:
        """The id of the task as people see it; empty outside of a task process."""
        return shown(self.task) if self.task else ""

    def check(self) -> None:
        """To be called now and then by a `def` that runs long. Raises Stopped when the task has to end."""
        if self.stopping:
            raise Stopped("the task was cancelled, or its timeout is over")


running_attempt: ContextVar[Attempt | None] = ContextVar("outlast_attempt", default=None)


def current() -> Attempt:
    """The attempt that the calling code belongs to; one that never has to stop outside of a task process."""
    return running_attempt.get() or Attempt()
