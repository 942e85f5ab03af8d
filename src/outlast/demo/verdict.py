"""Pure: from what was seen of one server to what became of its tasks and its clients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

from outlast.demo.logbook import Sighting, What
from outlast.demo.plan import BLOCKED_AFTER, Side
from outlast.demo.visitor import Visit


class End(Enum):
    OPEN = "open"
    FINISHED = "finished"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class TaskStory:
    """What became of one task. Times are seconds of the demo's clock; None is: it has not happened.

    asked: when its request was sent. answered: when the client had the answer. accepted: when a worker logged
    the request. ended: when it finished, or when it was certain that it will not. reason: why it is lost.
    """

    action: int
    asked: float
    answered: float | None = None
    accepted: float | None = None
    end: End = End.OPEN
    ended: float | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Story:
    """Everything the demo tells about one server, up to `now`.

    killed: one sighting for each worker that ended. blocked: see `blocked_stretches`.
    """

    side: Side
    now: float
    tasks: tuple[TaskStory, ...]
    small: tuple[Visit, ...]
    killed: tuple[Sighting, ...]
    timeouts: tuple[Sighting, ...]
    booted: tuple[Sighting, ...]
    blocked: tuple[tuple[float, float], ...]

    @property
    def decided(self) -> bool:
        return all(task.end is not End.OPEN for task in self.tasks)

    @property
    def finished(self) -> int:
        return sum(task.end is End.FINISHED for task in self.tasks)

    @property
    def slowest(self) -> float:
        """The longest wait of a small request, answered or not."""
        return max((visit.waited(self.now) for visit in self.small), default=0.0)

    @property
    def unanswered(self) -> int:
        return sum(visit.ended is not None and not visit.answered for visit in self.small)


def tell(
    side: Side, visits: Sequence[Visit], sightings: Sequence[Sighting], now: float, *, over: bool = False
) -> Story:
    """The story up to `now`. Once the demo is `over`, what has not finished is lost."""
    small = tuple(visit for visit in visits if visit.action is None)
    since = min((visit.sent for visit in visits), default=now)
    recent = [sighting for sighting in sightings if sighting.at >= since]
    return Story(
        side=side,
        now=now,
        tasks=tuple(_task(side, visit, recent, now, over=over) for visit in visits if visit.action is not None),
        small=small,
        killed=_one_for_each_worker(recent, What.GONE),
        timeouts=_one_for_each_worker(recent, What.TIMEOUT),
        booted=_one_for_each_worker(recent, What.BOOTED),
        blocked=blocked_stretches(small, now),
    )


def blocked_stretches(small: Sequence[Visit], now: float) -> tuple[tuple[float, float], ...]:
    """The times (start, end) of at least BLOCKED_AFTER in which small requests waited, none was answered."""
    answers = sorted(visit.ended for visit in small if visit.answered and visit.ended is not None)
    gaps = pairwise([0.0, *answers, now])
    stretches = ((_first_sent(small, since), until) for since, until in gaps if until - since >= BLOCKED_AFTER)
    return tuple((start, until) for start, until in stretches if until - start >= BLOCKED_AFTER)


def _first_sent(small: Sequence[Visit], since: float) -> float:
    return min((visit.sent for visit in small if visit.sent >= since), default=math.inf)


def _task(side: Side, visit: Visit, sightings: Sequence[Sighting], now: float, *, over: bool) -> TaskStory:
    own = [sighting for sighting in sightings if sighting.action == visit.action]
    accepted = next((sighting for sighting in own if sighting.what is What.ACCEPTED), None)
    end, ended, reason = _end(side, accepted, own, sightings)
    if over and end is End.OPEN:
        end, ended, reason = End.LOST, now, "it did not finish in time" if accepted else "no worker took its request"
    return TaskStory(
        action=visit.action or 0,
        asked=visit.sent,
        answered=visit.ended if visit.answered else None,
        accepted=accepted.at if accepted else None,
        end=end,
        ended=ended,
        reason=reason,
    )


def _end(
    side: Side, accepted: Sighting | None, own: Sequence[Sighting], sightings: Sequence[Sighting]
) -> tuple[End, float | None, str]:
    finished = next((sighting for sighting in own if sighting.what is What.FINISHED), None)
    if finished:
        return End.FINISHED, finished.at, ""
    dies_with = accepted.pid if accepted and side.tasks_die_with_worker else None
    gone = next((one for one in sightings if one.what is What.GONE and one.pid == dies_with), None)
    if gone:
        return End.LOST, gone.at, "its worker was killed"
    return End.OPEN, None, ""


def _one_for_each_worker(sightings: Sequence[Sighting], what: What) -> tuple[Sighting, ...]:
    first = {sighting.pid: sighting for sighting in reversed(sightings) if sighting.what is what}
    return tuple(sorted(first.values(), key=lambda sighting: sighting.at))
