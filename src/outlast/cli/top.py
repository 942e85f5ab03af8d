"""`outlast top`: what there is to do and who does it, live."""

from __future__ import annotations

import os
import re
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import click

from outlast.cli import documents
from outlast.cli.output import STYLES, console, fitted, say, say_json
from outlast.cli.ranges import DAY, Seconds
from outlast.cli.read import as_json, at_url, settings_at, told_errors
from outlast.events import journal as events
from outlast.journal.engines import open_history, open_survey
from outlast.journal.location import place_of
from outlast.journal.read import History, Presence, Record
from outlast.journal.survey import Overview, Survey
from outlast.journal.telling import counted, took
from outlast.system.liveness import living_among, living_runner
from outlast.system.place import Place
from outlast.tasks.task import State

MOST_TASKS = 500  # that run, of which the first are shown
NARROW = 80  # columns for which it is made; more show longer names
ALWAYS = ("waiting", "running")  # states that are shown also when no task is in them
MOST_KEYS = 100  # at once
NO_LETTER = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|O.)?")  # what arrows and the like send
HELP = "q quit   s seconds   n name   p progress"
ORDERS: dict[str, Callable[[Record, float], Any]] = {
    "s": lambda record, now: -(took(record, now) or 0.0),
    "n": lambda record, _: record.function,
    "p": lambda record, _: -(record.progress.share or 0.0) if record.progress else 1.0,
}


@dataclass(frozen=True, slots=True)
class View:
    """What is seen at one moment. `now`: seconds since the epoch. runner: its pid."""

    overview: Overview
    runner: int | None
    present: Sequence[Presence]
    running: Sequence[Record]
    now: float

    @property
    def waits(self) -> float | None:
        """For how many seconds the first in line has waited; None where nothing waits."""
        return None if self.overview.oldest is None else max(0.0, self.now - self.overview.oldest)


@click.command()
@click.option("--every", default=1.0, show_default=True, type=Seconds(0.2, DAY), help="Seconds between looks.")
@click.option("--once", is_flag=True, help="Print it once, as it does where there is no terminal.")
@as_json
@at_url
def top(every: float, once: bool, as_json: bool, url: str | None) -> None:  # noqa: FBT001
    """Show what runs, how far it is, and who is there, until q or Ctrl-C.

    Keys: s, n, p sort what runs by seconds, name, progress; q quits. Of a state 10 000 tasks are counted at most;
    `outlast status` counts all.

    With --json, once: an object with counts, oldest_waiting, processes that live, runner (pid, or null), incidents of
    the last day, and `running`, a list of the objects of `list`.
    """
    with told_errors():
        settings = settings_at(url)
        journal, survey = open_history(settings.url, settings.redact), open_survey(settings.url)
        look = partial(_view, journal, survey, place_of(settings))
        if as_json:
            say_json(_document(look()))
        elif once or not (sys.stdin.isatty() and sys.stdout.isatty()):
            for line in lines(look(), "s", NARROW):
                say(line, hang=0)
        else:
            _live(look, every)


def lines(view: View, order: str, width: int) -> Iterator[str]:
    """The screen, line by line, each of `width` columns at most."""
    counts, found = view.overview.counts, view.overview.incidents
    there = "  ".join(f"{counted(count)} {label}" for label, count in counts.items() if count or label in ALWAYS)
    yield fitted(there, width)
    yield "nothing waits" if view.waits is None else f"the oldest waits for {view.waits:.1f} s"
    if found.stalls or found.deaths:
        yield fitted(events.incidents_counted(found.stalls, found.times, found.deaths), width)
    web, children = (" ".join(str(one.pid) for one in view.present if one.kind == kind) for kind in ("web", "child"))
    yield fitted(f"web workers {web or '-'}   runner {view.runner or '-'}   task processes {children or '-'}", width)
    yield ""
    yield f"{'ID':13}  {'LANE':6}  {'ATT':>3}  {'SECONDS':>8}  {'DONE':>5}  FUNCTION"
    for record in sorted(view.running, key=lambda one: ORDERS[order](one, view.now)):
        share = record.progress.share if record.progress else None
        done = "-" if share is None else f"{share:.0%}"
        note = f"  {record.progress.note}" if record.progress and record.progress.note else ""
        seconds = f"{took(record, view.now) or 0.0:8.1f}"
        known = f"{record.id}  {record.lane:6}  {record.attempt:3}  {seconds}  {done:>5}"
        yield fitted(f"{known}  {record.function}{note}", width)


def _view(journal: History, survey: Survey, place: Place) -> View:
    now = time.time()
    overview = survey.overview(now)
    living = living_among(place, [one.id for one in overview.processes])
    present = [one for one in overview.processes if one.id in living]
    return View(overview, living_runner(place), present, journal.tasks((State.RUNNING,), limit=MOST_TASKS), now)


def _document(view: View) -> documents.Document:
    return documents.top(view.overview, view.waits, view.present, view.runner, view.running)


def _live(look: Callable[[], View], every: float) -> None:
    """Draw it anew each time, on the terminal's other screen, which is as it was afterwards."""
    from rich.live import Live
    from rich.text import Text

    screen, order = console(sys.stdout), "s"
    with _unwound_by_sigterm(), _keys() as pressed, Live(console=screen, screen=True, auto_refresh=False) as live:
        while True:
            width, height = screen.size
            shown = [*lines(look(), order, width)][: height - 2]
            text = Text("\n".join([*shown, "", fitted(HELP, width)]), no_wrap=True, overflow="crop")
            for label in (State.RUNNING.label, State.FAILED.label):
                text.highlight_words([f" {label}"], STYLES[label])
            live.update(text, refresh=True)
            keys = pressed(every)
            if "q" in keys:
                return
            order = next((key for key in reversed(keys) if key in ORDERS), order)


@contextmanager
def _unwound_by_sigterm() -> Iterator[None]:
    """So that `timeout 9 outlast top` gives the terminal back as it was, too."""
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _keys() -> Iterator[Callable[[float], str]]:
    """Wait so many seconds, at most, for keys; each counts at once, and none is shown.

    They are asked of the terminal itself: what sys.stdin has read ahead, nobody would wake up for.
    """
    import termios
    import tty

    terminal = sys.stdin.fileno()
    before = termios.tcgetattr(terminal)
    tty.setcbreak(terminal)

    def pressed(seconds: float) -> str:
        if not select.select([terminal], [], [], seconds)[0]:
            return ""
        typed = os.read(terminal, MOST_KEYS) or b"q"  # nothing where the terminal has gone
        return NO_LETTER.sub("", typed.decode(errors="replace")).lower()

    try:
        yield pressed
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)
