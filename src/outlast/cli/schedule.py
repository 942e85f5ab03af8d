"""`outlast schedule`: which schedules there are, and what people want of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection
from dataclasses import dataclass

import click

from outlast.cli import documents
from outlast.cli.completing import schedules
from outlast.cli.output import say, say_aside, say_json
from outlast.cli.read import as_json, at_url, history, settings_at, told_errors
from outlast.errors import ScheduleNotFound
from outlast.events import schedules as events
from outlast.events import waits
from outlast.journal.by_hand import decided
from outlast.journal.engines import open_history
from outlast.journal.location import place_of
from outlast.journal.read import ScheduleRecord
from outlast.journal.schedules import Schedules
from outlast.journal.telling import clock
from outlast.settings.settings import Settings
from outlast.system.liveness import living_runner
from outlast.web.connection import look_now

HEADER = f"{'STATE':8}  {'NEXT':25}  {'LAST':25}  NAME, WHEN"


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody may want of a schedule. verb, done: such as `pause`, `paused`. text: the help."""

    verb: str
    done: str
    do: Callable[[Schedules, Collection[int]], list[int]]
    text: str


@click.group()
def schedule() -> None:
    """See what runs by itself, and when; pause it, let it go on, run it now."""


@schedule.command("list")
@click.option("--all", "are_all", is_flag=True, help="Also those that the newest code does not have any more.")
@as_json
@at_url
def list_schedules(are_all: bool, as_json: bool, url: str | None) -> None:  # noqa: FBT001
    """List schedules by app and name. LAST: its newest tick; `outlast list` has the tasks.

    With --json: a list of objects with id, name, app, release, state (ticking, paused, retired), when, missed (once,
    all, none), function, arguments, in_code (or asked for at run time), next_at, asked_at (somebody has said `run`),
    last_at (seconds since the epoch, or null), last_task and reason.
    """
    with history(url) as (journal, _):
        found = [one for one in journal.schedules() if are_all or one.state != "retired"]
    if as_json:
        say_json([documents.schedule(one) for one in found])
        return
    if not found:
        say_aside("no schedules")
        return
    say(HEADER, mark="header")
    for one in found:
        say(_row(one), mark=one.state)


def _command(wish: Wish) -> click.Command:
    @click.command(wish.verb, help=wish.text)
    @click.argument("name", shell_complete=schedules)
    @click.option("--app", default="", help="Whose, if several apps have one of that name.")
    @as_json
    @at_url
    def command(name: str, app: str, as_json: bool, url: str | None) -> None:  # noqa: FBT001
        with told_errors():
            settings = settings_at(url)
            found, place = _one(settings, name, app), place_of(settings)
            is_done = bool(decided(settings, lambda journal: wish.do(journal.schedules, [found.id])))
            look_now(place)
        if as_json:
            say_json(documents.schedule_changed(found, wish.done, is_done=is_done))
        else:
            say(events.changed(found.name, wish.done, is_done=is_done, state=found.state))
        if is_done and living_runner(place) is None:
            say_aside(waits.NO_RUNNER)
        sys.exit(0 if is_done else 1)

    return command


def _one(settings: Settings, name: str, app: str) -> ScheduleRecord:
    """Raises ScheduleNotFound if it is none, or not one."""
    found = [one for one in open_history(settings.url).schedules() if one.name == name and app in ("", one.app)]
    if not found:
        raise ScheduleNotFound(events.not_known(name, place_of(settings).journal))
    if len(found) > 1:
        raise ScheduleNotFound(events.of_several(name, (one.app for one in found)))
    return found[0]


def _row(one: ScheduleRecord) -> str:
    next_at, last_at = (clock(at) if at is not None else "-" for at in (one.next_at, one.last_at))
    what = "" if one.name == one.function else f", {one.function}"
    why = f"; {one.reason}" if one.reason else ""
    return f"{one.state:8}  {next_at:25}  {last_at:25}  {one.name}: {one.when}{what}{why}"


RUN = Wish(
    verb="run",
    done="run",
    do=lambda schedules, some: schedules.ask(some),
    text="Run a schedule once now, beside its ticks; also one that is paused. Exits with 1 when it is retired.",
)
PAUSE = Wish(
    verb="pause",
    done="paused",
    do=lambda schedules, some: schedules.pause(some),
    text="Let a schedule not tick until it is resumed, whatever is deployed. Exits with 1 when it did not tick.",
)
RESUME = Wish(
    verb="resume",
    done="resumed",
    do=lambda schedules, some: schedules.resume(some),
    text="""Let a paused schedule tick from now on; its ticks meanwhile are left out. Exits with 1 when it was not
    paused.""",
)
for _wish in (RUN, PAUSE, RESUME):
    schedule.add_command(_command(_wish))
