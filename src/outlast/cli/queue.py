"""`outlast queue`: what waits in which queue, and that nothing of one begins for a while."""

from __future__ import annotations

from collections.abc import Callable

import click

from outlast.cli import documents, pages
from outlast.cli.completing import queues
from outlast.cli.output import say, say_aside, say_json
from outlast.cli.read import as_json, at_url, settings_at, told_errors
from outlast.errors import OptionError
from outlast.events import waits
from outlast.journal.by_hand import decided
from outlast.journal.contract import Queues
from outlast.journal.engines import open_survey
from outlast.journal.location import place_of
from outlast.tasks.limits import queue_name
from outlast.web.connection import look_now

MOST_NAMED = 20


def _checked(context: click.Context, parameter: click.Parameter, value: str) -> str:  # noqa: ARG001 - as click calls it
    try:
        return queue_name("the name of a queue", value)
    except OptionError as error:
        raise click.BadParameter(str(error)) from None


named = click.argument("name", callback=_checked, shell_complete=queues)


@click.group()
def queue() -> None:
    """List queues, pause and resume them."""


@queue.command("list")
@as_json
@at_url
def list_queues(as_json: bool, url: str | None) -> None:  # noqa: FBT001
    """List queues: what waits and runs in each, and its limits as the newest server has set them.

    With --json: a list of objects with name, concurrency (0: any), rate (such as 10/s; empty: any), waiting, running,
    paused_at (seconds since the epoch, or null).
    """
    with told_errors():
        found = open_survey(settings_at(url).url).queues()
    if as_json:
        say_json([documents.queue(one) for one in found])
        return
    if found:
        say(pages.QUEUES, mark="header")
    for one in found:
        say(pages.queue_row(one), mark="" if one.paused_at is None else "paused")
    if not found:
        say_aside("no queues")


@queue.command()
@named
@at_url
def pause(name: str, url: str | None) -> None:
    """Let nothing of a queue begin any more, until it is resumed. What runs goes on, and tasks are still accepted.

    It stays paused when servers start anew.
    """
    is_new = _change(url, name, lambda queues: queues.pause(name))
    say(waits.queue_paused(name, is_new=is_new))


@queue.command()
@named
@at_url
def resume(name: str, url: str | None) -> None:
    """Let a paused queue go on."""
    was_paused = _change(url, name, lambda queues: queues.resume(name))
    say(waits.queue_resumed(name, was_paused=was_paused))


def _change(url: str | None, name: str, verb: Callable[[Queues], bool]) -> bool:
    with told_errors():
        settings = settings_at(url)
        known = [one.name for one in open_survey(settings.url).queues()]
        changed = decided(settings, lambda journal: verb(journal.queues))
        look_now(place_of(settings))
    if name not in known:
        say_aside(waits.nothing_in_queue(name, known[:MOST_NAMED]))
    return changed
