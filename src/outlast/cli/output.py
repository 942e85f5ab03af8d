"""What commands print: lines that are lines, whatever was stored, and of a length that can be read.

On a terminal no word is cut at its edge, and states have colours; into a pipe or a file each line goes as it is.
"""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
import time
from typing import Any

import click

from outlast.text import one_line

MOST_LINE = 1_000  # characters, where many lines are printed
MOST_SHOWN = 20_000  # of one line about one task, such as its arguments
STYLES = {
    "done": "green",
    "failed": "bold red",
    "running": "cyan",
    "waiting": "yellow",
    "parked": "yellow",
    "dropped": "magenta",
    "cancelled": "magenta",
    "header": "bold",
}


def say(line: str, most: int = MOST_LINE, *, hang: int = 4, mark: str = "") -> None:
    """Print one line; what is not fit for a terminal is escaped.

    hang: how far its further rows are indented, where a terminal is too narrow for it. mark: a word in it that has a
    colour there, one of STYLES; `header` is the whole line.
    """
    plain = one_line(line, most)
    if not sys.stdout.isatty():
        click.echo(plain)
        return
    from rich.console import Console
    from rich.text import Text

    text = Text(wrapped(plain, hang, shutil.get_terminal_size().columns))
    start = 0 if mark == "header" else text.plain.find(mark)
    if mark and start >= 0:
        text.stylize(STYLES.get(mark, ""), start, len(text) if mark == "header" else start + len(mark))
    Console(soft_wrap=True, highlight=False).print(text)


def wrapped(line: str, hang: int, width: int) -> str:
    """`line` in rows of at most `width` letters, broken between words where that can be."""
    rows = textwrap.wrap(
        line, max(width, 2 * hang), subsequent_indent=" " * hang, break_long_words=False, break_on_hyphens=False
    )
    return "\n".join(rows)


def say_aside(line: str) -> None:
    """The same on stderr, where it is not taken for the answer."""
    click.echo(one_line(line, MOST_SHOWN), err=True)


def say_json(document: Any) -> None:
    """Print one JSON document, in ASCII."""
    click.echo(json.dumps(document, indent=2))


def clock(at: float) -> str:
    """A time as people read it here, to the second, with its zone: as the runner's log has it."""
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(at))
    except (ValueError, OverflowError, OSError):  # a number that is no time
        return f"{at:25}"
