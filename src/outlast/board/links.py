"""Where pages are: below the path at which the dashboard is mounted, which only each request tells."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import quote, urlencode

from outlast.board.assets import VERSION

Query = Iterable[tuple[str, str]]
EVERY = 2  # seconds after which a browser asks for a page again, if nobody has chosen otherwise
PACES = {"10": 10, "off": 0}


@dataclass(frozen=True, slots=True)
class Links:
    """root: the path of the dashboard as the browser sees it, without a slash at its end.

    pace: how often pages are asked for again, as the URL says it, so that all pages have it from the one before: one
    of PACES, empty for EVERY.
    """

    root: str
    pace: str = ""

    @classmethod
    def below(cls, root_path: str, pace: str = "") -> Links:
        """Of a dashboard that is mounted there."""
        inside = root_path.strip("/")  # `//` at the beginning of a link would be another host
        return cls(f"/{quote(inside, safe='/~')}" if inside else "", pace if pace in PACES else "")

    @property
    def every(self) -> int:
        """That in seconds; 0 for never."""
        return PACES.get(self.pace, EVERY)

    def to(self, path: str, query: Query = ()) -> str:
        """A page by its path in the dashboard, such as `/tasks`. Pairs without a value are left out."""
        written = urlencode([(name, value) for name, value in (*query, ("pace", self.pace)) if value])
        return f"{self.root}{quote(path)}{written and f'?{written}'}"

    def at(self, pace: str) -> Links:
        """The same pages at another pace."""
        return replace(self, pace=pace)

    def task(self, task: str) -> str:
        """The page of a task, by its id."""
        return self.to(f"/tasks/{task}")

    def incident(self, number: int) -> str:
        """The page of an incident."""
        return self.to(f"/incidents/{number}")

    def asset(self, name: str) -> str:
        """A file of the dashboard itself; another one with each version, so browsers may keep it."""
        return self.at("").to(f"/assets/{name}", [("v", VERSION)])
