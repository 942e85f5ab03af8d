"""Where the parts of a picture are. Pure: figures in, places out; templates draw them as SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from outlast.journal.read import Event, Record
from outlast.journal.survey import Minute

WIDTH, HEIGHT = 600, 80
MOST_ATTEMPTS = 20  # of a task, the newest
ROW = 26
_GOOD, _BAD = frozenset({"done"}), frozenset({"error", "crashed", "timeout", "failed"})


@dataclass(frozen=True, slots=True)
class Bar:
    """One minute: failed stands on top of done. label: what it says in words."""

    x: float
    width: float
    done_y: float
    done: float
    failed_y: float
    failed: float
    label: str


def bars(minutes: Sequence[Minute], until: int, count: int = 60) -> list[Bar]:
    """The last `count` minutes before `until` (minutes since the epoch), also those in which nothing ended."""
    known = {one.number: one for one in minutes}
    shown = [known.get(number, Minute(number, 0, 0)) for number in range(until - count, until)]
    most = max((one.done + one.failed for one in shown), default=0) or 1
    width = WIDTH / count
    return [_bar(one, place * width, width - 1, most, until - one.number) for place, one in enumerate(shown)]


def _bar(one: Minute, x: float, width: float, most: int, ago: int) -> Bar:
    done, failed = (round(count / most * HEIGHT, 1) for count in (one.done, one.failed))
    label = f"{ago} min ago: {one.done} done, {one.failed} failed"
    return Bar(round(x, 1), width, round(HEIGHT - done, 1), done, round(HEIGHT - done - failed, 1), failed, label)


def sparkline(counts: Sequence[int], width: int = 120, height: int = 20) -> str:
    """The points of a line through `counts`."""
    most, step = max(counts, default=0) or 1, width / max(1, len(counts) - 1)
    return " ".join(f"{place * step:.1f},{height - count / most * height:.1f}" for place, count in enumerate(counts))


@dataclass(frozen=True, slots=True)
class Span:
    """One attempt, or the time before it. kind: waits, good, bad, cut or runs. label: what it says in words."""

    x: float
    y: int
    width: float
    kind: str
    name: str
    label: str


@dataclass(frozen=True, slots=True)
class Timeline:
    """Attempts below each other. ticks: where on the axis how many seconds are."""

    spans: Sequence[Span]
    ticks: Sequence[tuple[float, float]]
    height: int
    seconds: float


@dataclass(frozen=True, slots=True)
class _Try:
    number: int
    began: float
    ended: float
    end: str
    reason: str


def timeline(record: Record, now: float) -> Timeline | None:
    """Of a task: how long it waited, each attempt, and how that ended; None for one that has not begun."""
    tries = _tries(record.events, now if record.state == "running" else None)[-MOST_ATTEMPTS:]
    if not tries:
        return None
    start = record.created_at if len(tries) == tries[-1].number else tries[0].began
    end = max(one.ended for one in tries)
    scale = WIDTH / max(end - start, 1e-3)
    spans: list[Span] = []
    before = start
    for row, one in enumerate(tries):
        y = row * ROW
        waited = max(0.0, one.began - before)
        if waited * scale >= 1:
            x, width = _x(before, start, scale), round(waited * scale, 1)
            spans.append(Span(x, y, width, "waits", "", f"waited {waited:.2f} s"))
        width = max(3.0, round((one.ended - one.began) * scale, 1))
        x = min(_x(one.began, start, scale), WIDTH - width)
        spans.append(Span(x, y, width, _kind(one.end), f"attempt {one.number}: {one.end}", _label(one)))
        before = one.ended
    return Timeline(spans, _ticks(end - start, scale), len(tries) * ROW, end - start)


def _tries(events: Sequence[Event], running_until: float | None) -> list[_Try]:
    began: dict[int, float] = {}
    found: list[_Try] = []
    for event in events:
        if event.kind == "started":
            began[event.attempt] = event.at
        elif event.attempt in began and event.kind != "cancelling":
            found.append(_Try(event.attempt, began.pop(event.attempt), event.at, event.kind, event.reason))
    if running_until is not None:
        found += [_Try(number, at, max(at, running_until), "running", "") for number, at in began.items()]
    return found


def _x(at: float, start: float, scale: float) -> float:
    return round((at - start) * scale, 1)


def _kind(end: str) -> str:
    if end == "running":
        return "runs"
    return "good" if end in _GOOD else "bad" if end in _BAD else "cut"


def _label(one: _Try) -> str:
    because = f": {one.reason.splitlines()[0]}" if one.reason else ""
    return f"attempt {one.number}, {one.end} after {one.ended - one.began:.2f} s{because}"


def _ticks(seconds: float, scale: float) -> list[tuple[float, float]]:
    return [(round(seconds * part / 4 * scale, 1), seconds * part / 4) for part in range(5)]
