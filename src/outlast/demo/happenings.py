"""Pure: a server's story as sentences in the order in which they happened."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from outlast.demo.plan import ACTIONS, BLOCKED_AFTER
from outlast.demo.verdict import End, Story, TaskStory

GOOD, BAD = "green", "red"


@dataclass(frozen=True, slots=True)
class Happening:
    """One sentence of the demo. `at` is in seconds of the demo's clock; `style` is a colour or empty."""

    at: float
    text: str
    style: str = ""


def happenings(story: Story) -> list[Happening]:
    """Everything worth a line up to `story.now`. A later story of the same server has these and more."""
    found = [*_of_workers(story), *_of_clients(story)]
    for task in story.tasks:
        found.extend(_of_task(task))
    return sorted(found, key=lambda happening: happening.at)


def seconds(duration: float) -> str:
    """A duration as people read it: 3 ms, 0.42 s, 10.3 s."""
    if duration < 0.1:
        return f"{duration * 1000:.0f} ms"
    return f"{duration:.2f} s" if duration < 1 else f"{duration:.1f} s"


def _of_task(task: TaskStory) -> Iterator[Happening]:
    name = f"action {task.action}"
    yield Happening(task.asked, f"{name} asked for: {ACTIONS[task.action]}")
    if task.answered is not None:
        waited = task.answered - task.asked
        style = BAD if waited >= BLOCKED_AFTER else ""
        yield Happening(task.answered, f"{name} answered in {seconds(waited)}", style)
    if task.ended is not None and task.end is End.FINISHED:
        yield Happening(
            task.ended,
            f"{name} finished, {seconds(task.ended - task.asked)} after its request",
            GOOD,
        )
    if task.ended is not None and task.end is End.LOST:
        yield Happening(task.ended, f"{name} lost: {task.reason}", BAD)


def _of_workers(story: Story) -> Iterator[Happening]:
    for timeout in story.timeouts:
        yield Happening(timeout.at, f"WORKER TIMEOUT: gunicorn kills pid {timeout.pid}", BAD)
    for boot in story.booted:
        yield Happening(boot.at, f"gunicorn starts a new worker, pid {boot.pid}")


def _of_clients(story: Story) -> Iterator[Happening]:
    for start, end in story.blocked:
        yield Happening(start + BLOCKED_AFTER, f"no client has been answered for {BLOCKED_AFTER:g} s", BAD)
        if end < story.now:
            yield Happening(end, f"clients are answered again, after {seconds(end - start)}")
