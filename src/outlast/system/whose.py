"""Whose code it is: the project's, an installed package's, Python's, a server's, or outlast's own."""

from __future__ import annotations

import os
import sysconfig
from functools import cache
from pathlib import Path, PurePath

_HOMES = ("site-packages", "dist-packages")
_WITHIN = tuple(f"{os.sep}{home}{os.sep}" for home in _HOMES)
_LIBRARIES = tuple({f"{sysconfig.get_path(name)}{os.sep}" for name in ("stdlib", "platstdlib", "purelib", "platlib")})
_OURS = f"{Path(__file__).parents[1]}{os.sep}"
_HOSTS = frozenset(
    {"outlast", "starlette", "fastapi", "anyio", "asyncio", "uvloop", "concurrent", "contextlib", "selectors"}
    | {"threading", "uvicorn", "uvicorn_worker", "gunicorn", "hypercorn", "granian"}
)


def is_users(file: str) -> bool:
    """Whether a source file is the project's own."""
    return not is_library(file) and not file.startswith("<") and not is_ours(file)


def is_library(file: str) -> bool:
    """Whether a source file belongs to Python or an installed package."""
    return file.startswith((*_LIBRARIES, "<frozen")) or any(part in file for part in _WITHIN)


def is_ours(file: str) -> bool:
    """Whether a source file is outlast's."""
    return file.startswith(_OURS)


@cache
def is_hosts(module: str) -> bool:
    """Whether a module is of what runs users' code: a server, the framework, an event loop, outlast."""
    return module.partition(".")[0] in _HOSTS


def package_of(file: str) -> str:
    """The installed package that a source file is in; empty for others."""
    parts = PurePath(file).parts
    home = next((at for at, part in enumerate(parts) if part in _HOMES), None)
    if home is None or home + 1 >= len(parts):
        return ""
    return parts[home + 1].removesuffix(".py")
