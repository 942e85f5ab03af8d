"""The context of each attempt: what the import of the app has set, and what the request had that asked for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from contextvars import Context

from outlast.child.run import Run
from outlast.events import context as words
from outlast.events.event import Once
from outlast.events.hindrances import Doubt
from outlast.functions.context.carrier import Carrier
from outlast.source.sources import Sources
from outlast.system.process import this
from outlast.text import in_one_line

MOST_SAID = 100  # sentences, each once


class Contexts:
    """Made when the app is imported. What an attempt sets is gone with it."""

    def __init__(self, ground: Context) -> None:
        self._ground = ground
        carry = {key: said for outlast in this.apps.installed for key, said in outlast.carry.items()}
        self._carrier = Carrier(Sources(), carry)
        self._complaints = Once(MOST_SAID)

    def new(self) -> Context:
        """For one attempt. From any thread."""
        return self._ground.copy()

    def carried(self, run: Run) -> AbstractContextManager[None] | None:
        """A block in which the context variables are as in its request; None where it brings none along."""
        return self._carried(run.given.context) if run.given.context else None

    def of_libraries(self, run: Run) -> AbstractContextManager[None] | None:
        """What libraries put round an attempt, inside of what its request had; None where none has anything."""
        managers = list(self._carrier.around(run.given.attempt.function))
        return self._entered(managers) if managers else None

    @contextmanager
    def _carried(self, stored: str) -> Iterator[None]:
        """What cannot be set is said, once. Nothing is taken back: the attempt has a context of its own."""
        try:
            complaints = self._carrier.unpack(stored)
        except ValueError as error:  # a hand has written it
            complaints = [f"the context of a task is not understood: {in_one_line(error)}"]
        self._complaints.tell(*map(Doubt, complaints))
        yield

    @contextmanager
    def _entered(self, managers: Sequence[tuple[str, AbstractContextManager[object]]]) -> Iterator[None]:
        with ExitStack() as entered:
            for library, manager in managers:
                try:
                    entered.enter_context(manager)
                except Exception as error:  # noqa: BLE001 - the library's code, perhaps of another version
                    self._complaints.tell(Doubt(words.not_entered(library, in_one_line(error))))
            yield
