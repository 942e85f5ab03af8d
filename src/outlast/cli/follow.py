"""`outlast wait` and `outlast tail`: what becomes of tasks, as it happens."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import click

from outlast.cli import documents, pages
from outlast.cli.bars import Show, bar_on
from outlast.cli.completing import tasks
from outlast.cli.followed import Followed, Happened, News, again
from outlast.cli.output import MOST_SHOWN, say, say_aside, say_json
from outlast.cli.ranges import Seconds
from outlast.cli.read import as_json, at_url, history, settings_at, told_errors
from outlast.errors import JournalMissing
from outlast.journal.engines import open_history, open_log_reader
from outlast.journal.read import History, Printed, Record

LOOK = 0.1  # seconds between questions whether anything has changed
EXITS = {"done": 0, "failed": 1, "cancelled": 4, "dropped": 4}
TOO_EARLY = 5
FROM_NOW_ON = "what becomes of tasks from now on, until Ctrl-C:"


@click.command()
@click.argument("task_id", metavar="ID", shell_complete=tasks)
@click.option("--timeout", type=Seconds(min=0), help="Seconds to wait at most.  [default: without end]")
@as_json
@at_url
def wait(task_id: str, timeout: float | None, as_json: bool, url: str | None) -> None:  # noqa: FBT001
    """Wait until a task has ended, and say how. ID may be the beginning of one.

    On a terminal a bar shows how far it is, where it says so. The task goes on when this is left. With --json: the
    object of `list`.

    Exit codes: 0 done, 1 failed, 3 not found, 4 cancelled or dropped, 5 it has not ended in time.
    """
    with history(url) as (journal, _), bar_on(sys.stdout) as show:
        record = journal.task(task_id)
        for _ in _changes(journal, float("inf") if timeout is None else time.monotonic() + timeout):
            record = again(journal, record.id)
            if record.has_ended:
                break
            _show(record, show)
    if as_json:
        say_json(documents.task(record))
    else:
        say(pages.row(record, time.time()), mark=record.state)
    sys.exit(EXITS.get(record.state, TOO_EARLY))


@click.command()
@click.argument("task_id", metavar="[ID]", required=False, shell_complete=tasks)
@click.option("--name", default="", help="Only functions whose module:name contains this.")
@as_json
@at_url
def tail(task_id: str | None, name: str, as_json: bool, url: str | None) -> None:  # noqa: FBT001
    """Print a line each time that something becomes of a task, and each that it prints or logs.

    Of one (ID may be its beginning) until it has ended, beginning with what its newest attempt has printed; of all
    until Ctrl-C. What is printed comes when it is in the journal: a few times a second, of each attempt the newest 64
    KiB (setting `max_log`).

    With --json: an object on each line, that of `list` for how a task stands now, or one of docs/json.md.
    """
    with told_errors():
        settings = settings_at(url)
        journal, log = open_history(settings.url, settings.redact), open_log_reader(settings.url)
        followed = Followed(journal, log, journal.task(task_id).id if task_id else "", name)
        if not task_id:
            say_aside(FROM_NOW_ON)
        for _ in _changes(journal):
            for one in followed.news():
                _tell(one, as_json=as_json)
            if followed.are_over:
                return


def _show(record: Record, show: Show) -> None:
    so_far = record.progress
    done, total, note = (so_far.done, so_far.total, so_far.note) if so_far else (0, None, "")
    show(f"{record.state} {note}".strip(), done, total)


def _tell(one: News, *, as_json: bool) -> None:
    if as_json:
        for document in documents.news(one):
            say_json(document, indent=None)
        return
    match one:
        case Record():
            say(pages.moment(one), mark=one.state)
        case Happened(record, event):
            say(pages.happened(record, event))
        case Printed():
            for line in pages.printed_lines(one):
                say(line, MOST_SHOWN)


def _changes(journal: History, until: float = float("inf")) -> Iterator[None]:
    """Now, and each time that the journal has changed, until then. Raises JournalMissing when another has its place."""
    seen = None
    while (now := journal.version()) is not None:
        if now != seen:
            seen = now
            yield
        if time.monotonic() >= until:
            return
        time.sleep(LOOK)
    raise JournalMissing("the journal has gone, and another one has come to its place")
