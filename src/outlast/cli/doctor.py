"""`outlast doctor`: what would go wrong with an app's tasks."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from outlast.cli import documents
from outlast.cli.output import MOST_SHOWN, say, say_json
from outlast.cli.read import as_json, told_errors
from outlast.cli.worker import as_factory
from outlast.doctor.examine import examine
from outlast.doctor.report import as_document, as_lines
from outlast.doctor.server import Server, arguments_of, read_server
from outlast.errors import SettingsError
from outlast.settings.settings import Settings
from outlast.web.identity import called

FINDINGS = 3


@click.command()
@click.argument("app", required=False, metavar="[MODULE:APP]")
@click.option("--server", "command", metavar="COMMAND", help='How it is served: "gunicorn -k asgi main:app".')
@click.option("--app-dir", metavar="FOLDER", help="Where the module is, if not in the current folder, such as src.")
@as_factory
@as_json
def doctor(app: str | None, command: str | None, app_dir: str | None, factory: bool, as_json: bool) -> None:  # noqa: FBT001
    """Look for what would go wrong with an app's tasks.

    It imports the app (and calls its factory, where it is one), and runs nothing else of it; the rest is read from the
    source. It lists each place where a task is asked for with the lane that it takes and why, and what it found: tasks
    that cannot leave the web worker, `async def` functions that block, a server's settings that hurt, a journal in the
    wrong place. gunicorn.conf.py and GUNICORN_CMD_ARGS are read, not run.

    A line with `# noqa: ASYNC...` is not said to block.

    Exit codes: 0 no finding (notes are none), 1 failure, 2 wrong usage, 3 findings.
    """
    server = _server(command)
    with told_errors():
        sys.argv[:] = arguments_of(command) if command else sys.argv[:1]  # some apps read them when they are imported
        _look_where_servers_look(app_dir or (server.folder if server else ""))
        target = app or (server.app if server else "") or Settings.load().app
        report = examine(called(target) if factory else target, server)
    if as_json:
        say_json(documents.of("doctor/1", as_document(report)))
    else:
        for line in as_lines(report):
            say(line, MOST_SHOWN)
    sys.exit(FINDINGS if report.is_ill else 0)


def _server(command: str | None) -> Server | None:
    try:
        return read_server(command, os.environ, Path.cwd())
    except SettingsError as error:
        raise click.UsageError(str(error)) from None


def _look_where_servers_look(folder: str) -> None:
    place = str(Path(folder).absolute())
    if place not in sys.path:
        sys.path.insert(0, place)
