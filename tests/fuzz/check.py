"""What must hold after odd input. Pure: what was answered and recorded in, sentences about what is wrong out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.fuzz.odd import FORGED

TASKS = {"keep": 2, "fail": 2, "inline": 1}
"""How many tasks an accepted request of a door has."""
LANE_INLINE = "lane inline"  # what cannot travel ends with its request, and says so


@dataclass(frozen=True, slots=True)
class Recorded:
    """A task of the journal: state, reason, and what else of it people read."""

    state: str
    reason: str
    texts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Seen:
    """`asked` is the door and `answers` the status by number, `recorded` the tasks by number; `shown` is what the
    command line has printed, `before` and `after` the pids of web workers and runner, `deaths` sentences of incidents.
    """

    asked: Mapping[int, str]
    answers: Mapping[int, int]
    recorded: Mapping[int, Sequence[Recorded]]
    shown: str = ""
    before: Collection[int] = ()
    after: Collection[int] = ()
    deaths: Sequence[str] = ()


def violations(seen: Seen) -> list[str]:
    """One sentence for each thing that must not be."""
    found = [
        f"request {number} ({seen.asked[number]}) {what}" for number in seen.asked for what in _of_one(number, seen)
    ]
    if seen.before != seen.after:
        found.append(f"processes were replaced: {sorted(seen.before)} before, {sorted(seen.after)} after")
    found += [f"a process has died: {sentence}" for sentence in seen.deaths]
    return found + [f"the command line prints {line!r:.200}" for line in _unsafe(seen.shown)]


def _of_one(number: int, seen: Seen) -> Iterator[str]:
    door, status, tasks = seen.asked[number], seen.answers.get(number, 0), seen.recorded.get(number, ())
    if not status:
        yield "was not answered"
    if status == 503:
        yield "was answered 503"
    if status == 200 and len(tasks) != TASKS[door]:
        yield f"was accepted, and {len(tasks)} of its {TASKS[door]} tasks are recorded"
    for task in tasks:
        yield from _of_a_task(task, door, status)


def _of_a_task(task: Recorded, door: str, status: int) -> Iterator[str]:
    if task.state in ("held", "waiting", "running"):
        yield f"has a task that is left {task.state}"
    if task.state in ("failed", "dropped") and not task.reason:
        yield f"has a task that {task.state} without a word"
    if status == 200 and task.state != {"keep": "done"}.get(door, "failed") and LANE_INLINE not in task.reason:
        yield f"has a task that ended {task.state}: {task.reason!a:.200}"
    # each is printed behind something, so that what its first line begins with is no line of its own
    yield from (f"has {text!a:.200} in the journal" for text in task.texts if any(_unsafe(f"why: {text}")))


def _unsafe(text: str) -> Iterator[str]:
    """Lines that no terminal should get, or that are not what they seem."""
    for line in text.split("\n"):
        if not line.replace("\t", "").isprintable() or line.startswith(FORGED):
            yield line
