"""Journals as tests read them: by the contract, whatever the engine."""

from __future__ import annotations

from pathlib import Path

from outlast.journal.engines import open_history
from outlast.journal.read import History
from outlast.watch.incident import Cause


def history_of(path: Path) -> History:
    """The read side of the journal at `path`."""
    return open_history(f"sqlite:///{path}")


def blamed_in(journal: Path) -> list[str]:
    """What happened to processes, but that the machine was too busy for them: any test may see that.

    Whoever holds the interpreter's lock may get no processor, too: then all that is known is that nothing ran.
    """
    return [
        one.sentence for one in history_of(journal).incidents(100) if one.cause not in (Cause.STARVED, Cause.FROZEN)
    ]
