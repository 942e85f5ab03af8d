"""One attempt at a task: prepare, put blocks around, call, report. The same wherever it runs; only the call differs:

with Reported():
    function, args, kwargs = prepare()
    with around(blocks):
        await function(*args, **kwargs)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from types import TracebackType

from outlast.tasks.outcome import Cut, Raised, Returned, Unknown, Wished

Ending = Returned | Raised | Wished | Cut | Unknown
"""What the process of an attempt can say of its end."""

Block = AbstractContextManager[object]
"""What lasts as long as the call: a span, a scope, a limit. The same for a coroutine and for a thread."""

_NOTHING = nullcontext()


class Reported(ABC):
    """A block whose end is one report: how it ended is judged, then recorded where it counts, then told.

    keeps: what is raised in it and goes no further.
    """

    keeps: type[BaseException] = BaseException

    @abstractmethod
    def judge(self, error: BaseException | None) -> Ending | None:
        """What has ending, by what was raised; None: the attempt has not ended, and goes on elsewhere."""

    @abstractmethod
    def record(self, ending: Ending) -> None:
        """Put it where it counts."""

    @abstractmethod
    def tell(self, ending: Ending, error: BaseException | None) -> None:
        """Let the app hear of it: the handlers of its log, its tracing. What these raise is not the attempt's end."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        ending = self.judge(error)
        if ending is None:
            return False
        self.record(ending)
        with suppress(Exception):
            self.tell(ending, error)
        return kind is not None and issubclass(kind, self.keeps)


def around(blocks: Iterable[Block | None]) -> Block:
    """All of them as one block, the first outermost. None stands for what this attempt has no need of."""
    needed = [one for one in blocks if one is not None]
    return _nested(needed) if needed else _NOTHING


@contextmanager
def _nested(blocks: Sequence[Block]) -> Iterator[None]:
    with ExitStack() as stack:
        for one in blocks:
            stack.enter_context(one)
        yield
