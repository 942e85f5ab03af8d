"""Context variables where no other process finds them by a name, and functions that read them."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar


class Session:
    """What only its process has."""

    user = "ann"


class Inner:
    def __init__(self) -> None:
        self.variable: ContextVar[str] = ContextVar("inside", default="")


class Outer:
    """An object that another module may hold."""

    def __init__(self) -> None:
        self.variable: ContextVar[str] = ContextVar("held elsewhere", default="")
        self.inner = Inner()


class Proxy:
    """Hands over what is asked of it to what a variable holds."""

    def __init__(self, variable: ContextVar[Session]) -> None:
        self._variable = variable

    def __getattr__(self, name: str) -> object:
        return getattr(self._variable.get(), name)


def enclosed() -> tuple[Callable[[], str], ContextVar[str]]:
    variable: ContextVar[str] = ContextVar("enclosed", default="")

    def get() -> str:
        return variable.get()

    return get, variable


outer = Outer()
session: ContextVar[Session] = ContextVar("session")
current = Proxy(session)
get_enclosed, ENCLOSED = enclosed()
LIST = [ENCLOSED]
del ENCLOSED


def reads_enclosed() -> str:
    return get_enclosed()


def reads_inside() -> str:
    return outer.inner.variable.get()


def reads_through_proxy() -> object:
    return current.user


def reads_nothing() -> None: ...
