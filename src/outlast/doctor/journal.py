"""Collects what is known of the journal, without making or changing one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from outlast.doctor.surroundings import JournalFacts
from outlast.errors import NotAJournal, OutlastError
from outlast.events.words import WEB_WORKER
from outlast.journal.engines import open_care, open_history
from outlast.journal.location import file_system_of, journal_path, refusal_of, url_at, why_not_written
from outlast.journal.read import History, Summary
from outlast.settings.settings import Settings
from outlast.system.liveness import Liveness
from outlast.system.place import Place
from outlast.watch.incident import Cause

_LOOKED_AT = 200  # incidents
_DEPTH = 2  # folders below the current one in which another journal is looked for
_NOT_THE_PROJECTS = frozenset({"node_modules", "site-packages", "venv"})


def journal_facts(place: Place, now: float) -> JournalFacts:
    """What is known of the journal at `place`, which the app uses; `now` is in seconds since the epoch."""
    path = place.journal
    refused = refusal_of(place) or why_not_written(place)
    facts = JournalFacts(path, file_system_of(path.parent), refused, others=tuple(_others(path)))
    if facts.refused or not path.exists():
        return replace(facts, runner_lives=False, blockers={})
    try:
        history, strange = open_history(url_at(place)), tuple(open_care(url_at(place)).strange_tables())
        summary, stalls = history.summary(now), _stalls(history)
    except NotAJournal as error:
        return replace(facts, refused=str(error), blockers={})
    except OutlastError as error:
        return replace(facts, unreadable=str(error), blockers={})
    waiting = summary.counts["waiting"]
    facts = replace(facts, blockers=summary.blockers, stalls=stalls, waiting=waiting, strange_tables=strange)
    return replace(facts, runner_lives=_runner_lives(place, summary))


def _stalls(history: History) -> dict[str, float]:
    """What has blocked web workers of late, and for how long at most; also what they died of."""
    seconds: dict[str, float] = {}
    for one in history.incidents(_LOOKED_AT):
        if one.process == WEB_WORKER and one.cause in (Cause.BLOCKED, Cause.HELD, Cause.TIMEOUT) and one.culprit:
            seconds[one.culprit] = max(one.seconds, seconds.get(one.culprit, 0.0))
    return seconds


def _runner_lives(place: Place, summary: Summary) -> bool | None:
    """Whether the runner that is said to be there holds its lock; None if this user may not look."""
    if all(process.kind != "runner" for process in summary.processes):
        return False
    try:
        return place.locks.exists() and Liveness(place).runner() is not None
    except OSError:
        return None


def _others(path: Path) -> Iterator[tuple[Path, str]]:
    """Other journals, and what leads to them."""
    near = dict.fromkeys(_found_near(), "a process that was started in that folder has made it")
    found = {**near, **dict(_named_elsewhere())}
    found.pop(path, None)
    yield from found.items()


def _named_elsewhere() -> Iterator[tuple[Path, str]]:
    """The journals that the command line and, without the variable, pyproject.toml lead to."""
    yield (
        journal_path(Settings.load().url),
        "`outlast status` reads that one, install(app, url=...) names another",
    )
    if "OUTLAST_URL" in os.environ:
        rest = {name: value for name, value in os.environ.items() if name != "OUTLAST_URL"}
        written = Settings.load(rest).url
        if written != Settings().url:
            yield journal_path(written), "pyproject.toml names that one, and OUTLAST_URL another"


def _found_near() -> Iterator[Path]:
    here = Path.cwd()
    for folder in (*here.parents, *_folders_below(here, _DEPTH)):
        journal = folder / ".outlast" / "journal.db"
        if os.access(journal, os.F_OK):
            yield journal


def _folders_below(folder: Path, depth: int) -> Iterator[Path]:
    if depth == 0:
        return
    with os.scandir(folder) as entries:
        inside = [Path(one.path) for one in entries if one.is_dir(follow_symlinks=False)]
    for below in sorted(filter(_may_be_the_projects, inside)):
        yield below
        yield from _folders_below(below, depth - 1)


def _may_be_the_projects(folder: Path) -> bool:
    is_other = folder.name.startswith(".") or folder.name in _NOT_THE_PROJECTS
    return not is_other and os.access(folder, os.R_OK | os.X_OK)
