"""What commands print: lines that are lines, whatever was stored, and of a length that can be read.

On a terminal no word is cut at its edge, and states have colours; into a pipe or a file each line goes as it is.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

import click

from outlast.text import one_line

if TYPE_CHECKING:
    from rich.console import Console

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
    "ticking": "green",
    "paused": "yellow",
    "retired": "magenta",
}


def say(line: str, most: int = MOST_LINE, *, hang: int = 4, mark: str = "") -> None:
    """Print one line; what is not fit for a terminal is escaped.

    hang: how far its further rows are indented, where a terminal is too narrow for it. mark: a word in it that has the
    colour of STYLES there, or is bold; `header` is the whole line.
    """
    plain = one_line(line, most)
    if not sys.stdout.isatty():
        click.echo(plain)
        return
    from rich.text import Text

    text = Text(wrapped(plain, hang, shutil.get_terminal_size().columns))
    start = 0 if mark == "header" else text.plain.find(mark)
    if mark and start >= 0:
        text.stylize(STYLES.get(mark, "bold"), start, len(text) if mark == "header" else start + len(mark))
    console(sys.stdout).print(text, soft_wrap=True)


def console(stream: TextIO) -> Console:
    """A terminal, without colours where somebody wants none: by NO_COLOR or --no-color."""
    from rich.console import Console

    context = click.get_current_context(silent=True)
    is_plain = bool(os.environ.get("NO_COLOR")) or (context is not None and context.color is False)
    return Console(file=stream, color_system=None if is_plain else "auto", highlight=False)


def wrapped(line: str, hang: int, width: int) -> str:
    """`line` in rows of at most `width` columns, broken between words where that can be."""
    from rich.cells import cell_len

    rows, room = [""], max(width, 2 * hang)
    for word in re.findall(r" *[^ ]+", line):
        if rows[-1] and cell_len(rows[-1]) + cell_len(word) > room:
            rows.append(" " * hang + word.lstrip())
        else:
            rows[-1] += word
    return "\n".join(rows)


def fitted(line: str, width: int) -> str:
    """`line` in one row of at most `width` columns, cut between words unless that leaves little of it."""
    from rich.cells import cell_len, set_cell_size

    if cell_len(line) <= width:
        return line
    room = set_cell_size(line, width - 1)
    end = len(room) if line[len(room)] == " " else room.rfind(" ")
    return f"{room[: end if end > len(room) * 2 // 3 else None].rstrip()}…"


def say_aside(line: str) -> None:
    """The same on stderr, where it is not taken for the answer; that comes also where stderr takes nothing."""
    plain, columns = one_line(line, MOST_SHOWN), shutil.get_terminal_size().columns
    is_cut = sys.stderr.isatty() and len(plain) > columns
    with suppress(OSError):
        click.echo(wrapped(plain, 4, columns) if is_cut else plain, err=True)


def say_json(document: Any, indent: int | None = 2) -> None:
    """Print one JSON document, in ASCII; without `indent` in one line. A number that JSON does not have is null."""
    try:
        text = json.dumps(document, indent=indent, allow_nan=False)
    except ValueError:
        text = json.dumps(_finite(document), indent=indent)
    click.echo(text)


def _finite(value: Any) -> Any:
    """Numbers of a journal are anything that a file may hold."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {name: _finite(one) for name, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list | tuple) else value
