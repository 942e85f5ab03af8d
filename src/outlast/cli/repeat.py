"""`outlast repeat`: a new task that asks for what another one has asked for."""

from __future__ import annotations

import click

from outlast.cli.completing import tasks
from outlast.cli.output import say, say_aside
from outlast.cli.read import at_url, settings_at, told_errors
from outlast.events import waits
from outlast.ids import number_of, shown
from outlast.journal.by_hand import repeated
from outlast.journal.engines import open_history
from outlast.journal.location import place_of
from outlast.system.liveness import living_runner
from outlast.web.connection import look_now


@click.command()
@click.argument("task_id", metavar="ID", shell_complete=tasks)
@at_url
def repeat(task_id: str, url: str | None) -> None:
    """Ask once more for a task that has ended, as a new one, and print the id of that. ID may be the beginning of one.

    It has the function, arguments, context and options of the other one, which stays as it is; but no delay, no time
    to expire, and nothing runs after it, neither `then` nor `on_failure`. Exits with 1 where there can be none: the
    other one has not ended, ran in the web worker, or never got what it was to get of a task before it, its key is
    another's, or a stashed file is gone.

    \b
    outlast wait $(outlast repeat 6h0f30ej7mwkw)
    """
    with told_errors():
        settings = settings_at(url)
        asked = open_history(settings.url).task(task_id)
        new = repeated(settings, number_of(asked.id))
        place = place_of(settings)
        look_now(place)
    say(shown(new))
    if asked.then:
        say_aside(waits.runs_alone(asked.then))
    if living_runner(place) is None:
        say_aside(waits.NO_RUNNER)
