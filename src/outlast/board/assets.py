"""The files that pages need: style, script, icon. Named one by one, so that no path leads to another file."""

from __future__ import annotations

from functools import cache
from importlib.metadata import version
from importlib.resources import files

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from outlast.events import board as words

KINDS = {
    "board.css": "text/css",
    "board.js": "text/javascript",
    "htmx.min.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
VERSION = version("outlast")


@cache
def _content(name: str) -> bytes:
    return files("outlast.board").joinpath("files", name).read_bytes()


def asset(request: Request) -> Response:
    """One of them."""
    name = request.path_params["name"]
    if name not in KINDS:
        raise HTTPException(404, words.NO_SUCH_PAGE)
    return Response(_content(name), media_type=KINDS[name], headers={"Cache-Control": "private, max-age=604800"})
