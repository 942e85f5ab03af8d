"""Commands that change much ask first."""

from __future__ import annotations

import select
import sys

import click

yes = click.option("--yes", "-y", is_flag=True, help="Do not ask.")
LISTEN = 0.1  # seconds


def sure(what: str, *, yes: bool) -> None:
    """Ask on a terminal whether to do `what`. Raises UsageError where there is none, Abort for no.

    KeyboardInterrupt is what Ctrl-C is, here as elsewhere.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError(f"this would {what}: say --yes, since nobody can be asked here")
    click.echo(f"{what[0].upper()}{what[1:]}? [y/N]: ", nl=False, err=True)
    try:
        answer = _line()
    except KeyboardInterrupt:
        click.echo(err=True)  # below the question
        raise
    if answer.strip().lower() not in ("y", "yes"):
        raise click.Abort


def _line() -> str:
    """The next line of stdin, "" at its end.

    Not by `input`, as click has it: a signal that comes just before `input` reads is heard only after the next key.
    """
    while not select.select([sys.stdin], [], [], LISTEN)[0]:
        pass
    return sys.stdin.readline()
