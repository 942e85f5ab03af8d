"""Schedules in a journal: the records that cross its border, and what an engine has to do with them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Protocol

from outlast.system.deployment import Home
from outlast.tasks.schedules import Schedule
from outlast.tasks.task import NewTask


@dataclass(frozen=True, slots=True)
class Declared:
    """All schedules that the code of a release has, as it says itself. They hold while it is the newest of its app."""

    schedules: Sequence[Schedule]


@dataclass(frozen=True, slots=True)
class Scheduled:
    """A schedule was asked for at run time, in place of one that was so of the same name. id: drawn for this."""

    id: int
    schedule: Schedule


@dataclass(frozen=True, slots=True)
class Unscheduled:
    """One that was asked for at run time shall not run any more. id: drawn for this."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a release has declared; another `revision` says other things. texts: of `Schedule`, maybe not readable."""

    home: Home
    revision: int
    texts: str = ""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A schedule about which something is to be done. revision: of what it says; see `Tick`.

    next_at: the tick that nothing was done about, None where it is not known which is the next; seen_at: when that was
    worked out. asked_at: when somebody wanted it to run beside its ticks. last_at: its newest tick. is_paused: it has
    no ticks, but may be asked for. texts: of `Schedule`.
    """

    id: int
    revision: int
    home: Home
    next_at: float | None
    seen_at: float | None
    asked_at: float | None
    last_at: float | None
    is_paused: bool
    texts: tuple[str, str, str, str]


@dataclass(frozen=True, slots=True)
class Tick:
    """Ticks of a schedule make tasks: those of `runs`, each with its time. Nothing of it if it is not as it was read.

    before, asked_at: `next_at` and `asked_at` as they were read. next_at: the tick to come.
    """

    schedule: int
    revision: int
    home: Home
    before: float | None
    asked_at: float | None
    runs: Sequence[tuple[float, NewTask]]
    next_at: float | None


@dataclass(frozen=True, slots=True)
class Halted:
    """A schedule that cannot be read or stored is paused, for this reason (one sentence)."""

    schedule: int
    revision: int
    reason: str


@dataclass(frozen=True, slots=True)
class Adopted:
    """These are all schedules that the code of an app has now: others that were in its code are retired."""

    home: Home
    schedules: Sequence[Schedule]


AHEAD = 86_400.0  # seconds
ScheduleChange = Tick | Halted | Adopted


class Schedules(Protocol):
    """What web workers, people and the runner ask. In a transaction, if it is not said otherwise."""

    def declare(self, declared: Declared, home: Home) -> None:
        """Keep what a release says of itself. Nothing comes of it before the runner adopts it."""
        ...

    def put(self, wanted: Scheduled, home: Home) -> bool:
        """Add one, or put it in the place of another; False if the code has one of that name, which stays."""
        ...

    def remove(self, wanted: Unscheduled, home: Home) -> bool:
        """Forget one that was asked for at run time; False if there is none of that name."""
        ...

    def pause(self, schedules: Collection[int]) -> list[int]:
        """Let them not tick; returns which of them did."""
        ...

    def resume(self, schedules: Collection[int]) -> list[int]:
        """Let them tick from now on: what was missed meanwhile is not made up for. Returns which were paused."""
        ...

    def ask(self, schedules: Collection[int]) -> list[int]:
        """Let them run once, beside their ticks; returns which can: also paused ones, not those that are retired."""
        ...

    def are_there(self) -> bool:
        """Whether anything was ever said of schedules. Also outside of a transaction."""
        ...

    def declarations(self) -> Sequence[Declaration]:
        """All of them, without their texts. Also outside of a transaction."""
        ...

    def declaration(self, home: Home) -> Declaration | None:
        """That of a release. Also outside of a transaction."""
        ...

    def waiting(self, apps: Collection[str] | None, most: int) -> Sequence[Waiting]:
        """Schedules of these apps (None: of all) of which the next tick is not known or has its time, the longest due
        first; those whose next tick was worked out by a clock that was ahead by more than AHEAD; and those that
        somebody wants to run. Also outside of a transaction."""
        ...

    def next_in(self, apps: Collection[str] | None) -> float | None:
        """In how many seconds the next tick has its time. Also outside of a transaction."""
        ...
