"""`outlast worker`: the runner as a service of its own, for OUTLAST_RUNNER=external."""

from __future__ import annotations

import os
import sys

import click

from outlast.cli.output import say_aside
from outlast.engines.place import place_of
from outlast.errors import OutlastError
from outlast.hello import VERSION, Environment, Hello
from outlast.identity import deployment_to_be
from outlast.runner.start import logging_to_stderr, run
from outlast.settings import Settings


@click.command()
@click.argument("app", required=False, metavar="[MODULE:APP]")
@click.option("--url", help="The journal, if it is not that of OUTLAST_URL or pyproject.toml.")
def worker(app: str | None, url: str | None) -> None:
    """Run the tasks of a journal until it is told to stop.

    SIGTERM or Ctrl-C lets running tasks finish (OUTLAST_DRAIN seconds at most), a second one ends them now; they
    run again at the next start. Start the web server with OUTLAST_RUNNER=external.
    """
    try:
        settings = Settings.load(app=app, url=url)
        if os.getcwd() not in sys.path:  # noqa: PTH109 - as servers do, so that main:app is found
            sys.path.insert(0, os.getcwd())  # noqa: PTH109
        sys.argv[1:] = []  # they are outlast's, and the server's are not known
        with logging_to_stderr() as voice:
            environment = Environment.here(settings.app, settings)
            hello = Hello(0, VERSION, serves=True, environment=environment, deployment=deployment_to_be(settings))
            run(place_of(settings), voice, hello)
    except OutlastError as error:
        say_aside(f"outlast: {error}")
        sys.exit(1)
