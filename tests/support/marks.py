"""Parameters with marks: what shares a server, and what `make test` leaves to `make test-slow`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from _pytest.mark import ParameterSet


def slow(*values: object) -> Iterator[ParameterSet]:
    """Values of a parameter for which a test runs only by `make test-slow`."""
    return (pytest.param(value, marks=pytest.mark.slow) for value in values)


def each_started_once(
    what: str, kinds: Iterable[str | tuple[str, ...]], slow: Iterable[str | tuple[str, ...]] = ()
) -> Iterator[ParameterSet]:
    """Parameters of a fixture that starts a server of each kind: its tests stay together in one of xdist's workers."""
    for kind in kinds:
        name = kind if isinstance(kind, str) else "-".join(kind)
        marks = [pytest.mark.xdist_group(f"{what} {name}"), *([pytest.mark.slow] if kind in slow else [])]
        yield pytest.param(kind, id=name, marks=marks)
