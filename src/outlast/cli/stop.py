"""`outlast stop`: end the runner of a journal, and wait until it has gone."""

from __future__ import annotations

import sys
import time

import click

from outlast.cli.output import say, say_aside
from outlast.cli.read import at_url, settings_at, told_errors
from outlast.errors import JournalMissing
from outlast.events import waits
from outlast.journal.engines import open_history
from outlast.journal.location import place_of
from outlast.journal.read import Summary
from outlast.settings.settings import Settings
from outlast.system.ending import end_runner
from outlast.system.liveness import living_among, living_runner
from outlast.system.place import Place


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
        settings = settings_at(url)
        place = place_of(settings)
        runner, web_workers = living_runner(place), _web_workers(place, _summary(settings))
    if runner is None:
        say(waits.NO_RUNNER_TO_STOP)
        return
    if web_workers or not runner:
        say_aside(f"outlast: {waits.would_be_started_again(web_workers) if web_workers else waits.RUNNER_ELSEWHERE}")
        sys.exit(1)
    end_runner(place, runner, now=now)
    say(waits.runner_stopped(runner, _waiting(_summary(settings))))


def _summary(settings: Settings) -> Summary | None:
    """None when no task was ever stored."""
    try:
        return open_history(settings.url).summary(time.time())
    except JournalMissing:
        return None


def _web_workers(place: Place, summary: Summary | None) -> list[int]:
    """The pids of those that live."""
    present = [one for one in summary.processes if one.kind == "web"] if summary else []
    living = living_among(place, [one.id for one in present])
    return [one.pid for one in present if one.id in living]


def _waiting(summary: Summary | None) -> int:
    return summary.counts["waiting"] if summary else 0
