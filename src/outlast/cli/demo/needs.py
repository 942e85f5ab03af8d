"""What has to be there before the demo can start: the packages it serves with, and the article's app."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

PACKAGES = {
    "fastapi": "fastapi",
    "gunicorn": "gunicorn",
    "uvicorn": "uvicorn",
    "uvicorn_worker": "uvicorn-worker",
}


def missing_packages() -> list[str]:
    """The packages of the extra `demo` that are not installed."""
    return [package for module, package in PACKAGES.items() if find_spec(module) is None]


def article_file() -> Path:
    """The article's app: beside this file where outlast was installed from a wheel, else in the repository.

    Raises FileNotFoundError when it is in neither place.
    """
    here = Path(__file__).resolve()
    places = (here.parent / "article" / "main.py", here.parents[4] / "examples" / "article" / "main.py")
    for place in places:
        if place.is_file():
            return place
    raise FileNotFoundError(f"the article's app is neither at {places[0]} nor at {places[1]}; install outlast again")
