"""Whether a task may go without what of its request's context cannot travel."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from typing import Any

import pytest

from outlast.functions.context.carry import Carry
from outlast.functions.functions import Functions
from outlast.web.luggage import Luggage, Verdict
from tests.samples import contexts

PATH = "tests.samples.contexts:it"
NAMELESS = "which no module holds under a name"


def verdict(function: Callable[..., Any], variable: ContextVar[Any], value: object, carry: Carry = True) -> Verdict:
    functions = Functions(carry)
    before = copy_context()
    context = before.copy()
    context.run(variable.set, value)
    return Luggage(functions, before).judge(PATH, [function], context)


@pytest.mark.parametrize(
    ("function", "variable", "value", "told"),
    [
        (contexts.reads_inside, contexts.outer.inner.variable, "x", rf"context variable inside \(.*, {NAMELESS}"),
        (contexts.reads_enclosed, contexts.LIST[0], "x", rf"context variable enclosed \(.*, {NAMELESS}"),
        (
            contexts.reads_through_proxy,
            contexts.session,
            contexts.Session(),
            r"contexts:session \(.*which is an instance",
        ),
    ],
)
def test_a_task_that_reads_what_stays_stays_too(
    function: Callable[..., Any], variable: ContextVar[Any], value: object, told: str
) -> None:
    assert re.search(told, verdict(function, variable, value).reason_to_stay)


def test_one_that_reads_nothing_of_it_goes() -> None:
    assert verdict(contexts.reads_nothing, contexts.outer.inner.variable, "x") == Verdict()


@pytest.mark.parametrize("carry", [False, {contexts.outer.inner.variable: False}])
def test_one_goes_without_what_carry_leaves_out(carry: Carry) -> None:
    assert verdict(contexts.reads_inside, contexts.outer.inner.variable, "x", carry) == Verdict()


def test_a_variable_without_a_name_goes_when_carry_lists_it() -> None:
    listed: Carry = {contexts.outer.inner.variable: True}
    assert verdict(contexts.reads_inside, contexts.outer.inner.variable, "x", listed).reason_to_stay == ""
