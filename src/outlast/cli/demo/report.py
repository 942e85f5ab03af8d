"""The last word: one table with both servers, and the sentence below it."""

from __future__ import annotations

from collections.abc import Callable

from rich.box import ROUNDED
from rich.table import Table
from rich.text import Text

from outlast.cli.demo.happenings import seconds
from outlast.cli.demo.plan import ACTIONS, BLOCKED_AFTER
from outlast.cli.demo.verdict import End, Story, TaskStory

GOOD, BAD, DIM = "green", "bold red", "dim"


def table(stories: tuple[Story, ...]) -> Table:
    """What was measured, one column for each server."""
    made = Table(box=ROUNDED, title="What became of it", title_justify="left", show_lines=True, padding=(0, 1))
    made.add_column("")
    for story in stories:
        made.add_column(story.side.title)
    for place, (action, what) in enumerate(ACTIONS.items()):
        tasks = [story.tasks[place] for story in stories]
        made.add_row(_heading(f"action {action}", what), *(_task(task) for task in tasks))
    for name, cell in _MEASURES.items():
        made.add_row(Text(name), *(cell(story) for story in stories))
    return made


def verdict(stories: tuple[Story, ...]) -> Text:
    """Who finished how many, in one line."""
    parts = [f"{story.side.name} finished {story.finished} of {len(story.tasks)} tasks" for story in stories]
    return Text("; ".join(parts) + ".", style="bold")


def _heading(name: str, what: str) -> Text:
    return Text.assemble((name, "bold"), "\n", (what, DIM))


def _task(task: TaskStory) -> Text:
    return Text.assemble(_answer(task), "\n", _fate(task))


def _answer(task: TaskStory) -> tuple[str, str]:
    if task.answered is None:
        return "not answered", BAD
    waited = task.answered - task.asked
    return f"answered in {seconds(waited)}", _style_of_wait(waited)


def _fate(task: TaskStory) -> Text:
    after = seconds((task.ended or task.asked) - task.asked)
    if task.end is End.FINISHED:
        return Text.assemble(("finished", GOOD), f" after {after}")
    return Text.assemble(("LOST", BAD), f" after {after}: {task.reason}")


def _slowest(story: Story) -> Text:
    return Text(seconds(story.slowest), style=_style_of_wait(story.slowest))


def _unanswered(story: Story) -> Text:
    return Text(f"{story.unanswered} of {len(story.small)}", style=BAD if story.unanswered else GOOD)


def _blocked(story: Story) -> Text:
    total = sum(end - start for start, end in story.blocked)
    return Text(seconds(total) if story.blocked else "never", style=BAD if story.blocked else GOOD)


def _killed(story: Story) -> Text:
    pids = ", ".join(f"pid {sighting.pid}" for sighting in story.killed)
    return Text(f"{len(story.killed)} ({pids})" if pids else "none", style=BAD if pids else GOOD)


def _style_of_wait(waited: float) -> str:
    return BAD if waited >= BLOCKED_AFTER else GOOD


_MEASURES: dict[str, Callable[[Story], Text]] = {
    "slowest small request": _slowest,
    "small requests not answered": _unanswered,
    "clients kept waiting for": _blocked,
    "workers killed": _killed,
}
