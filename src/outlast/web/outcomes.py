"""How tasks stand and what they have returned, for the code that asked for them."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Unpack

from outlast.errors import JournalMissing, NoResult, TaskNotFound
from outlast.events import endings
from outlast.ids import shown
from outlast.journal.engines import open_history
from outlast.journal.read import History, Record, Standing, Which
from outlast.tasks.outcome import RETURNED, Returned
from outlast.tasks.task import State
from outlast.web.entry import Entry
from outlast.web.installed import InstalledApp
from outlast.web.lookout import Question
from outlast.web.tickets import Tickets


class Outcomes(ABC):
    """Of the tasks of one app, in one kind of journal. come_by_waiting: whether tasks go on while somebody waits."""

    come_by_waiting = True

    def __init__(self, app: InstalledApp) -> None:
        self.app = app

    def begins(self, entry: Entry) -> bool:  # noqa: ARG002
        """A task is to begin here; whether it does."""
        return True

    @abstractmethod
    def returned(self, entry: Entry, value: Any) -> Returned:
        """What is recorded of what a task returned that ran here."""

    @abstractmethod
    def raised(self, entry: Entry, error: Exception) -> bool:
        """A task has raised that which ran here, and that is recorded. Whether it has failed by that, for good."""

    @abstractmethod
    async def look(self, question: Question, timeout: float | None = None) -> Standing:
        """How a task stands; `timeout` seconds are waited at most.

        Raises TaskNotFound, JournalUnusable or TimeoutError.
        """

    @abstractmethod
    def look_sync(self, question: Question, timeout: float | None = None) -> Standing:
        """The same for code without an event loop. Blocks."""

    @abstractmethod
    async def value(self, standing: Standing) -> Any:
        """What a done task has returned. Raises NoResult."""

    @abstractmethod
    def value_sync(self, standing: Standing) -> Any:
        """The same for code without an event loop. May import the module of its function."""

    @abstractmethod
    async def told(self, standing: Standing) -> str:
        """What a done task has returned, as `result` in a JSON object, as an endpoint would tell it; empty for None.

        Raises NoResult.
        """

    @abstractmethod
    def tickets(self) -> Tickets:
        """The names by which users ask for them. Blocks. Raises TaskNotFound when there is no journal."""

    @abstractmethod
    def find(self, states: Sequence[State], limit: int, since: float, **which: Unpack[Which]) -> list[Record]:
        """As the verb `tasks` of a history. Blocks."""


class Recorded(Outcomes):
    """As the journal says."""

    def returned(self, entry: Entry, value: Any) -> Returned:
        """As JSON, if there is something."""
        if value is None or not entry.recorded:
            return RETURNED
        return self.app.functions.results.of(entry.task.func).kept(value, self.app.settings.max_result)

    def raised(self, entry: Entry, error: Exception) -> bool:  # noqa: ARG002
        """It is in the settlement."""
        return True

    async def look(self, question: Question, timeout: float | None = None) -> Standing:
        """What was submitted and nobody has waited for is stored before it is said that there is no such task."""
        try:
            return await self._look(question, timeout)
        except TaskNotFound:
            await self.app.store([])
            return await self._look(question.again(), timeout)

    async def _look(self, question: Question, timeout: float | None) -> Standing:
        answer = self.app.lookout.ask(question)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(answer), timeout)
        except TimeoutError:
            raise _too_early(question, timeout) from None

    def look_sync(self, question: Question, timeout: float | None = None) -> Standing:
        """The same, blocking."""
        try:
            return self._look_sync(question, timeout)
        except TaskNotFound:
            self.app.store_now([])
            return self._look_sync(question.again(), timeout)

    def _look_sync(self, question: Question, timeout: float | None) -> Standing:
        answer = self.app.lookout.ask(question)
        try:
            return answer.result(timeout)
        except TimeoutError:
            answer.cancel()
            raise _too_early(question, timeout) from None

    async def value(self, standing: Standing) -> Any:
        """Read in another thread: it may be long, and its function in a module that is not imported yet."""
        if standing.result is None:
            return self.value_sync(standing)
        return await asyncio.to_thread(self.value_sync, standing)

    def value_sync(self, standing: Standing) -> Any:
        """From JSON, typed as its function is annotated."""
        if standing.result is not None:
            return self.app.functions.results.read(standing.record.function, standing.result)
        lost = standing.record.reason or ("" if self.app.settings.max_result else endings.NO_RESULTS_KEPT)
        if lost:
            raise NoResult(f"task {standing.record.id} is done, but {lost}")
        return None

    async def told(self, standing: Standing) -> str:
        """From JSON to JSON, in another thread, as `value`."""
        if standing.result is None:
            self.value_sync(standing)
            return ""
        return await asyncio.to_thread(self._told, standing)

    def _told(self, standing: Standing) -> str:
        return self.app.functions.results.at(standing.record.function).told(standing.result)

    def tickets(self) -> Tickets:
        """By the secret of the journal that is there now."""
        try:
            return Tickets(self._history().secret())
        except JournalMissing as error:
            raise TaskNotFound(str(error)) from None

    def find(self, states: Sequence[State], limit: int, since: float, **which: Unpack[Which]) -> list[Record]:
        """In the journal; without one there are none."""
        try:
            history = self._history()
        except JournalMissing:
            return []
        return history.tasks(states, limit=limit, since=since, **which)

    def _history(self) -> History:
        return open_history(self.app.settings.url, self.app.settings.redact)


def _too_early(question: Question, timeout: float | None) -> TimeoutError:
    what = "ended" if question.for_end else "changed"
    return TimeoutError(f"task {shown(question.number)} has not {what} within {timeout or 0:g} s")
