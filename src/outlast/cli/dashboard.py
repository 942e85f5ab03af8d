"""`outlast dashboard`: the dashboard of a journal alone, for who sits at this machine."""

from __future__ import annotations

import click

from outlast.cli.output import say, say_aside
from outlast.cli.read import at_url, settings_at, told_errors
from outlast.events import board as words


@click.command()
@click.option("--open", "opens", is_flag=True, help="Open it in the browser.")
@click.option("--port", default=0, show_default="any that is free", type=click.IntRange(0, 65535))
@click.option("--read-only", is_flag=True, help="Nothing can be changed there.")
@at_url
def dashboard(opens: bool, port: int, read_only: bool, url: str | None) -> None:  # noqa: FBT001
    """Serve the dashboard of a journal on this machine, until Ctrl-C.

    It prints an address with a key in it, which lets its browser in: others who can reach the port have none. It needs
    `pip install "outlast[dashboard]"` and uvicorn. To show it to others, mount it in the app: docs/dashboard.md.
    """
    from outlast.board.alone import Alone

    with told_errors():
        alone = Alone(settings_at(url), port, is_read_only=read_only)
    say(alone.address)
    if opens and not alone.open():
        say_aside(words.NO_BROWSER)
    alone.serve()
