"""What `install(carry=…)` does not understand it refuses at once, and names it."""

from __future__ import annotations

import sys
from contextvars import ContextVar
from types import ModuleType
from typing import Any

import pytest
from fastapi import FastAPI

import outlast
from outlast.errors import SettingsError

tenant = ContextVar("tenant", default="public")
HERE = __name__
WRONG: dict[str, tuple[Any, str]] = {
    "None": (None, "carry=None): carry is True, False, or a dict"),
    "a list": ([tenant], "carry=[<ContextVar name='tenant'"),
    "a variable": (tenant, "carry=<ContextVar name='tenant'"),
    "a name": ("tenant", "carry='tenant'): carry is True, False, or a dict"),
    "a number": (1, "carry=1): carry is"),
    "a key of another kind": ({5: True}, "carry={5: True})"),
    "a value of another kind": ({tenant: "yes"}, ": 'yes'}): carry is"),
    "no value": ({HERE: None}, f"carry={{'{HERE}': None}})"),
    "no such module": ({"nope": True}, "carry={'nope': True}): there is no module 'nope'"),
    "no such module to leave out": ({"nope.context": False}, "there is no module 'nope'"),
    "no such module in a package": ({"outlast.nope:it": False}, "there is no module 'outlast.nope'"),
    "no package": ({f"{HERE}.tenant": True}, f"there is no module '{HERE}.tenant'"),
    "no such variable": ({f"{HERE}:tenent": False}, f"module '{HERE}' has no context variable 'tenent'"),
    "no variable": ({f"{HERE}:WRONG": False}, f"module '{HERE}' has no context variable 'WRONG'"),
    "no name": ({"": False}, "there is no module ''"),
}
RIGHT: dict[str, Any] = {
    "all": True,
    "none": False,
    "nothing": {},
    "a variable": {tenant: False},
    "a path": {f"{HERE}:tenant": True},
    "a module": {HERE: True},
    "a package": {"tests": False},
    "a module that is not imported": {"tests.soak": False},
    "what no module holds": {ContextVar("hidden"): True},
    "a library that may not be here": {"structlog": False},
}


@pytest.mark.parametrize("kind", WRONG)
def test_what_means_nothing_is_refused_where_it_is_said(kind: str) -> None:
    carry, why = WRONG[kind]
    app = FastAPI()
    with pytest.raises(SettingsError) as refused:
        outlast.install(app, carry=carry)
    assert why in str(refused.value)
    assert not hasattr(app.state, "outlast")


@pytest.mark.parametrize("kind", RIGHT)
def test_what_means_something_is_taken(kind: str) -> None:
    carry = RIGHT[kind]
    assert outlast.install(FastAPI(), carry=carry).asked_carry == carry


def test_of_a_module_that_is_being_imported_the_rest_may_come(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("carry_half_way")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    outlast.install(FastAPI(), carry={"carry_half_way:region": False})
    with pytest.raises(SettingsError, match="no module 'carry_gone_half_way'"):
        outlast.install(FastAPI(), carry={"carry_gone_half_way:region": False})
