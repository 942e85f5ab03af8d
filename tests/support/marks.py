"""Parameters that say how a test is run: what shares a server, and what `make test` leaves to `make test-slow`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from _pytest.mark import ParameterSet

_SHARED = re.compile(r"(.+?)::[^[]*\[(<.+?>)")


def slow(*values: object) -> Iterator[ParameterSet]:
    """Values of a parameter for which a test runs only by `make test-slow`."""
    return (pytest.param(value, marks=pytest.mark.slow) for value in values)


def each_started_once(
    kinds: Iterable[str | tuple[str, ...]], slow: Iterable[str | tuple[str, ...]] = ()
) -> Iterator[ParameterSet]:
    """Parameters of a module's fixture that starts a server of each kind: their ids are in angle brackets."""
    for kind in kinds:
        name = kind if isinstance(kind, str) else "-".join(kind)
        yield pytest.param(kind, id=f"<{name}>", marks=[pytest.mark.slow] if kind in slow else [])


def shared_server_in(nodeid: str) -> str | None:
    """Which of these servers a test needs, as its id says: of which module, and which kind."""
    found = _SHARED.match(nodeid)
    return "".join(found.groups()) if found else None
