"""What each process makes anew, or has for itself in ways that are easily overlooked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from outlast.source.belongings import described, is_own_in_each
from outlast.source.module_state import shares_state
from outlast.system.process import this
from tests.samples.anew import FREE, SHARED


@pytest.mark.parametrize("function", SHARED)
def test_what_another_process_has_otherwise_is_told(function: Callable[..., Any]) -> None:
    assert SHARED[function] in shares_state(function)


@pytest.mark.parametrize("function", FREE)
def test_what_is_the_same_everywhere_or_its_own_is_not(function: Callable[..., Any]) -> None:
    assert shares_state(function) == ""


class Url:
    drivername = "sqlite+aiosqlite"

    def __init__(self, database: str | None) -> None:
        self.database = database


class Engine:
    __module__ = "sqlalchemy.engine.base"

    def __init__(self, database: str | None) -> None:
        self.url = Url(database)


class SessionMaker:
    __module__ = "sqlalchemy.orm.session"

    def __init__(self, database: str | None) -> None:
        self.kw = {"bind": Engine(database)}


@pytest.mark.parametrize("make", [Engine, SessionMaker])
def test_a_database_in_memory_is_one_of_each_process(
    make: Callable[[str | None], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not is_own_in_each(make(":memory:"))  # a test runs its tasks in its own process
    monkeypatch.setattr(this, "mode", "")
    assert is_own_in_each(make(None))
    assert is_own_in_each(make(":memory:"))
    assert described(make(None)) == "a SQLite database in memory"
    assert not is_own_in_each(make("app.db"))
