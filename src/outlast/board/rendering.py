"""Pages to HTML. All that is shown is escaped where it is put in; nothing here is ever marked as safe."""

from __future__ import annotations

import hashlib
import json
from contextlib import suppress
from datetime import UTC, datetime

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import Response

from outlast.board.door import SAFE_METHODS
from outlast.board.filters import Filter, Pairs, cursor_of, cursor_text
from outlast.board.links import EVERY, Links
from outlast.board.visit import Page
from outlast.journal.telling import clock, counted
from outlast.text import clean

PAGES = (
    # path, name, key: what the navigation shows, and what leads there from the keyboard
    ("/", "Overview", "o"),
    ("/tasks", "Tasks", "t"),
    ("/failures", "Failures", "f"),
    ("/workers", "Workers", "w"),
    ("/incidents", "Incidents", "i"),
    ("/queues", "Queues", "q"),
    ("/schedules", "Schedules", "s"),
    ("/system", "System", "y"),
)
PACES_SHOWN = ((str(EVERY), f"{EVERY} s"), ("10", "10 s"), ("off", "off"))
MOST_SHOWN = 20_000  # characters of one text


class Renderer:
    """Of all pages of one dashboard."""

    def __init__(self, *, is_read_only: bool) -> None:
        self._is_read_only = is_read_only
        self._templates = Environment(
            loader=PackageLoader("outlast.board"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._templates.filters |= {
            "clock": clock,
            "iso": iso,
            "seconds": seconds,
            "size": size,
            "counted": counted,
            "pretty": pretty,
            "sentence": sentence,
        }

    def answer(self, page: Page, links: Links, request: Request) -> Response:
        """The page, or 304 to who has it as it is."""
        html = self._templates.get_template(page.template).render(
            page.values,
            title=page.title,
            is_live=page.is_live and request.method in SAFE_METHODS,
            links=links,
            paces=PACES_SHOWN,
            pace=links.pace or str(EVERY),
            path=_path_inside(request),
            query=_query(request),
            pages=PAGES,
            section=page.section or _path(page),
            is_read_only=self._is_read_only,
        )
        body = html.encode(errors="backslashreplace")
        tag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
        if page.status == 200 and tag in request.headers.get("if-none-match", ""):  # weak, if a proxy has compressed it
            return Response(status_code=304, headers={"ETag": tag})
        return Response(body, page.status, {"ETag": tag}, "text/html")


def _path_inside(request: Request) -> str:
    """Of the page that was asked for, in the dashboard."""
    path: str = request.scope["path"]
    return path.removeprefix(request.scope.get("root_path", "")) or "/"


def _query(request: Request) -> Pairs:
    """What the page that was asked for shows, as far as its URL says it."""
    after = cursor_text(cursor_of(request.query_params.get("after", "")))
    return [*Filter.of(request.query_params).pairs(), *([("after", after)] if after else ())]


def _path(page: Page) -> str:
    name = page.template.partition(".")[0]
    return "/" if name == "overview" else f"/{name}"


def iso(at: float) -> str:
    """A time for machines; empty for a number that is none."""
    try:
        return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError):
        return ""


def seconds(span: float | None) -> str:
    """A span of time as people say it."""
    if span is None or span == 0:
        return "–" if span is None else "0 s"
    for most, unit, digits in ((1e-3, "µs", 0), (1.0, "ms", 0), (60.0, "s", 2 if span < 10 else 1)):
        if span < most:
            return f"{span * {'µs': 1e6, 'ms': 1e3, 's': 1.0}[unit]:.{digits}f} {unit}"
    minutes = span / 60
    if minutes < 60:
        return f"{minutes:.1f} min"
    return f"{minutes / 60:.1f} h" if minutes < 48 * 60 else f"{minutes / 1440:.1f} d"


def size(count: int) -> str:
    """Bytes as people read them."""
    value = float(count)
    for unit in ("B", "KiB", "MiB"):
        if value < 1024:
            return f"{value:.0f} {unit}" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1024
    return f"{value:.1f} GiB"


def pretty(text: str) -> str:
    """JSON with its parts below each other; what is none, or too long, as it is. What JSON has escaped stays so."""
    with suppress(ValueError, RecursionError):
        if len(text) <= MOST_SHOWN:
            text = json.dumps(json.loads(text), indent=2, ensure_ascii=False)
    return clean(text, MOST_SHOWN)


def sentence(text: str) -> str:
    """As it begins a paragraph."""
    return text[:1].upper() + text[1:]
