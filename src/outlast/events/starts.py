"""The words for the start of a task process: what the app does there, and why it does not come to its end."""

from __future__ import annotations

from collections.abc import Sequence
from logging import DEBUG

from outlast.events.event import Event
from outlast.events.waits import GUARD

NO_REASON = "an error that it does not name"


class SourceNotRead(Event, level=DEBUG):
    app: str
    why: str
    sentence = "what the import of {app} does could not be looked into: {why}"


class LifespanNotRead(Event, level=DEBUG):
    app: str
    why: str
    sentence = "the lifespan of {app} could not be looked into: {why}"


def import_broke(app: str, what: str, where: str) -> str:
    return f"{f'importing {app}' if app else 'starting'} raised {what}{where and f' ({where})'}"


def lifespan_broke(lifespan: str, what: str, where: str) -> str:
    """Why a task process cannot start: it cannot do what a web worker has done at its start."""
    return (
        f"the lifespan of {lifespan} raised {what}{where and f' ({where})'}. If that is for the web server alone, "
        f"guard it with {GUARD}, or set child_lifespan"
    )


def import_started(app: str, started: Sequence[str]) -> str:
    """What is there in each process that imports the app; empty if nothing."""
    if not started:
        return ""
    return (
        f"importing {app} has started {listed(started)}, and does so in each task process, too: if only one may run, "
        f"guard it with {GUARD}"
    )


def lifespan_started(lifespan: str, started: Sequence[str], places: Sequence[str]) -> str:
    """What is there in each process that enters the lifespan; empty if nothing. places: where it may be started."""
    if not started:
        return ""
    where = f", in {listed(places)}" if places else ""
    return (
        f"the lifespan of {lifespan} has started {listed(started)}{where}, and does so in each task process, too: if "
        f"only one may run, guard it with {GUARD}, or set child_lifespan"
    )


def lifespan_repeats(lifespan: str, lines: Sequence[str]) -> str:
    """What each process does that enters the lifespan, and nobody sees afterwards; empty if nothing."""
    if not lines:
        return ""
    return (
        f"the lifespan of {lifespan} {listed(lines)}, and does so in each task process, too, whenever one starts: if "
        f"that is for the start of the server alone, guard it with {GUARD}, or set child_lifespan"
    )


def import_repeats(app: str, lines: Sequence[str]) -> str:
    """The same of each process that imports the app."""
    if not lines:
        return ""
    return (
        f"importing {app} {listed(lines)}, and does so in each task process, spare ones included, too, whenever one "
        f"starts: if that is for the start of the server alone, guard it with {GUARD}"
    )


def listed(things: Sequence[str], most: int = 5) -> str:
    """Several things in a sentence."""
    more = f"and {len(things) - most} more" if len(things) > most else ""
    return ", ".join(filter(None, [*things[:most], more]))
