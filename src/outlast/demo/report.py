"""The last word: one table with both servers, and the sentence below it."""

from __future__ import annotations

from rich.box import ROUNDED
from rich.table import Table
from rich.text import Text

from outlast.demo.happenings import seconds
from outlast.demo.plan import ACTIONS, BLOCKED_AFTER
from outlast.demo.verdict import End, Story, TaskStory

GOOD, BAD, DIM = "green", "bold red", "dim"


def table(stories: tuple[Story, ...]) -> Table:
    """What was measured, one column for each server."""
    made = Table(box=ROUNDED, title="What became of it", title_justify="left", show_lines=True, padding=(0, 1))
    made.add_column("")
    for story in stories:
        made.add_column(story.side.title)
    for place, (action, what) in enumerate(ACTIONS.items()):
        tasks = [story.tasks[place] for story in stories]
        heading = Text.assemble((f"action {action}", "bold"), "\n", (what, DIM))
        made.add_row(heading, *(Text.assemble(_answer(task), "\n", _fate(task)) for task in tasks))
    measures = [_measures(story) for story in stories]
    for name in measures[0]:
        made.add_row(Text(name), *(one[name] for one in measures))
    return made


def verdict(stories: tuple[Story, ...]) -> Text:
    """Who finished how many, in one line."""
    parts = [f"{story.side.name} finished {story.finished} of {len(story.tasks)} tasks" for story in stories]
    return Text("; ".join(parts) + ".", style="bold")


def _answer(task: TaskStory) -> tuple[str, str]:
    if task.answered is None:
        return "not answered", BAD
    waited = task.answered - task.asked
    return f"answered in {seconds(waited)}", BAD if waited >= BLOCKED_AFTER else GOOD


def _fate(task: TaskStory) -> Text:
    after = seconds((task.ended or task.asked) - task.asked)
    if task.end is End.FINISHED:
        return Text.assemble(("finished", GOOD), f" after {after}")
    return Text.assemble(("LOST", BAD), f" after {after}: {task.reason}")


def _measures(story: Story) -> dict[str, Text]:
    """What there is to say of its clients and workers, by name."""
    blocked = sum(end - start for start, end in story.blocked)
    pids = ", ".join(f"pid {sighting.pid}" for sighting in story.killed)
    return {
        "slowest small request": _rated(seconds(story.slowest), is_bad=story.slowest >= BLOCKED_AFTER),
        "small requests not answered": _rated(f"{story.unanswered} of {len(story.small)}", is_bad=story.unanswered > 0),
        "clients kept waiting for": _rated(seconds(blocked) if blocked else "never", is_bad=blocked > 0),
        "workers killed": _rated(f"{len(story.killed)} ({pids})" if pids else "none", is_bad=bool(pids)),
    }


def _rated(words: str, *, is_bad: bool) -> Text:
    return Text(words, style=BAD if is_bad else GOOD)
