"""What does in a terminal what a page does, to the same journal."""

from __future__ import annotations

import shlex

from outlast.board.visit import Visit
from outlast.journal.location import journal_path, url_at
from outlast.settings.settings import Settings


class Terminal:
    """One in this folder, which finds the journal by itself or needs its url. Reads pyproject.toml when it is made.

    Only that counts: a terminal has neither the server's variables nor what `install` was given.
    """

    def __init__(self, visit: Visit) -> None:
        is_found = journal_path(Settings.load({}).url) == visit.place.journal
        self._url = () if is_found else ("--url", url_at(visit.place))

    def command(self, *words: str) -> str:
        """`outlast` with these words, as they are typed there."""
        return shlex.join(("outlast", *words, *self._url))


def command(visit: Visit, *words: str) -> str:
    """The same where it is the only one of a page."""
    return Terminal(visit).command(*words)
