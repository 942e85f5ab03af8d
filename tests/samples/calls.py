"""Functions made for one test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def taking(hint: Any) -> Callable[..., Any]:
    """A function with one parameter `x` annotated `hint`."""

    def send(x: Any) -> None: ...

    send.__annotations__ = {"x": hint}
    send.__qualname__ = "send"
    return send
