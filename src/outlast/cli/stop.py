"""`outlast stop`: end the runner of a journal, and wait until it has gone."""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress

import click

from outlast import waits
from outlast.cli.output import say, say_aside
from outlast.cli.read import at_url, told_errors
from outlast.engines.history import History
from outlast.engines.place import place_of
from outlast.liveness import living_among, living_runner
from outlast.place import Place
from outlast.settings import Settings

LOOK = 0.05  # seconds


@click.command()
@click.option("--now", is_flag=True, help="Let nothing finish: what runs is cut, and runs again at the next start.")
@at_url
def stop(now: bool, url: str | None) -> None:  # noqa: FBT001
    """End the runner of a journal, with its task processes, and wait until they have gone.

    Running tasks may finish (setting `drain`), then they are told to stop (`grace`); they run again at the next start.
    After that the journal can be moved or deleted. While a web worker lives, which would start another runner at once,
    nothing is done: stop the server first.

    Exit codes: 0 there is no runner any more, 1 it was not ended.
    """
    with told_errors():
        place = place_of(Settings.load(url=url))
        say_aside(f"journal {place.journal}")
        runner, webs = living_runner(place), _web_workers(place)
    if runner is None:
        say(waits.NO_RUNNER_TO_STOP)
        return
    if webs or not runner:
        say_aside(f"outlast: {waits.would_be_started_again(webs) if webs else waits.RUNNER_ELSEWHERE}")
        sys.exit(1)
    _end(place, runner, now=now)
    say(waits.runner_stopped(runner, _waiting(place)))


def _end(place: Place, runner: int, *, now: bool) -> None:
    """One signal lets it drain, another one ends it at once. It may already be about to leave."""
    with suppress(ProcessLookupError):
        for _ in range(1 + now):
            os.kill(runner, signal.SIGTERM)
            time.sleep(LOOK)  # two that come together count as one
    while living_runner(place) == runner:
        time.sleep(LOOK)


def _web_workers(place: Place) -> list[int]:
    """The pids of those that live."""
    if not place.journal.exists():
        return []
    present = [one for one in History(place.journal).summary(time.time()).processes if one.kind == "web"]
    living = living_among(place, [one.id for one in present])
    return [one.pid for one in present if one.id in living]


def _waiting(place: Place) -> int:
    return History(place.journal).summary(time.time()).counts["waiting"] if place.journal.exists() else 0
