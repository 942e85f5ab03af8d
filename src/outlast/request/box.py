"""The box of one request: the tasks that were seen in it, and what becomes of each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence, Set
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

from starlette.background import BackgroundTasks

from outlast.engines.contract import Add, Change, Drop, Release
from outlast.logs.ends import fields, tell_end
from outlast.process import Mode, this
from outlast.request.boxed import BoxedTask, box_element, boxed, is_group, tasks_of
from outlast.request.current import current_box
from outlast.request.entry import Entry, Step
from outlast.request.fate import OWN_BACKGROUND, Ending, Fate, Seen, Verdict, fate
from outlast.request.inline import run_inline
from outlast.request.luggage import Luggage
from outlast.request.mode import INLINE, MANUAL, REAL, in_mode
from outlast.request.pieces import in_pieces
from outlast.request.plan import Plan, inline_warning, order_warning, plan_or_inline
from outlast.request.scene import Scene
from outlast.request.site import UNKNOWN, Site, Warnings, call_site
from outlast.request.store import Journal, NoJournal, Store, TaskFunction
from outlast.tasks import Lane, NewTask, State, renumbered
from outlast.watch.flights import InFlight


@dataclass(slots=True, eq=False)
class Box:
    """What the hooks put tasks into, and the doorway takes them from.

    waits: whether tasks wait for the end of the call; in a WebSocket they do not.
    mode: one of the test modes, or `real`.
    status: of the response that was started, 0 before that.
    closed: the call is over, or nothing of it was accepted: tasks are not taken any more.
    unconfirmed: something was submitted that nobody has waited for yet.
    flight: the request as the watch knows it; its inline tasks are in flight beside it.
    errors: what tasks raised in test mode `inline`.
    """

    outlast: Store
    origin: str
    mode: Mode
    waits: bool
    warnings: Warnings
    flight: InFlight | None = None
    status: int = 0
    refused: bool = False
    closed: bool = False
    unconfirmed: bool = False
    errors: list[Exception] = field(default_factory=list)
    journal: Journal = field(init=False)
    _entries: dict[int, Entry] = field(default_factory=dict)
    _assigned: list[Any] = field(default_factory=list)
    _last: int | None = None
    _luggage: Luggage = field(init=False)

    def __post_init__(self) -> None:
        self._luggage = Luggage(self.outlast.functions)
        self.journal = self.outlast if self.mode == REAL else NoJournal()

    @contextmanager
    def open(self) -> Iterator[None]:
        """Tasks that are added by what runs in the block go in here."""
        token = current_box.set(self)
        try:
            yield
        finally:
            current_box.reset(token)

    # What the hooks and the explicit API report

    def assign(self, background: Any) -> Any:
        """A response was given `background`, or that is read; returns what it shall have in its place."""
        if any(one is background for one in self._assigned):
            self._set_scene(self._see(tasks_of(background)) if not self.status else ())
            return background
        stands_in = boxed(background)
        self._assigned.append(stands_in)
        self._set_scene(self._see(tasks_of(stands_in), call_site))
        return stands_in

    def added(self, owner: BackgroundTasks) -> None:
        """A task was just appended to `owner`."""
        if not is_group(owner):
            return
        element = owner.tasks[-1] = box_element(owner.tasks[-1])
        entries = self._set_scene(self._see(tasks_of(element), call_site))
        if not self.waits or (self.status and any(one is owner for one in self._assigned)):
            self.submit(entries)

    def promise(self, entry: Entry) -> None:
        """A task was added through `outlast.BackgroundTasks`, or those are ready now."""
        self._entries[id(entry.task)] = entry
        self._set_scene([entry])
        if entry.ready and (self.status or not self.waits):
            self.submit([entry])

    async def call(self, task: BoxedTask) -> None:
        """Somebody calls the task: Starlette, which has sent its response by then, or the user's own code."""
        (entry,) = self._see([task])
        if self.waits and not self.status:
            entry.step = Step.OVER
            await task.run()
        else:
            await self._sent(entry)

    def leave(self) -> None:
        """A response starts here: its tasks see what has been set since they were seen in this asyncio task."""
        here = Scene() if self._entries else None
        for entry in self._entries.values():
            if here is not None and entry.scene is not None and entry.scene.task is here.task:
                entry.scene = here

    # What the doorway asks for

    def offerable(self) -> list[Entry]:
        """The tasks that are to be stored with the start of the response, in their order."""
        if not self._entries and not self._assigned:
            return []
        outside_in = reversed(self._assigned)  # what was assigned later is called first, or contains the earlier
        carried = [entry for background in outside_in for entry in self._see(tasks_of(background))]
        promised = [entry for entry in self._entries.values() if entry.promised and entry.ready]
        return [entry for entry in dict.fromkeys(carried + promised) if entry.step is Step.SEEN]

    def knows(self, entry: Entry) -> bool:
        """Whether it is known how an entry will run, or can be said without a look into a file."""
        if self.mode != REAL or entry.task.original is not None:
            return True
        return all(map(self.outlast.functions.knows, entry.task.functions))

    async def look_into(self, entries: Sequence[Entry]) -> None:
        """Wait until it is known how each will run; one that was planned before that may have to run here."""
        unknown = [entry for entry in entries if not self.knows(entry)]
        await self.outlast.functions.look_into([one for entry in unknown for one in entry.task.functions])
        for entry in unknown:
            if entry.plan is not None and (anew := plan_or_inline(entry.task, self.describe)).is_inline:
                self.set_plan(entry, entry.plan.inline(anew.reason))

    async def offer(self, entries: Sequence[Entry]) -> list[Add]:
        """The changes that store `entries`. There may be many: the loop does not wait for all of them."""
        self._say_order(await in_pieces(self._plan_in_context, entries), entries[0].site)
        self._take(entries, Step.OFFERED)
        try:
            return await in_pieces(self._stored, entries)
        except BaseException:  # the call was cancelled: the journal has not heard of them
            self._take(entries, Step.SEEN)
            raise

    def offer_anew(self, entries: Sequence[Entry], changes: Iterable[Add], taken: Set[int]) -> list[Add]:
        """The same changes with new ids for those that other tasks have; none if somebody knows one of them."""
        theirs = [entry for entry in entries if entry.id in taken]
        if any(entry.is_out for entry in theirs):
            return []
        new = {entry.id: self.outlast.ids.next() for entry in theirs}
        for entry in theirs:
            entry.id = new[entry.id]
        self._last = new.get(self._last or 0, self._last)
        return [Add(renumbered(one.task, new)) for one in changes] if new else []

    def hold(self, entries: Iterable[Entry], *, recorded: bool) -> None:
        """They were accepted and wait for the end of the response; in the journal if `recorded`."""
        for entry in entries:
            entry.step = Step.HELD
            entry.recorded = recorded and self.mode == REAL

    def hold_inline(self, entries: Iterable[Entry], reason: str) -> None:
        """They were accepted although the journal does not take them: they run here, unrecorded."""
        for entry in entries:
            entry.plan = self.plan_of(entry).inline(reason)
            self.hold([entry], recorded=False)

    def submit(self, entries: Iterable[Entry]) -> None:
        """Store what came after the response was started, or in a WebSocket. Nobody waits here."""
        fresh = [entry for entry in entries if entry.step is Step.SEEN]
        if fresh and not self.refused:
            for entry in fresh:
                if not self.knows(entry):
                    self._presume(entry)
            self._say_order([self._plan_in_context(entry) for entry in fresh], fresh[0].site)
            self.journal.store_soon([self._stored(entry) for entry in fresh])
            self.hold(fresh, recorded=True)
            self.unconfirmed = True

    async def finish(self, ending: Ending) -> None:
        """The call is over: every task goes on, is dropped, or runs here and now."""
        self.closed = True
        if not self._entries or self.refused:
            return
        for entry in await self._let_go(ending):
            with entry.scene.shown() if entry.scene else nullcontext():
                await self._run(entry)

    async def _let_go(self, ending: Ending) -> list[Entry]:
        """Tell the journal what becomes of each task; returns those that run here."""
        here: list[Entry] = []
        changes: list[Change] = []

        def decide(entry: Entry) -> None:
            its = fate(self._seen(entry), ending)
            changes.extend(self._changes(entry, its))
            if its.verdict is Verdict.RUN_INLINE:
                here.append(entry)

        undecided = iter(list(self._entries.values()))
        try:
            await in_pieces(decide, undecided)
        except BaseException:  # the call is cancelled: what becomes of its tasks is said all the same
            for entry in undecided:
                decide(entry)
            self.journal.store_soon(changes)
            raise
        self.journal.store_soon(changes)
        return here

    def set_plan(self, entry: Entry, plan: Plan) -> Plan:
        """That is how an entry will run, but for test modes."""
        if plan.is_inline:
            self.warnings.say(entry.site, inline_warning(plan))
        entry.plan = in_mode(plan, self.mode)
        return entry.plan

    def plan_of(self, entry: Entry) -> Plan:
        """How an entry will run; found out when it is first asked for."""
        return entry.plan or self.set_plan(entry, plan_or_inline(entry.task, self.describe))

    def describe(self, function: Callable[..., Any], *passed: Callable[..., Any]) -> TaskFunction:
        """What a task of `function` needs. On a server's event loop no file is read for that."""
        functions = self.outlast.functions
        return (functions.describe_now if self.mode == REAL else functions.describe)(function, *passed)

    def reason_to_stay(self, entry: Entry) -> str:
        """Pack what its context holds; returns why it has to run here, since it reads what does not travel."""
        if self.mode != REAL or entry.scene is None:
            return ""
        verdict = self._luggage.judge(self.plan_of(entry).function, entry.task.functions, entry.scene.context)
        entry.context = verdict.text
        for sentence in verdict.warnings:
            self.warnings.say(entry.site, sentence)
        return verdict.reason_to_stay

    # Steps

    def _plan_in_context(self, entry: Entry) -> Plan:
        plan = self.plan_of(entry)
        reason = "" if plan.is_inline else self.reason_to_stay(entry)
        return self.set_plan(entry, plan.inline(reason)) if reason and not entry.promised else plan

    def _set_scene(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """They were seen where the code of this moment runs."""
        scene = Scene()
        for entry in entries:
            entry.scene = scene.after(entry.scene)
        return entries

    def _presume(self, entry: Entry) -> None:
        for function in entry.task.functions:
            self.outlast.functions.presume(function)

    def _say_order(self, plans: Sequence[Plan], site: Site) -> None:
        warning = order_warning(plans)
        if warning and self.mode == REAL:
            self.warnings.say(site, warning)

    def _take(self, entries: Iterable[Entry], step: Step) -> None:
        for entry in entries:
            entry.step = step

    def _stored(self, entry: Entry) -> Add:
        return Add(self._new_task(entry, self._place(entry), self._state(entry)))

    async def _sent(self, entry: Entry) -> None:
        entry.called = True
        if entry.step is Step.SEEN:
            self._set_scene([entry])
            await self.look_into([entry])
        self.submit([entry])
        if self.plan_of(entry).is_inline and entry.step is Step.HELD:
            await self._run(entry)

    def _see(self, tasks: Iterable[BoxedTask], site: Callable[[], Site] = lambda: UNKNOWN) -> list[Entry]:
        """The entries of tasks; `site` is asked where those come from that were not seen before."""
        return [self._entries.get(id(task)) or self._new_entry(task, site()) for task in tasks]

    def _new_entry(self, task: BoxedTask, site: Site) -> Entry:
        entry = Entry(task, self.outlast.ids.next(), site, late=self.status > 0)
        self._entries[id(task)] = entry
        return entry

    def _place(self, entry: Entry) -> int | None:
        """The task that an entry has to wait for."""
        if entry.parallel or self.plan_of(entry).is_inline:
            return None
        before, self._last = self._last, entry.id
        return before

    def _state(self, entry: Entry) -> State:
        return State.HELD if self.waits or self.plan_of(entry).is_inline else State.WAITING

    def _new_task(self, entry: Entry, follows: int | None, state: State) -> NewTask:
        plan = self.plan_of(entry)
        return NewTask(
            id=entry.id,
            function=plan.function,
            arguments=plan.arguments,
            lane=plan.lane,
            state=state,
            created_at=time.time(),
            origin=self.origin,
            follows=follows,
            terms=plan.terms,
            code=plan.code,
            context=entry.context,
        )

    def _seen(self, entry: Entry) -> Seen:
        """What the decision needs; in a WebSocket tasks were let go when they were added."""
        let_go = not self.waits and entry.recorded and not self.plan_of(entry).is_inline
        return Seen(
            held=entry.step is Step.HELD,
            inline=entry.plan is not None and entry.plan.is_inline,
            called=entry.called,
            promised=entry.promised or not self.waits,
            over=let_go or entry.step in (Step.OFFERED, Step.OVER),
            late=entry.late,
            lost=entry.lost,
            outdone=bool(self._assigned) and self.status < 400,
        )

    def _changes(self, entry: Entry, its: Fate) -> list[Change]:
        """What the journal is told of a decision."""
        if its.verdict is Verdict.RELEASE and self.mode == MANUAL:
            this.collected.append(entry.task.kept(entry.scene))
        if self.mode != REAL:
            return []
        match its.verdict:
            case Verdict.RELEASE:
                return [Release(entry.id)]
            case Verdict.DROP:
                return self._dropped(entry, its.reason) if entry.recorded else []
            case Verdict.RECORD:
                return self._recorded_as_dropped(entry, its.reason)
        return []

    def _recorded_as_dropped(self, entry: Entry, reason: str) -> list[Change]:
        if reason == OWN_BACKGROUND:
            self.warnings.say(entry.site, f"a background task is not run: {reason}")
        return [Add(self._new_task(entry, None, State.HELD)), *self._dropped(entry, reason)]

    def _dropped(self, entry: Entry, reason: str) -> list[Change]:
        plan = self.plan_of(entry)
        tell_end(State.DROPPED, reason, fields(entry.id, plan.function, 0, plan.lane))
        return [Drop(entry.id, reason)]

    async def _run(self, entry: Entry) -> None:
        with self.outlast.flights.flying(self.plan_of(entry).function, entry.id, Lane.INLINE) as flight:
            error = await run_inline(entry, self._record(entry), flight)
        if error is not None and self.mode == INLINE:
            self.errors.append(error)

    def _record(self, entry: Entry) -> Callable[[Change], None]:
        return (lambda change: self.journal.store_soon([change])) if entry.recorded else _forget


def _forget(change: Change) -> None:
    """Nobody is to be told."""
