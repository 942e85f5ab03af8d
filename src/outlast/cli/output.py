"""What commands print: lines that are lines, whatever was stored, and of a length that can be read."""

from __future__ import annotations

import json
import time
from typing import Any

import click

from outlast.text import one_line

MOST_LINE = 1_000  # characters, where many lines are printed
MOST_SHOWN = 20_000  # of one line about one task, such as its arguments


def say(line: str, most: int = MOST_LINE) -> None:
    """Print one line; what is not fit for a terminal is escaped."""
    click.echo(one_line(line, most))


def say_aside(line: str) -> None:
    """The same on stderr, where it is not taken for the answer."""
    click.echo(one_line(line, MOST_SHOWN), err=True)


def say_json(document: Any) -> None:
    """Print one JSON document, in ASCII."""
    click.echo(json.dumps(document, indent=2))


def clock(at: float) -> str:
    """A time as people read it here, to the second."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at))
    except (ValueError, OverflowError, OSError):  # a number that is no time
        return f"{at:19}"
