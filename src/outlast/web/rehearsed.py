"""How the tasks of a test stand that has no journal, for the code that asks."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from itertools import islice
from typing import Any, Unpack

from outlast.errors import NoResult, TaskNotFound
from outlast.ids import shown
from outlast.journal.read import Record, Standing, Which
from outlast.system.process import this
from outlast.tasks.outcome import RETURNED, Returned
from outlast.tasks.task import State
from outlast.web import rehearsal
from outlast.web.entry import Entry
from outlast.web.lookout import Question
from outlast.web.outcomes import Outcomes
from outlast.web.parts import part_of
from outlast.web.tickets import Tickets

_SECRET = secrets.token_bytes(32)


class Rehearsed(Outcomes):
    """As a test that has no journal has seen them."""

    come_by_waiting = False

    def begins(self, entry: Entry) -> bool:
        """As an attempt that knows itself, unless it was cancelled meanwhile."""
        part = part_of(entry.id)
        if part is not None and part.has_ended:
            return False
        entry.task = rehearsal.begun(entry.task.kept(entry.scene, entry.id))
        return True

    def returned(self, entry: Entry, value: Any) -> Returned:
        """As it is."""
        rehearsal.returned(entry.task, value)
        return RETURNED

    def raised(self, entry: Entry, error: Exception) -> bool:
        """With its traceback."""
        return rehearsal.raised(entry.task, error)

    async def look(self, question: Question, timeout: float | None = None) -> Standing:
        """At once: what has not ended does not end by waiting."""
        return self.look_sync(question, timeout)

    def look_sync(self, question: Question, timeout: float | None = None) -> Standing:  # noqa: ARG002
        """The same."""
        part = part_of(question.number)
        if part is None:
            raise TaskNotFound(f"no task {shown(question.number)} in this test")
        found = part.standing
        if (question.for_end and not found.record.has_ended) or not question.is_met_by(found):
            raise TimeoutError(
                f"task {shown(question.number)} is {found.record.state}, and here none runs while somebody waits: in "
                "test mode `inline` it runs when its response is over, in mode `manual` by outlast_tasks.drain()"
            )
        return found

    async def value(self, standing: Standing) -> Any:
        """That of the function itself."""
        return standing.result

    def value_sync(self, standing: Standing) -> Any:
        """The same."""
        return standing.result

    async def told(self, standing: Standing) -> str:
        """As if a journal had it."""
        results = self.app.functions.results.at(standing.record.function)
        kept = results.kept(standing.result, self.app.settings.max_result)
        if kept.lost:
            raise NoResult(f"task {standing.record.id} is done, but {kept.lost}")
        return results.told(kept.result) if kept.result else ""

    def tickets(self) -> Tickets:
        """By a secret of this process."""
        return Tickets(_SECRET)

    def find(self, states: Sequence[State], limit: int, since: float, **which: Unpack[Which]) -> list[Record]:
        """Among those of this test."""
        labels = {state.label for state in states or State}
        records = [one.standing.record for _, one in sorted(this.rehearsal.tasks.items(), reverse=True)]
        meant = (one for one in records if _is_meant(one, **which))
        return list(islice((one for one in meant if one.state in labels and one.created_at >= since), limit))


def _is_meant(one: Record, name: str = "", key: str = "", queue: str = "") -> bool:
    return name in one.function and key in ("", one.key) and queue in ("", one.queue)
