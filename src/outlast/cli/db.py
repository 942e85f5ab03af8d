"""`outlast db`: the care of a journal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from outlast.cli import documents
from outlast.cli.asking import sure, yes
from outlast.cli.bars import bar, bar_on
from outlast.cli.output import say, say_aside, say_json
from outlast.cli.ranges import Seconds, count_from_0
from outlast.cli.read import as_json, at_url, history, settings_at, told_errors
from outlast.errors import JournalUnusable
from outlast.events.journal import past_keeping
from outlast.ids import shown
from outlast.journal.by_hand import pruned
from outlast.journal.care import Health
from outlast.journal.engines import open_care
from outlast.journal.read import History, Record
from outlast.journal.turn import Retention
from outlast.tasks.task import State

DAMAGED = "the journal is damaged: stop the server, then put a backup in its place (outlast db backup --help)"
AT_ONCE = 500  # tasks that are read together
_KEPT = {"keep_done": "done", "keep_done_count": "count", "keep_failed": "failed"}


@click.group()
def db() -> None:
    """See whether a journal is well, make it smaller, copy it."""


@db.command()
@as_json
@at_url
def check(as_json: bool, url: str | None) -> None:  # noqa: FBT001
    """Read the whole journal, and say whether it is well and how large it is.

    Exit codes: 0 it is, 1 it is not. With --json: an object with size, log, free (bytes), version, newest (of the
    schema), faults.
    """
    with told_errors():
        care = open_care(settings_at(url).url)
        with bar("reading"):
            health = care.health()
    if as_json:
        say_json(documents.health(health))
    else:
        for line in (*_sizes(health), *health.faults):
            say(line)
        say(DAMAGED if health.faults else "the journal is well")
    sys.exit(bool(health.faults))


@db.command()
@click.option("--keep-done", type=Seconds(0), help="How long done tasks are kept this time.")
@click.option("--keep-done-count", type=count_from_0, help="How many of the newest of them.")
@click.option("--keep-failed", type=Seconds(0), help="How long all else that has ended is kept.")
@yes
@at_url
def prune(yes: bool, url: str | None, **given: Any) -> None:  # noqa: FBT001
    """Forget now what is past keeping.

    It keeps what the newest server of this journal keeps, be that said to install() or elsewhere; before any has run,
    what the settings here say: keep_done, keep_done_count, keep_failed. The options are for this once.
    """
    with told_errors():
        settings = settings_at(url)
        of_server = open_care(settings.url).retention()
        keep = of_server or Retention(settings.keep_done, settings.keep_done_count, settings.keep_failed)
        keep = replace(keep, **{_KEPT[name]: value for name, value in given.items() if value is not None})
        what = past_keeping(keep.done, keep.count, keep.failed, of_server=of_server is not None)
        say_aside(what) if yes else sure(what, yes=False)
        with bar("forgetting") as further:
            count = pruned(settings, keep, further)
        say(f"{count} tasks, incidents and processes are forgotten")


@db.command()
@yes
@at_url
def vacuum(yes: bool, url: str | None) -> None:  # noqa: FBT001
    """Give back the disk space of what was forgotten.

    Nobody can write to the journal meanwhile, about a second for 100 MiB: requests with tasks are answered 503 when
    that takes longer than `store_deadline`. It needs as much free disk as the journal has.
    """
    with told_errors():
        care = open_care(settings_at(url).url)
        before = care.sizes()
        sure(f"write the {before.size >> 10} KiB of the journal anew, to save {before.free >> 10} KiB", yes=yes)
        with bar("writing"):
            after = care.vacuum()
        for line in _sizes(after):
            say(line)


@db.command()
@click.argument("target", type=click.Path(dir_okay=False, path_type=Path))
@at_url
def backup(target: Path, url: str | None) -> None:
    """Copy the journal to a new file, as it is at one moment, while others go on writing.

    To go back to it: stop the server, then `outlast stop`; delete the journal and the files beside it that end in -wal
    and -shm, and copy this one to its place.
    """
    with told_errors():
        try:
            care = open_care(settings_at(url).url)
            with bar_on(sys.stderr) as show:
                size = care.backup(target, lambda done, total: show("copying", done, total))
        except OSError as error:
            raise JournalUnusable(f"no backup was made at {target}: {error.strerror}") from error
    say(f"{target}: {size} bytes")


@db.command()
@click.option("--state", "states", multiple=True, type=click.Choice([state.label for state in State]))
@click.option("--name", default="", help="Only functions whose module:name contains this.")
@at_url
def export(states: tuple[str, ...], name: str, url: str | None) -> None:
    """Print tasks as JSON, a line each, the oldest first. The objects are those of `outlast list --json`."""
    with history(url) as (journal, _):
        ids = journal.ids([State[label.upper()] for label in states] or list(State), name)
        is_seen = sys.stdout.isatty()  # the tasks themselves tell how far it is
        with bar("exporting", 0 if is_seen else len(ids)) as further:
            for record in _read(journal, ids, further):
                say_json(documents.task(record), indent=None)
    say_aside(f"{len(ids)} tasks")


def _read(journal: History, ids: Sequence[int], further: Callable[[int], None]) -> Iterator[Record]:
    """Some at a time, so that a large journal is never in memory."""
    for start in range(0, len(ids), AT_ONCE):
        some = ids[start : start + AT_ONCE]
        yield from journal.tasks_of(map(shown, some)).values()
        further(len(some))


def _sizes(health: Health) -> list[str]:
    is_new = "" if health.version == health.newest else f" (the next start brings it to {health.newest})"
    return [
        f"size     {health.size >> 10} KiB, and {health.log >> 10} KiB of its log",
        f"free     {health.free >> 10} KiB, which `outlast db vacuum` gives back",
        f"version  {health.version}{is_new}",
    ]
