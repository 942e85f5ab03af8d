"""Tests that stop the clock as freezegun does: its `datetime.now()` gives a class of its own, and so is `datetime`."""

from __future__ import annotations

import sys
from datetime import UTC, date, datetime
from importlib.util import find_spec, module_from_spec
from types import ModuleType
from typing import Any

import pytest
from pydantic import BaseModel

from outlast.functions.encoding import Codec
from outlast.functions.results import Results


class Meta(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, datetime)


class FakeDate(date):
    __module__ = "freezegun.api"


class FakeDatetime(datetime, FakeDate, metaclass=Meta):
    __module__ = "freezegun.api"


NOW = FakeDatetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)


class Order(BaseModel):
    at: datetime


def annotated(at: datetime, day: date, order: Order) -> datetime:
    return at


def bare(at, days): ...  # type: ignore[no-untyped-def]  # noqa: ANN001, ANN201


@pytest.mark.parametrize(
    ("function", "args"),
    [(annotated, (NOW, FakeDate(2026, 3, 4), Order(at=NOW))), (bare, (NOW, [FakeDate(2026, 3, 4)]))],
)
def test_its_moments_travel_as_what_they_stand_for(function: Any, args: tuple[Any, ...]) -> None:
    codec = Codec(function)
    back, _ = codec.decode(codec.encode(args, {}))
    assert back == args
    assert type(back[0]) is datetime


def test_they_are_results() -> None:
    results = Results(annotated)
    kept = results.kept(NOW, 1000)
    assert kept.lost == ""
    assert type(results.read(kept.result or "")) is datetime


def test_what_is_imported_then_for_the_first_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """As freezegun does with all that `outlast` has when it looks whose `datetime` it is to replace."""
    stopped = ModuleType("datetime")
    vars(stopped).update(vars(sys.modules["datetime"]), datetime=FakeDatetime)
    monkeypatch.setitem(sys.modules, "datetime", stopped)
    spec = find_spec("outlast.status.resource")
    assert spec is not None
    assert spec.loader is not None
    made = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, spec.name, made)
    spec.loader.exec_module(made)
