"""A plugin for pytest that gives every app of a test suite outlast, as soon as it is made."""

from __future__ import annotations

from functools import wraps
from typing import Any

from fastapi import FastAPI
from starlette.applications import Starlette

import outlast


def _with_outlast(kind: type[Starlette]) -> None:
    plain = kind.__init__

    @wraps(plain)
    def __init__(self: Starlette, *args: Any, **kwargs: Any) -> None:
        plain(self, *args, **kwargs)
        outlast.install(self)

    kind.__init__ = __init__  # type: ignore[method-assign]


_with_outlast(Starlette)
_with_outlast(FastAPI)
