"""The pending tasks of one call of the app: those that were seen in it, and what becomes of each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Iterable, Sequence
from contextlib import nullcontext
from functools import partial
from types import FrameType
from typing import Any

from starlette.background import BackgroundTask, BackgroundTasks

from outlast.events.requests import BAD, REFUSED
from outlast.journal.contract import Change
from outlast.tasks.task import Lane
from outlast.watch.flights import InFlight
from outlast.web.background import StandIn
from outlast.web.current import Observer
from outlast.web.entry import Entry, Step
from outlast.web.fate import NOTHING, RELEASE, Ended, Ending, Fate, TaskSeen, Verdict, fate
from outlast.web.inline import run_inline
from outlast.web.journal import Journal
from outlast.web.pieces import in_pieces
from outlast.web.preparation import Preparation
from outlast.web.sightings import Sightings


class PendingTasks(Observer):
    """What the hooks put tasks into, and the doorway takes them from.

    waits: whether tasks wait for the end of the call; in a WebSocket they do not.
    status: of the response that was started, 0 before that.
    refused: nothing of it was accepted, which its client is told.
    unconfirmed: something was submitted that nobody has waited for yet.
    errors: what tasks raised that ran here.
    """

    def __init__(self, journal: Journal, origin: str, *, waits: bool) -> None:
        self.journal = journal
        self.app = journal.app.app
        self.waits = waits
        self.preparation = Preparation(journal, origin, waits=waits)
        self.sightings = Sightings(journal.app.ids, will_leave=waits)
        self.flight: InFlight | None = None
        self.status = 0
        self.refused = False
        self.closed = False
        self.unconfirmed = False
        self.errors: list[Exception] = []
        self._storing: asyncio.Lock | None = None  # of the few calls in which somebody waits for it

    # What the hooks and the explicit API report

    def assign(self, background: Any) -> Any:
        """See `Observer.assign`."""
        return self.sightings.carry(background)

    def added(self, owner: BackgroundTasks, caller: FrameType) -> None:
        """See `Observer.added`. Where no response is to start any more, nobody waits for it."""
        entries = self.sightings.added(owner, caller)
        if not self.waits or (self.status and self.sightings.is_carrier(owner)):
            self.submit(entries)

    def promise(self, entry: Entry) -> None:
        """A task was added through `outlast.BackgroundTasks`, or those are ready now."""
        self.sightings.promised(entry)
        if entry.promise is not None and entry.promise.ready and (self.status or not self.waits):
            self.submit([entry])

    def leave(self) -> None:
        """See `Observer.leave`."""
        self.sightings.leave()

    def called(self, task: BackgroundTask) -> Awaitable[None] | None:
        """See `Observer.called`: by Starlette, which has sent its response by then, or by the user's own code."""
        assert isinstance(task, StandIn)  # noqa: S101 - nothing else asks
        entry = self.sightings.entry_of(task)
        if self.waits and not self.status:
            entry.step = Step.OVER
            return task.run()
        entry.called = True
        if entry.step is Step.SEEN:
            return self._submit_called(entry)
        return self._run(entry) if entry.step is Step.HELD and self.preparation.plan_of(entry).is_inline else None

    async def _submit_called(self, entry: Entry) -> None:
        self.sightings.place([entry])
        if not self.journal.knows(entry.task):
            await self.preparation.look_into([entry])
        self.submit([entry])
        if entry.step is Step.HELD and self.preparation.plan_of(entry).is_inline:
            await self._run(entry)

    # What the doorway asks for

    async def store(self, early: Sequence[Entry] = ()) -> None:
        """A response starts: its tasks are durable when this returns. Raises StoreFailed or JournalUnusable.

        early: or somebody waits for these before that.
        """
        if early and self._storing is None:
            self._storing = asyncio.Lock()
        to_be_stored = partial(_seen, early) if early else self.sightings.to_be_stored
        async with self._storing or nullcontext():
            entries = to_be_stored()
            while unknown := [entry for entry in entries if not self.journal.knows(entry.task)]:
                await self.preparation.look_into(unknown)
                entries = to_be_stored()  # others may have been added
            if entries:
                await self.preparation.store(entries)
                self.journal.app.warnings.is_well()
                _hold(entries, recorded=self.journal.records)

    @property
    def offered(self) -> list[Entry]:
        """Those of which the journal has not said that it took them."""
        return [entry for entry in self.sightings if entry.step is Step.OFFERED]

    def hold_inline(self, reason: str) -> None:
        """They are accepted although the journal does not take them: they run here, unrecorded."""
        for entry in self.offered:
            entry.plan = self.preparation.plan_of(entry).inline(reason)
            _hold([entry], recorded=False)

    def start(self, status: int) -> None:
        """The response starts now."""
        self.status = status
        self.sightings.response_started()

    def submit(self, entries: Iterable[Entry]) -> None:
        """Store what came after the response was started, or in a WebSocket. Nobody waits here."""
        fresh = _seen(entries)
        if fresh and not self.refused:
            for entry in fresh:
                self.journal.presume(entry.task)
            self.journal.store_soon([self.preparation.offered(entry) for entry in fresh])
            self.preparation.say_order(fresh)
            _hold(fresh, recorded=self.journal.records)
            self.unconfirmed = True

    async def finish(self, ending: Ending) -> None:
        """The call is over: every task goes on, is dropped, or runs here and now."""
        self.closed = True
        try:
            for entry in await self._let_go(ending):
                with entry.scene.shown() if entry.scene else nullcontext():
                    await self._run(entry)
        finally:  # contexts lead back here, by the context variable: all would wait for the garbage collector
            self.sightings.forget()
            self.preparation.forget()

    async def _let_go(self, ending: Ending) -> list[Entry]:
        """Tell the journal what becomes of each task; returns those that run here."""
        here: list[Entry] = []
        changes: list[Change] = []

        def decide(entry: Entry) -> None:
            its = _fate_of(entry, self, ending)
            changes.extend(self.preparation.changes(entry, its))
            if its.verdict is Verdict.RUN_INLINE:
                here.append(entry)

        undecided = iter(self.sightings)
        try:
            await in_pieces(decide, undecided)
        except BaseException:  # the call is cancelled: what becomes of its tasks is said all the same
            for entry in undecided:
                decide(entry)
            raise
        finally:
            self.journal.store_soon(changes)
        return here

    async def _run(self, entry: Entry) -> None:
        function = self.preparation.plan_of(entry).function
        record = self.journal.store_soon if entry.recorded else lambda _: None
        outcomes = self.journal.outcomes(self.journal.app)
        if not outcomes.begins(entry):
            return
        with self.journal.app.flights.flying(function, entry.id, Lane.INLINE) as flight:
            error = await run_inline(entry, record, outcomes.returned, flight)
        if error is not None and outcomes.raised(entry, error):
            self.errors.append(error)


def _fate_of(entry: Entry, pending: PendingTasks, ending: Ending) -> Fate:
    """What the table says; in a WebSocket tasks were let go when they were added."""
    is_inline = entry.plan is not None and entry.plan.is_inline
    is_held = entry.step is Step.HELD
    if pending.refused:  # what was stored early may not wait for ever
        return Fate(Verdict.DROP, REFUSED) if is_held else NOTHING
    if is_held and entry.called and pending.waits and not is_inline and ending.ended is Ended.RETURNED:
        return RELEASE  # as nearly always
    has_gone = not pending.waits and entry.recorded and not is_inline
    seen = TaskSeen(
        held=is_held,
        inline=is_inline,
        called=entry.called,
        promised=entry.promise is not None or not pending.waits,
        over=has_gone or entry.step in (Step.OFFERED, Step.OVER),
        late=entry.late,
        lost=entry.promise.lost if entry.promise is not None else "",
        other_background_sent=bool(pending.sightings.carriers) and pending.status < BAD,
    )
    return fate(seen, ending)


def _seen(entries: Iterable[Entry]) -> list[Entry]:
    return [entry for entry in entries if entry.step is Step.SEEN]


def _hold(entries: Iterable[Entry], *, recorded: bool) -> None:
    """They were accepted and wait for the end of the response; in the journal if `recorded`."""
    for entry in entries:
        entry.step = Step.HELD
        entry.recorded = recorded
