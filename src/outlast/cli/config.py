"""`outlast config`: each setting, its value and where that comes from."""

from __future__ import annotations

from dataclasses import asdict

import click

from outlast.cli import documents
from outlast.cli.output import say, say_aside, say_json
from outlast.cli.read import as_json, at_url, settings_at, told_errors
from outlast.settings.settings import origins

ONLY_HERE = "what the app gives to outlast.install(app, ...) is not known here: it comes before all of this"


@click.command()
@as_json
@at_url
def config(as_json: bool, url: str | None) -> None:  # noqa: FBT001
    """Show each setting, its value, and where it comes from: a variable, pyproject.toml, or the default.

    With --json: an object by name, of objects with `value` and `origin` (`default`, `pyproject.toml`, the name of a
    variable, or `argument` for --url).
    """
    with told_errors():
        settings, found = asdict(settings_at(url)), origins(url=url)
    if as_json:
        say_json(documents.config(settings, found))
        return
    for name, value in settings.items():
        say(f"{name:16} {value!s:28} {found.get(name, 'default')}", mark="" if name not in found else name)
    say_aside(ONLY_HERE)
