"""What people do to a journal as a whole: see whether it is well, make it smaller, copy it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from outlast.journal.turn import Retention


@dataclass(frozen=True, slots=True)
class Health:
    """Sizes in bytes. free: what a vacuum gives back. faults: what the store finds wrong with itself; empty if nothing.

    version, newest: of its schema, and of the newest that this outlast knows.
    """

    size: int
    log: int
    free: int
    version: int
    newest: int
    faults: tuple[str, ...] = ()


class Care(Protocol):
    """Each raises JournalUnusable when it cannot be done; nothing is lost then."""

    def health(self) -> Health:
        """Reads all of it, which takes about a second per GiB from a fast disk."""
        ...

    def sizes(self) -> Health:
        """The same without reading it: no faults are looked for."""
        ...

    def strange_tables(self) -> list[str]:
        """Those in it that are somebody else's, which a journal that is put back does not have any more."""
        ...

    def retention(self) -> Retention | None:
        """What is kept, as the newest server has it; None where none has told it yet."""
        ...

    def vacuum(self) -> Health:
        """Give back what is free. Nobody can write meanwhile: requests with tasks are answered 503 after a while."""
        ...

    def backup(self, target: Path, further: Callable[[int, int], object] = lambda *_: None) -> int:
        """Copy it as it is at one moment, while others write; returns bytes. Raises FileExistsError.

        further: is told now and then how much is copied, of how much.
        """
        ...
