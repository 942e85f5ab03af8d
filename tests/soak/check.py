"""What must hold in the end. Pure: what was answered, seen and recorded in, sentences about what is wrong out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from outlast.settings.settings import Settings
from outlast.tasks.outcome import MOST_CUTS
from tests.soak.plan import KILLERS, LAST_LINK, Asked

MOST_CRASHES = Settings().max_crashes
ENDED = re.compile(r"it ended its process (\d+), which was killed by SIGKILL")
JUST_NOW = 5  # ticks
ENDS = ("done", "error", "retry", "timeout", "cancelled", "crashed", "interrupted", "snoozed")


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the journal has of a task; `events` are (kind, attempt, reason) in their order."""

    state: str
    crashes: int
    events: tuple[tuple[str, int, str], ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """`began` and `ran` count the lines in the outside log by number, `recorded` is by number.

    killed_children: the pids of the task processes that were killed from outside. One that dies with a single attempt
    in it is that attempt's fault, as far as anybody can tell.
    """

    plan: Sequence[Asked]
    answered: Collection[int]
    began: Mapping[int, int]
    ran: Mapping[int, int]
    recorded: Mapping[int, Recorded]
    killed_children: Collection[int] = ()


def violations(seen: Seen) -> list[str]:
    """One sentence for each thing that must not be."""
    found = [sentence for asked in seen.plan for sentence in _of_one(asked, seen)]
    charged = _charged_innocents(seen)
    if len(charged) > len(seen.killed_children):
        found.append(
            f"{len(charged)} innocents were charged for {len(seen.killed_children)} killed processes: {charged[:5]}"
        )
    return found + [f"{number} is in the journal twice" for number in _doubled(seen)]


def wrong_ticks(ticks: Sequence[tuple[float, int]], tasks: Mapping[int, str]) -> list[str]:
    """Of a schedule that ticks each second, whoever is killed. The states of its tasks are by id.

    What ticks while the check is made may not have ended.
    """
    tasks_of = [task for _, task in ticks]
    missing = [f"no tick between {early} and {late}" for (early, _), (late, _) in pairwise(ticks) if late - early != 1]
    doubled = [f"task {task} is of no tick" for task in tasks if task not in tasks_of and task < max(tasks_of)]
    left = [f"the tick at {at} is {tasks.get(task)}" for at, task in ticks[:-JUST_NOW] if tasks.get(task) != "done"]
    return [*missing, *doubled, *left] if ticks else ["it has never ticked"]


def _of_one(asked: Asked, seen: Seen) -> Iterator[str]:
    name = f"{asked.number} ({asked.kind})"
    record = seen.recorded.get(asked.number)
    if record is None:
        if asked.number in seen.answered:
            yield f"{name} was answered and is not in the journal"
        if seen.began.get(asked.number):
            yield f"{name} has run and is not in the journal"
        return
    if record.state in ("held", "waiting", "running"):
        yield f"{name} is left {record.state}"
    if asked.number in seen.answered:
        yield from (f"{name} {what}" for what in _broken_promises(asked, record, seen))
    yield from (f"{name} {what}" for what in _contradictions(asked, record, seen))


def _broken_promises(asked: Asked, record: Recorded, seen: Seen) -> Iterator[str]:
    """Of a task whose request was answered."""
    fails = asked.kind in (*KILLERS, "fails") or _went_down(record) >= MOST_CUTS or _was_hit_too_often(record, seen)
    wanted = "dropped" if _is_behind_a_failure(asked, seen) else "failed" if fails else "done"
    if record.state != wanted:
        yield f"ended {record.state}, not {wanted}: {record.events[-1:]}"
    if wanted == "done" and not seen.ran.get(asked.number):
        yield "was answered and has never run to its end"
    if wanted != "dropped" and not seen.began.get(asked.number):
        yield "was answered and has never begun"


def _is_behind_a_failure(asked: Asked, seen: Seen) -> bool:
    """Whether it is the last link of a chain whose first one has failed."""
    first = seen.recorded.get(asked.number - LAST_LINK)
    return first is not None and first.state == "failed"


def _contradictions(asked: Asked, record: Recorded, seen: Seen) -> Iterator[str]:
    """Between the outside log and the journal, and within the journal."""
    starts = Counter(attempt for kind, attempt, _ in record.events if kind == "started")
    ends = Counter(attempt for kind, attempt, _ in record.events if kind in ENDS and attempt)
    if seen.began.get(asked.number, 0) > len(starts):
        yield f"has begun {seen.began[asked.number]} times in {len(starts)} attempts"
    if seen.ran.get(asked.number, 0) > 1 + _cuts(record):
        yield f"has run {seen.ran[asked.number]} times, but was cut {_cuts(record)} times"
    if any(count > 1 for count in (*starts.values(), *ends.values())):
        yield f"has an attempt that was settled twice: {record.events}"
    if starts.keys() != ends.keys():
        yield f"has an attempt without an end: {record.events}"
    if any(kind in ("crashed", "interrupted") and not reason for kind, _, reason in record.events):
        yield f"was cut without a sentence: {record.events}"


def _charged_innocents(seen: Seen) -> list[int]:
    """One number for each charge."""
    innocents = [(one.number, seen.recorded.get(one.number)) for one in seen.plan if one.kind not in KILLERS]
    return [number for number, record in innocents if record is not None for _ in range(record.crashes)]


def _ended(record: Recorded) -> list[int]:
    """The pids of the task processes that it is said to have ended."""
    reasons = [reason for kind, _, reason in record.events if kind == "crashed"]
    return [int(found[1]) for reason in reasons if (found := ENDED.match(reason))]


def _was_hit_too_often(record: Recorded, seen: Seen) -> bool:
    """Whether the killer outside has ended its processes, so often that it looks as if it had done so itself."""
    ended = _ended(record)
    return len(ended) >= MOST_CRASHES and set(ended) <= set(seen.killed_children)


def _went_down(record: Recorded) -> int:
    """How often it ran while its runner was killed: one that did so too often is not run again."""
    return sum(kind == "interrupted" and "went down" in reason for kind, _, reason in record.events)


def _cuts(record: Recorded) -> int:
    return sum(kind in ("crashed", "interrupted") for kind, _, _ in record.events)


def _doubled(seen: Seen) -> list[int]:
    return [number for number, count in Counter(asked.number for asked in seen.plan).items() if count > 1]
