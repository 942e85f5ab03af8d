"""What is seen while the demo runs: two panels on a terminal, one line for each happening elsewhere."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.columns import Columns
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from outlast.demo.happenings import Happening, happenings, seconds
from outlast.demo.plan import ACTIONS, BLOCKED_AFTER, DemoPlan
from outlast.demo.verdict import End, Story, TaskStory

WIDE = 100
LINES_WIDE, LINES_NARROW = 9, 3
BARS = "▁▂▃▄▅▆▇█"
Show = Callable[[tuple[Story, ...]], None]


class Printer(Console):
    """Raises as any stream does when nobody reads on: rich would end the process in the middle of an asyncio task."""

    def on_broken_pipe(self) -> None:
        """As rich calls it."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


@contextmanager
def shown(console: Console, plan: DemoPlan) -> Iterator[Show]:
    """A function that shows the stories it is called with, as `console` can."""
    if not console.is_terminal:
        yield LiveLines(console).show
        return
    with Live(console=console, auto_refresh=False, transient=True) as live:
        yield lambda stories: live.update(panels(stories, plan, console.width), refresh=True)


class LiveLines:
    """Prints each happening once."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._said: set[tuple[str, Happening]] = set()

    def show(self, stories: tuple[Story, ...]) -> None:
        new = [
            (happening, story)
            for story in stories
            for happening in happenings(story)
            if (story.side.name, happening) not in self._said
        ]
        for happening, story in sorted(new, key=lambda pair: pair[0].at):
            self._said.add((story.side.name, happening))
            at = happening.at - _zero(story)
            self._console.print(f"{at:5.1f} s  {story.side.name:<8} {happening.text}", highlight=False)


def panels(stories: tuple[Story, ...], plan: DemoPlan, width: int) -> RenderableType:
    """One panel for each server, side by side where the terminal is wide enough."""
    if width < WIDE:
        return Group(*(_panel(story, plan, width, LINES_NARROW) for story in stories))
    return Columns([_panel(story, plan, width // 2 - 1, LINES_WIDE) for story in stories], padding=(0, 1))


def _panel(story: Story, plan: DemoPlan, width: int, lines: int) -> Panel:
    inner = width - 6
    happened = _lines(story, inner, lines)
    parts = (_small_requests(story, inner), Text(), _tasks(story, plan), Text(), happened)
    trouble = bool(story.killed) or any(end == story.now for _, end in story.blocked)
    border = "red" if trouble else "green"
    return Panel(Group(*parts), title=f"[bold]{story.side.title}", border_style=border, width=width, padding=(0, 2))


def _small_requests(story: Story, width: int) -> Group:
    waiting = sum(visit.ended is None for visit in story.small)
    count = Text(f"small requests: {len(story.small)} sent, {waiting} waiting, slowest {seconds(story.slowest)}")
    return Group(count, _sparkline([visit.waited(story.now) for visit in story.small[-width:]]))


def _sparkline(waits: Sequence[float]) -> Text:
    line = Text()
    for waited in waits:
        line.append(_bar(waited), style="red" if waited >= BLOCKED_AFTER else "green")
    return line


def _bar(waited: float) -> str:
    """The height doubles its meaning with each step: up to 10 ms, 20, 40 … and over 640 ms."""
    steps = max(0, int(waited * 100)).bit_length()
    return BARS[min(steps, len(BARS) - 1)]


def _tasks(story: Story, plan: DemoPlan) -> Table:
    grid = Table.grid(padding=(0, 1), expand=True)
    for ratio in (None, 1, None):
        grid.add_column(ratio=ratio, no_wrap=True)
    asked = {task.action: task for task in story.tasks}
    for action, what in ACTIONS.items():
        grid.add_row(Text(f"{action}  {what}"), *_progress(asked.get(action), plan, story.now))
    return grid


def _progress(task: TaskStory | None, plan: DemoPlan, now: float) -> tuple[RenderableType, Text]:
    if task is None:
        return ProgressBar(total=1, completed=0), Text("not yet", style="dim")
    age = (task.ended or now) - task.asked
    style, word = _state(task)
    bar = ProgressBar(total=plan.task_seconds, completed=age, complete_style=style, finished_style=style)
    return bar, Text(f"{word} {seconds(age):>6}", style=style)


def _state(task: TaskStory) -> tuple[str, str]:
    if task.end is End.OPEN:
        return "yellow", "waiting " if task.accepted is None else "running "
    return ("green", "finished") if task.end is End.FINISHED else ("red", "LOST    ")


def _lines(story: Story, width: int, count: int) -> Text:
    last = happenings(story)[-count:]
    lines = Text("\n").join(_line(happening, _zero(story), width) for happening in last)
    return Text.assemble(lines, "\n" * (count - len(last)))


def _line(happening: Happening, zero: float, width: int) -> Text:
    line = Text(f"{happening.at - zero:5.1f} s  {happening.text}", style=happening.style)
    line.truncate(width, overflow="ellipsis")
    return line


def _zero(story: Story) -> float:
    return min((task.asked for task in story.tasks), default=story.now)
