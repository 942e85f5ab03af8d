"""Parameters that say how a test is run: what shares a server, and what `make test` leaves to `make test-slow`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from _pytest.mark import ParameterSet

ROOT = Path(__file__).parents[2]
_ONCE = "fixture(scope='module')"
_SHARED = re.compile(r"(.+?)::[^[]*\[(<.+?>)")


def slow(*values: object) -> Iterator[ParameterSet]:
    """Values of a parameter for which a test runs only by `make test-slow`."""
    return (pytest.param(value, marks=pytest.mark.slow) for value in values)


def slow_rows(*rows: Iterable[object]) -> Iterator[ParameterSet]:
    """The same for several parameters."""
    return (pytest.param(*row, marks=pytest.mark.slow) for row in rows)


def first_at_once(values: Iterable[object]) -> list[object]:
    """Values of a parameter that are alike to a test: `make test` has the first, the others are as `slow`."""
    first, *others = values
    return [first, *slow(*others)]


def each_started_once(
    kinds: Iterable[str | tuple[str, ...]], slow: Iterable[str | tuple[str, ...]] = ()
) -> Iterator[ParameterSet]:
    """Parameters of a module's fixture that starts a server of each kind: their ids are in angle brackets."""
    for kind in kinds:
        name = kind if isinstance(kind, str) else "-".join(kind)
        yield pytest.param(kind, id=f"<{name}>", marks=[pytest.mark.slow] if kind in slow else [])


def shared_server_in(nodeid: str) -> str | None:
    """Which shared server a test needs: the kind in its id, or what its module starts once."""
    found = _SHARED.match(nodeid)
    if found:
        return "".join(found.groups())
    module, _, test = nodeid.partition("::")
    return module if test.partition("[")[0] in _sharing(module) else None


@cache
def _sharing(module: str) -> frozenset[str]:
    """The tests of a module that ask for a fixture which it makes once, `@pytest.fixture(scope="module")`."""
    functions = [one for one in ast.parse((ROOT / module).read_text()).body if isinstance(one, ast.FunctionDef)]
    once = {one.name for one in functions if any(_ONCE in ast.unparse(mark) for mark in one.decorator_list)}
    return frozenset(one.name for one in functions if once & {asked.arg for asked in one.args.args})
