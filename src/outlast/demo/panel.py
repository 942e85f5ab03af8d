"""One server's part of the timeline: its small requests above, its three tasks below, on the shared axis."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from outlast.demo.happenings import seconds
from outlast.demo.plan import ACTIONS, BLOCKED_AFTER
from outlast.demo.svg import box, element, group, line, text
from outlast.demo.verdict import End, Story, TaskStory
from outlast.demo.visitor import Visit

LEFT, RIGHT = 196, 1096
TITLE, CHART, GAP, LANE, BAR = 44, 116, 18, 34, 20
HEIGHT = TITLE + CHART + GAP + LANE * len(ACTIONS)
FASTEST, SLOWEST = 0.001, 40.0
GRID = (0.001, 0.01, 0.1, 1.0, 10.0)
MARK = 7.0


@dataclass(frozen=True, slots=True)
class Scale:
    """From seconds of the demo's clock to a place on the picture."""

    start: float
    end: float

    def x(self, at: float) -> float:
        share = (at - self.start) / (self.end - self.start)
        return LEFT + (RIGHT - LEFT) * min(max(share, 0.0), 1.0)


def panel(story: Story, scale: Scale, top: float) -> str:
    """The whole panel, its upper edge at `top`."""
    chart, lanes = top + TITLE, top + TITLE + CHART + GAP
    tasks = "".join(_task(task, scale, lanes + place * LANE) for place, task in enumerate(story.tasks))
    parts = (
        text(story.side.title, 24, top + 22, class_="side"),
        text(_summary(story), RIGHT, top + 22, class_="summary", text_anchor="end"),
        box(LEFT, chart, RIGHT - LEFT, CHART, class_="chart"),
        "".join(_blocked(start, end, scale, chart) for start, end in story.blocked),
        "".join(_gridline(wait, chart) for wait in GRID),
        text("small requests", 24, chart + 20, class_="label"),
        text("one every 100 ms", 24, chart + 38, class_="detail"),
        "".join(_visit(visit, story.now, scale, chart) for visit in story.small),
        tasks,
        "".join(_kills(story, scale, chart)),
    )
    return group(*parts, id=f"side-{story.side.name}")


def _summary(story: Story) -> str:
    killed = len(story.killed)
    workers = "no worker killed" if killed == 0 else f"{killed} worker{'s' if killed > 1 else ''} killed"
    tasks = f"{story.finished} of {len(story.tasks)} tasks finished"
    return f"{tasks} · slowest small request {seconds(story.slowest)} · {workers}"


def _height(waited: float) -> float:
    """Logarithmic, for both 2 ms and 10 s have to be seen: 0 is the bottom of the chart, CHART its top."""
    within = min(max(waited, FASTEST), SLOWEST)
    return CHART * math.log(within / FASTEST) / math.log(SLOWEST / FASTEST)


def _gridline(waited: float, chart: float) -> str:
    y = chart + CHART - _height(waited)
    name = f"{waited * 1000:g} ms" if waited < 1 else f"{waited:g} s"
    return line(LEFT, y, RIGHT, y, class_="grid") + text(name, LEFT - 8, y + 4, class_="tick", text_anchor="end")


def _visit(visit: Visit, now: float, scale: Scale, chart: float) -> str:
    waited = visit.waited(now)
    x, y = scale.x(visit.sent), chart + CHART - _height(waited)
    wait = line(x, y, scale.x(visit.sent + waited), y, class_="wait") if waited >= BLOCKED_AFTER else ""
    if not visit.answered:
        return wait + _cross(x, y, MARK / 2, "unanswered")
    return wait + element("circle", cx=x, cy=y, r=2.2, class_=f"visit {_speed(waited)}")


def _speed(waited: float) -> str:
    if waited < 0.1:
        return "quick"
    return "slow" if waited < BLOCKED_AFTER else "stuck"


def _blocked(start: float, end: float, scale: Scale, chart: float) -> str:
    left, right = scale.x(start), scale.x(end)
    shade = box(left, chart, right - left, HEIGHT - TITLE, class_="blocked")
    words = f"nobody is answered for {seconds(end - start)}"
    return shade + text(words, (left + right) / 2, chart - 7, class_="alarm", text_anchor="middle")


def _kills(story: Story, scale: Scale, chart: float) -> Iterator[str]:
    timed_out = {timeout.pid for timeout in story.timeouts}
    for gone in story.killed:
        x, bottom = scale.x(gone.at), chart + HEIGHT - TITLE
        cause = "WORKER TIMEOUT" if gone.pid in timed_out else "worker ended"
        yield line(x, chart, x, bottom, class_="kill")
        yield text(f"{cause}, pid {gone.pid}", x + 8, chart + CHART + 13, class_="alarm")


def _task(task: TaskStory, scale: Scale, top: float) -> str:
    middle = top + BAR / 2
    parts = (
        text(f"action {task.action}", 24, middle - 1, class_="label"),
        text(ACTIONS[task.action], 24, middle + 13, class_="detail"),
        line(LEFT, middle, RIGHT, middle, class_="lane"),
        _bars(task, scale, top),
    )
    return group(*parts, title=f"action {task.action} {_fate(task)}")


def _bars(task: TaskStory, scale: Scale, top: float) -> str:
    asked, end = scale.x(task.asked), scale.x(task.ended or scale.end)
    accepted = scale.x(task.accepted) if task.accepted is not None else end
    waiting = box(asked, top, accepted - asked, BAR, class_="waiting", rx=3) if accepted - asked > 2 else ""
    running = box(accepted, top, end - accepted, BAR, class_=f"task {task.end.value}", rx=3)
    cut = _cross(end, top + BAR / 2, MARK, "cut") if task.end is End.LOST else ""
    return waiting + running + cut + _fate_label(task, accepted, end, top)


def _fate_label(task: TaskStory, start: float, end: float, top: float) -> str:
    words, baseline = _fate(task), top + BAR / 2 + 4
    if end + 14 + 7 * len(words) < RIGHT:
        return text(words, end + 14, baseline, class_=f"fate {task.end.value}")
    return text(words, start + 10, baseline, class_="fate inside")


def _fate(task: TaskStory) -> str:
    after = seconds((task.ended or task.asked) - task.asked)
    if task.end is End.FINISHED:
        return f"finished after {after}"
    return f"lost after {after}: {task.reason}" if task.end is End.LOST else "not decided"


def _cross(x: float, y: float, size: float, kind: str) -> str:
    down = line(x - size, y - size, x + size, y + size)
    return group(down, line(x - size, y + size, x + size, y - size), class_=kind)
