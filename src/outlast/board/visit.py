"""One look at a page: what it may read, where its links lead, and what it becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import QueryParams

from outlast.board.links import Links
from outlast.journal.read import History
from outlast.journal.survey import Survey
from outlast.settings.settings import Settings
from outlast.system.place import Place


@dataclass(frozen=True, slots=True)
class Visit:
    """now: seconds since the epoch. query: of its URL, from which nothing is trusted. parts: of its path."""

    links: Links
    settings: Settings
    place: Place
    history: History
    survey: Survey
    now: float
    query: QueryParams
    parts: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Page:
    """A template with what it shows.

    is_live: whether a browser that is looked at asks for it again now and then. section: which page of the navigation
    it belongs to, if it is none of these itself.
    """

    template: str
    title: str
    values: Mapping[str, Any] = field(default_factory=dict)
    is_live: bool = True
    status: int = 200
    section: str = ""
