"""How the tasks of one call will run, and what the journal is told of each."""

from __future__ import annotations

from collections.abc import Sequence
from contextvars import copy_context

from outlast.errors import IdTaken
from outlast.events import endings, requests
from outlast.journal.contract import Change, Drop
from outlast.tasks.task import NewTask, State, renumbered
from outlast.web.entry import Entry, Step
from outlast.web.fate import Fate, Verdict
from outlast.web.journal import Journal
from outlast.web.luggage import Luggage
from outlast.web.pieces import in_pieces
from outlast.web.plan import Plan, order_warning, plan_or_inline, with_what_follows


class Preparation:
    """For one call, from `origin` (`GET /orders`). waits: whether tasks wait for the end of the call."""

    def __init__(self, journal: Journal, origin: str, *, waits: bool) -> None:
        self.journal = journal
        self.origin = origin
        self.waits = waits
        self._before = copy_context()
        self._luggage: Luggage | None = None
        self._last: int | None = None

    def forget(self) -> None:
        """The call is over."""
        self._luggage = None

    def plan_of(self, entry: Entry) -> Plan:
        """How an entry will run; found out when it is first asked for."""
        if entry.plan is None:
            planned = plan_or_inline(entry.task, self.journal.describe)
            reason = planned.why_nothing_flows(self.journal.app.settings.max_result)
            return self.set_plan(entry, planned.inline(reason) if reason else planned)
        return entry.plan

    def set_plan(self, entry: Entry, plan: Plan) -> Plan:
        """That is how it would run on a server."""
        if plan.is_inline:
            self.journal.app.warnings.say(entry.site, requests.runs_inline(plan.function, plan.reason))
        entry.plan = plan = self.journal.adapted(plan)
        return plan

    def reason_to_stay(self, entry: Entry) -> str:
        """Pack what its context holds; returns why it has to run here, since it reads what does not travel."""
        self._luggage = self._luggage or Luggage(self.journal.app.functions, self._before)
        return self.journal.reason_to_stay(entry, self._luggage)

    async def look_into(self, entries: Sequence[Entry]) -> None:
        """Wait until it is known how each will run; one that was planned before that may have to run here."""
        await self.journal.look_into([entry.task for entry in entries])
        for entry in entries:
            if entry.plan is not None and (anew := plan_or_inline(entry.task, self.journal.describe)).is_inline:
                self.set_plan(entry, entry.plan.inline(anew.reason))

    def say_order(self, entries: Sequence[Entry]) -> None:
        """Warn of an order that cannot be kept."""
        if len(entries) > 1 and self.journal.records and (warning := order_warning(list(map(self.plan_of, entries)))):
            self.journal.app.warnings.say(entries[0].site, warning)

    def offered(self, entry: Entry) -> NewTask:
        """The change that stores it, behind the one before, with what travels of its request's context by now."""
        plan = self.plan_of(entry)
        if not plan.is_inline and (reason := self.reason_to_stay(entry)) and entry.promise is None:
            plan = self.set_plan(entry, plan.inline(reason))
        entry.step = Step.OFFERED
        follows = None
        if not plan.is_inline and not (entry.promise is not None and entry.promise.parallel):
            follows, self._last = self._last, entry.id
        return self._new(entry, plan, State.HELD if self.waits or plan.is_inline else State.WAITING, follows)

    async def store(self, entries: Sequence[Entry]) -> None:
        """Offer them with the start of the response, with another id where one is taken that nobody has been told yet.

        Many do not keep others from the event loop.
        """
        last = self._last
        try:
            await self._store(entries)
        except BaseException:
            self._last = last  # whoever offers them again begins there
            raise

    async def _store(self, entries: Sequence[Entry]) -> None:
        try:
            adds = await in_pieces(self.offered, entries)
        except BaseException:  # the call was cancelled: the journal has not heard of them
            for entry in entries:
                entry.step = Step.SEEN
            raise
        self.say_order(entries)
        try:
            answer = await self.journal.store(adds)
        except IdTaken as error:
            theirs = [entry for entry in entries if entry.id in error.ids]
            if not theirs or any(entry.is_out for entry in theirs):
                raise
            new = {entry.id: self.journal.app.ids.next() for entry in theirs}
            for entry in theirs:
                entry.id = new[entry.id]
            self._last = new.get(self._last or 0, self._last)
            answer = await self.journal.store([renumbered(one, new) for one in adds])
        for entry in entries:
            if entry.promise is not None:
                entry.promise.given = answer.get(entry.id, entry.id)

    def changes(self, entry: Entry, its: Fate) -> list[Change]:
        """What the journal is told of a decision."""
        if its.verdict is Verdict.RELEASE:
            return self.journal.let_go(entry)
        if its.verdict is Verdict.DROP and (entry.recorded or not self.journal.records):
            plan = self.plan_of(entry)
            if plan.options.key is None:  # the journal says it of one that others may want, too
                _tell_dropped(entry, plan, its.reason)
            return [Drop(entry.id, its.reason)]
        if its.verdict is Verdict.RECORD and self.journal.records:
            if its.reason == requests.OWN_BACKGROUND:
                self.journal.app.warnings.say(entry.site, requests.NOT_RUN)
            plan = self.plan_of(entry)
            _tell_dropped(entry, plan, its.reason)
            entry.plan = plan.as_record()  # it is no more
            return [self._new(entry, entry.plan, State.HELD), Drop(entry.id, its.reason)]
        return []

    def _new(self, entry: Entry, plan: Plan, state: State, follows: int | None = None) -> NewTask:
        task = plan.task(entry.id, state, self.origin, follows, entry.context)
        return with_what_follows(task, plan.sequels, self.journal.app.ids.next)


def _tell_dropped(entry: Entry, plan: Plan, reason: str) -> None:
    it = endings.about(entry.id, plan.function, 0, plan.lane, plan.options.limits.queue)
    endings.tell_end(State.DROPPED.label, reason, it)
