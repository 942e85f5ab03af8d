"""The one sentence for each thing that happens to a journal: log, timeline and command line share it."""

from __future__ import annotations

from logging import ERROR, WARNING
from pathlib import Path

from outlast.events import words
from outlast.events.event import Event, Told


class UnfinishedFound(Event):
    journal: Path
    count: int

    def __str__(self) -> str:
        tasks = f"{self.count or 'no'} unfinished task{'s' * (self.count != 1)}"
        return f"journal {self.journal}: {tasks}"


class JournalRefuses(Told, level=ERROR):
    """A web worker cannot write to it now."""


def journal_is_folder(path: object) -> str:
    return f"the journal {path} is a folder: name a file in it, OUTLAST_URL=sqlite:///{path}/outlast/journal.db"


def no_journal(path: object) -> str:
    return (
        f"there is no journal at {path} yet: the first task makes it. If the app keeps it elsewhere, give --url or "
        "OUTLAST_URL"
    )


def journal_not_written(path: object, why: object) -> str:
    """The journal takes nothing for now: full, locked, read-only."""
    return f"the journal {path} cannot be written now: {why}"


def journal_closed(path: object, why: object) -> str:
    return f"the journal {path} cannot be opened: {why}. Its folder and its files have to be writable for this user"


def journal_damaged(path: object, why: object) -> str:
    return (
        f"the journal {path} is damaged: {why}. Move it away, with its -wal and -shm, while the server runs: a new one "
        "is begun, and what is still in memory is stored there. Or stop the server and restore a copy"
    )


def not_a_journal(path: object) -> str:
    return (
        f"the database {path} is not a journal of outlast's, and is left as it is: set OUTLAST_URL, --url or `url` of "
        "install() to a file of the journal's own, such as sqlite:///.outlast/journal.db"
    )


def journal_newer(path: object, found: int, known: int) -> str:
    return (
        f"the journal {path} has version {found}, this outlast knows {known}: "
        "upgrade outlast, or set OUTLAST_URL to another path"
    )


class JournalMigrates(Event, level=WARNING):
    journal: Path
    mib: int
    found: int
    known: int
    sentence = (
        "the journal {journal} ({mib} MiB) is brought from version {found} to {known}: nothing else can be "
        "written until that is done, which takes some seconds for each million tasks"
    )


class JournalPutBack(Event, level=ERROR):
    """It was deleted or moved away while it was open. `aside`: where that is now which lay in its place."""

    journal: Path
    aside: str

    def __str__(self) -> str:
        return (
            f"the journal {self.journal} was deleted or moved away while it was in use: all that was in it has been "
            f"put back{_left_aside(self.aside)}. To begin a new one, stop the server, then `outlast stop`"
        )


class JournalBegunAnew(Event, level=ERROR):
    journal: Path
    aside: str

    def __str__(self) -> str:
        return (
            f"the journal {self.journal} was damaged and is gone: a new one is begun, with what is still in memory"
            f"{_left_aside(self.aside)}"
        )


def _left_aside(aside: str) -> str:
    return f"; what lay there is now {aside}" if aside else ""


class TakenAlong(Event, level=WARNING):
    count: int

    def __str__(self) -> str:
        said = words.tasks(self.count)
        return f"{said} that had been running or had ended were still in memory and are in the new journal"


UNKNOWN_TO_JOURNAL = "its journal was damaged and is gone: all that is known of it was in memory"


def past_keeping(done: float, count: int, failed: float, *, of_server: bool) -> str:
    """What is forgotten by hand, and who says so."""
    who = "as the newest server keeps them" if of_server else "by the settings here: no server has told its own yet"
    newest = f"{count:,}".replace(",", " ")
    return (
        f"forget done tasks that ended over {words.lasting(done)} ago or are not among the newest {newest}, and others "
        f"that ended over {words.lasting(failed)} ago ({who})"
    )


def incidents_counted(stalls: int, times: int, deaths: int) -> str:
    in_all = f" ({times} times in all)" if times > stalls else ""
    loops = [f"{stalls} blocked loop{'s' * (stalls != 1)}{in_all}"] if stalls else []
    ends = [f"{deaths} death{'s' * (deaths != 1)}"] if deaths else []
    return f"incidents of the last day: {', '.join(loops + ends)}: see `outlast explain`"


NOT_THERE_ANY_MORE = "not in the journal any more"
