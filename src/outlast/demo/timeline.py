"""The timeline picture: both servers one above the other, on one time axis, as one SVG."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

from outlast.demo.panel import HEIGHT, LEFT, RIGHT, Scale, panel
from outlast.demo.plan import BLOCKED_AFTER, DemoPlan
from outlast.demo.svg import box, element, group, line, text, worded
from outlast.demo.verdict import Story

WIDTH, HEADER, BETWEEN, FOOTER = 1120, 84, 30, 84

STYLE = Path(__file__).with_suffix(".css")


def draw(stories: tuple[Story, ...], plan: DemoPlan) -> str:
    """The picture of `stories` as an SVG document. Zero on its axis is the first of the three requests."""
    zero = min((task.asked for story in stories for task in story.tasks), default=stories[0].now)
    end = max(story.now for story in stories)
    scale = Scale(zero - plan.lead, end + 0.02 * (end - zero))
    tops = [HEADER + place * (HEIGHT + BETWEEN) for place in range(len(stories))]
    bottom = tops[-1] + HEIGHT
    return element(
        "svg",
        worded("title", "Three background tasks under gunicorn, without outlast and with it"),
        worded("desc", _description(stories)),
        element("style", STYLE.read_text(encoding="utf-8")),
        box(0, 0, WIDTH, bottom + FOOTER, fill="#ffffff"),
        _header(plan),
        "".join(_axis(scale, zero, bottom)),
        "".join(panel(story, scale, top) for story, top in zip(stories, tops, strict=True)),
        _legend(bottom + 62),
        xmlns="http://www.w3.org/2000/svg",
        viewBox=f"0 0 {WIDTH} {bottom + FOOTER}",
        width=WIDTH,
        height=bottom + FOOTER,
        role="img",
    )


def _description(stories: tuple[Story, ...]) -> str:
    return " ".join(
        f"{story.side.title}: {story.finished} of {len(story.tasks)} tasks finished, "
        f"{len(story.killed)} workers killed, the slowest small request took {story.slowest:.2f} s."
        for story in stories
    )


def _header(plan: DemoPlan) -> str:
    command = f"gunicorn -w 1 -t {plan.worker_timeout} -k uvicorn_worker.UvicornWorker main:app"
    tasks = f"Each task sleeps {plan.task_seconds:g} s."
    return text("Three background tasks: without outlast, and with it", 24, 38, class_="title") + text(
        f"One FastAPI app, served twice at the same time by  {command}.  {tasks}",
        24,
        60,
        class_="subtitle",
    )


def _axis(scale: Scale, zero: float, bottom: float) -> Iterator[str]:
    step = 1 if scale.end - scale.start <= 16 else 5
    for second in range(0, math.floor(scale.end - zero) + 1, step):
        x = scale.x(zero + second)
        yield line(x, HEADER + 44, x, bottom + 6, class_="second")
        yield text(f"{second} s", x, bottom + 22, class_="tick", text_anchor="middle")
    yield text("after the first request", LEFT, bottom + 38, class_="tick")
    yield line(LEFT, bottom + 6, RIGHT, bottom + 6, class_="grid")


def _legend(y: float) -> str:
    entries = (
        (_dot("quick"), "answered within 100 ms"),
        (_dot("slow"), f"within {BLOCKED_AFTER:g} s"),
        (_dot("stuck"), "later"),
        (box(-5, -9, 12, 10, class_="waiting"), "no worker has the request"),
        (box(-5, -9, 12, 10, class_="task finished"), "task that finished"),
        (box(-5, -9, 12, 10, class_="task lost"), "task that was lost"),
    )
    starts = (LEFT, LEFT + 184, LEFT + 292, LEFT + 370, LEFT + 572, LEFT + 730)
    return "".join(
        group(mark, text(words, 14, 0, class_="legend"), transform=f"translate({start} {y})")
        for start, (mark, words) in zip(starts, entries, strict=True)
    )


def _dot(speed: str) -> str:
    return element("circle", cx=0, cy=-4, r=4, class_=f"visit {speed}")
