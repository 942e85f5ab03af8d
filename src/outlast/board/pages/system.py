"""What runs here: the journal and how it grows, what is wrong, versions, all settings and where each comes from."""

from __future__ import annotations

import platform
import sys
from dataclasses import asdict
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from outlast.board.checks import checked
from outlast.board.visit import Page, Visit
from outlast.board.workers import living
from outlast.settings.settings import Settings, origins

PACKAGES = ("outlast", "fastapi", "starlette", "pydantic", "apsw", "uvicorn", "gunicorn")


def system(visit: Visit) -> Page:
    """What there is to know of the machine's side of it."""
    survey, found = visit.survey, visit.survey.overview(visit.now)
    has_runner = any(one.kind == "runner" for one in living(found.processes, visit.place))
    values = {
        "versions": _versions(),
        "journal": str(visit.place.journal),
        "extent": survey.extent(),
        "growth": survey.growth(visit.now),
        "checks": checked(visit.settings, visit.place, found, has_runner=has_runner),
        "settings": _settings(visit.settings),
        "blockers": found.blockers,
    }
    return Page("system.html", "System", values)


def _settings(settings: Settings) -> list[tuple[str, object, str]]:
    """Of each its name, its value, and where that comes from."""
    here, origin = asdict(Settings.load()), origins()
    return [
        (name, value, origin.get(name, "default") if here[name] == value else "install(app)")
        for name, value in asdict(settings).items()
    ]


@cache
def _versions() -> list[tuple[str, str]]:
    found = [("Python", platform.python_version()), ("system", f"{platform.system()} {platform.release()}")]
    for name in PACKAGES:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return [*found, ("interpreter", sys.executable)]
