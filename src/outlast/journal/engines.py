"""Which engine a journal's url names. Nobody else names one."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

from outlast.journal.care import Care
from outlast.journal.location import journal_path
from outlast.journal.read import History, LogReader, StashedFiles
from outlast.journal.sqlite.care import SqliteCare
from outlast.journal.sqlite.history import SqliteHistory
from outlast.journal.sqlite.journal import SqliteJournal
from outlast.journal.sqlite.logs import SqliteLogReader
from outlast.journal.sqlite.opening import require as require_journal
from outlast.journal.sqlite.stashes import SqliteStashedFiles
from outlast.journal.sqlite.survey import SqliteSurvey
from outlast.journal.survey import Survey
from outlast.journal.turn import RunnersJournal
from outlast.system.machine import THE_ONLY


def open_journal(
    url: str,
    *,
    patience: float = 5.0,
    checkpoints: bool = False,
    is_shared: bool = False,
    clock: Callable[[], float] = time.time,
    machine: str = THE_ONLY,
) -> RunnersJournal:
    """The journal of `url`, which is opened at its first use. For one thread of one process.

    `patience` is how many seconds a transaction waits for others that write. `checkpoints` is for the runner alone.
    `is_shared`: whether its folder may be one that others may write to. `clock` gives seconds since the epoch, to a
    store that has no clock of its own. `machine`: the id of this one, where several share a store.

    Raises SettingsError for an unknown url.
    """
    return SqliteJournal(
        url, patience=patience, checkpoints=checkpoints, is_shared=is_shared, clock=clock, machine=machine
    )


def open_existing(url: str, *, is_shared: bool = False) -> RunnersJournal:
    """The journal of `url` for who changes it from outside: none is made. Raises JournalMissing, or SettingsError."""
    require_journal(journal_path(url))
    return open_journal(url, is_shared=is_shared)


def open_history(url: str, redact: Iterable[str] = ()) -> History:
    """The read side of the journal of `url`, also of one that an older version has written. It makes none.

    Values are redacted, also under the names of `redact`, which are a setting. Raises JournalMissing when there is
    none, JournalUnusable when it cannot be read or is of a newer version, SettingsError for an unknown url.
    """
    return SqliteHistory(journal_path(url), redact)


def open_care(url: str) -> Care:
    """What people do to that journal as a whole. Raises JournalMissing when there is none, or SettingsError."""
    return SqliteCare(journal_path(url))


def open_survey(url: str) -> Survey:
    """What a dashboard asks of that journal. Raises as `open_history` does."""
    return SqliteSurvey(journal_path(url))


def open_log_reader(url: str) -> LogReader:
    """What its tasks print and log, for who reads on. Raises as `open_history` does."""
    return SqliteLogReader(journal_path(url))


def open_stashed_files(url: str) -> StashedFiles:
    """What is asked of it on files that are stashed for tasks. Raises as `open_history` does."""
    return SqliteStashedFiles(journal_path(url))
