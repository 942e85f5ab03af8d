"""Bars for what takes long, where somebody sees them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

from outlast.cli.output import console

FEW = 1_000  # rows, with which nobody waits
Show = Callable[[str, float, float | None], None]
"""Of what, how much is done, of how much; None where nobody knows."""


@contextmanager
def bar(what: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Shows how far `what` is, on stderr; tell it how much more has been done. total: None where nobody knows."""
    if total is not None and total < FEW:
        yield lambda _: None
        return
    done = 0
    with bar_on(sys.stderr) as show:

        def further(more: int) -> None:
            nonlocal done
            done += more
            show(what, done, total)

        further(0)
        yield further


@contextmanager
def bar_on(stream: TextIO) -> Iterator[Show]:
    """A bar that is gone afterwards; none where `stream` is no terminal."""
    if not stream.isatty():
        yield lambda *_: None
        return
    from rich.markup import escape
    from rich.progress import Progress

    with Progress(console=console(stream), transient=True, redirect_stdout=False, redirect_stderr=False) as bars:
        one = bars.add_task("", total=None)
        yield lambda what, done, total: bars.update(one, description=escape(what), completed=done, total=total)
