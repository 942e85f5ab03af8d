"""`outlast worker`: the runner as a service of its own, for OUTLAST_RUNNER=external."""

from __future__ import annotations

import os
import sys
from dataclasses import replace

import click

from outlast.cli.output import say_aside
from outlast.errors import OutlastError
from outlast.journal.location import place_of
from outlast.runner.start import logging_to_stderr, run
from outlast.settings.settings import Settings
from outlast.web.identity import called, deployment_to_be
from outlast.wire.hello import VERSION, Environment, Hello

as_factory = click.option("--factory", is_flag=True, help="The app is made by a call of it, as of uvicorn's --factory.")


@click.command()
@click.argument("app", required=False, metavar="[MODULE:APP]")
@click.option("--url", help="The journal, if it is not that of OUTLAST_URL or pyproject.toml.")
@as_factory
def worker(app: str | None, url: str | None, factory: bool) -> None:  # noqa: FBT001
    """Run the tasks of a journal until it is told to stop.

    SIGTERM or Ctrl-C lets running tasks finish (OUTLAST_DRAIN seconds at most), a second one ends them now; they
    run again at the next start. Start the web server with OUTLAST_RUNNER=external. An app that cannot be imported ends
    it, with exit code 1.
    """
    try:
        settings = Settings.load(app=app, url=url)
        if os.getcwd() not in sys.path:  # noqa: PTH109 - as servers do, so that main:app is found
            sys.path.insert(0, os.getcwd())  # noqa: PTH109
        sys.argv[1:] = []  # they are outlast's, and the server's are not known
        with logging_to_stderr() as voice:
            environment = Environment.here(called(settings.app) if factory else settings.app, settings)
            environment = replace(environment, declares=True)
            deployment = deployment_to_be(environment.app, settings)
            run(place_of(settings), voice, Hello(0, VERSION, True, environment, deployment=deployment))
    except OutlastError as error:
        say_aside(f"outlast: {error}")
        sys.exit(1)
