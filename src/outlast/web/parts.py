"""What is known of the tasks of a test that has no journal: kept in memory, each by its number.

Its time is the test's: that of the clock, and as much later as the test has moved it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from outlast.events import endings
from outlast.ids import shown
from outlast.journal.read import Record, Standing
from outlast.system.process import now, this
from outlast.tasks.attempt import Attempt
from outlast.tasks.outcome import RETURNED, Returned
from outlast.tasks.task import NewTask, Sequel, State
from outlast.web.background import StandIn
from outlast.web.installed import InstalledApp

MOST = 10_000  # the newest tasks of a test


@dataclass(slots=True)
class Part:
    """What is known of one task of a test.

    app: whose it is. due: when it may begin; expires_at: from when on not any more (seconds since the epoch).
    sequel: what it runs after, if it does; is_given_up: for the end of one of those. call: what is to run; None as long
    as it waits for them. is_unasked: it was dropped with its response. retried: how often it has been tried again.
    checkpoint: where its next attempt goes on, as JSON. returned: what those get of it that run after it.
    """

    app: InstalledApp
    task: NewTask
    standing: Standing
    due: float = 0.0
    expires_at: float | None = None
    sequel: Sequel | None = None
    call: StandIn | None = None
    is_given_up: bool = False
    is_unasked: bool = False
    retried: int = 0
    checkpoint: str | None = None
    returned: Returned = RETURNED

    @property
    def state(self) -> State:
        """Where it is."""
        return State[self.standing.record.state.upper()]

    @property
    def has_ended(self) -> bool:
        """Whether it has, for good."""
        return self.standing.record.has_ended

    def change(self, **changes: Any) -> None:
        """What its record says from now on."""
        self.standing = replace(self.standing, record=replace(self.standing.record, **changes))

    def set_times(self) -> None:
        """Those that were asked for count from now."""
        asked = self.task.options
        run_at = asked.not_before(now())
        self.due = now() if run_at is None else run_at
        self.expires_at = None if asked.expires is None else now() + asked.expires
        self.change(run_at=run_at)

    def wait(self, call: StandIn) -> None:
        """That is to run, when its time has come."""
        self.call = call
        self.change(state=State.WAITING.label)
        this.rehearsal.collected.append(call)

    def end_unrun(self, state: State, reason: str) -> None:
        """It does not run any more."""
        self.change(state=state.label, reason=reason, ended_at=now(), run_at=None)
        this.rehearsal.collected = [one for one in this.rehearsal.collected if one.number != self.task.id]

    def tell_end(self) -> None:
        """In the log, as a server does."""
        it = self.standing.record
        queue = self.task.options.limits.queue
        endings.tell_end(it.state, it.reason, endings.about(self.task.id, it.function, it.attempt, it.lane, queue))

    def as_stored(self, call: StandIn) -> StandIn:
        """The same call with its arguments as they come out of a journal.

        Raises NotStorable for those that its function does not take, and what the user's validators raise.
        """
        if not self.task.arguments:  # it would run inline, or stands in for another
            return call
        args, kwargs = self.app.functions.describe(*call.functions).codec.decode(self.task.arguments)
        named = {name: one for name, one in kwargs.items() if not isinstance(one, Attempt)}
        return call.given(tuple(one for one in args if not isinstance(one, Attempt)), named)


def part_of(number: int) -> Part | None:
    """What is known of a task; None for one that this test does not know."""
    part: Part | None = this.rehearsal.tasks.get(number)
    return part


def parts() -> Iterator[Part]:
    """All that are known, in the order in which they were added."""
    return iter(list(this.rehearsal.tasks.values()))


def keep(task: NewTask, app: InstalledApp, sequel: Sequel | None = None) -> Part:
    """A new one, that of the oldest is forgotten if there are too many."""
    while len(this.rehearsal.tasks) >= MOST:
        del this.rehearsal.tasks[next(iter(this.rehearsal.tasks))]
    part = this.rehearsal.tasks[task.id] = Part(app, task, Standing(_record(task)), sequel=sequel)
    return part


def _record(task: NewTask) -> Record:
    state, lane, arguments = task.state.label, str(task.lane), task.arguments or ""
    times = (now(), None, None)
    texts = (task.function, arguments, task.origin, "", "", "", "")
    follows = shown(task.follows) if task.follows is not None else ""
    key, queue = task.options.key or "", task.options.limits.queue
    return Record(shown(task.id), state, lane, 0, 0, follows, *times, *texts, None, key, queue)
