"""What `limit_by="order.tenant"` is of: the attribute as people write it in Python, whatever is stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

import pytest
from fastapi import Depends
from pydantic import BaseModel, Field

import outlast
from outlast.errors import OptionError
from outlast.functions.attributes import value_at
from outlast.functions.encoding import Codec


class Address(BaseModel):
    city: str = "Berlin"


class Order(BaseModel):
    tenant: int = Field(alias="tenantId")
    address: Address | None = None

    @property
    def region(self) -> UUID:
        return UUID(int=self.tenant)


@dataclass
class Row:
    tenant: int


def take(order: Any = None, row: Row = Row(1)) -> None: ...  # noqa: B008 - a value of its own, never changed


@pytest.mark.parametrize(
    ("path", "given", "value"),
    [
        ("order.tenant", Order(tenantId=7), "7"),
        ("order.region", Order(tenantId=7), '"00000000-0000-0000-0000-000000000007"'),
        ("order.address.city", Order(tenantId=7), "null"),
        ("order.address.city", Order(tenantId=7, address=Address()), '"Berlin"'),
        ("order.tenant", Row(3), "3"),
        ("order.tenant", {"tenant": "a"}, '"a"'),
        ("order.tenant", {}, "null"),
        ("order.tenant", None, "null"),
        ("row.tenant", None, "1"),
    ],
)
def test_the_value_of_an_attribute(path: str, given: Any, value: str) -> None:
    take_all = Codec(take).parameters.all_given
    assert value_at(path, take_all((given,), {}), "take") == value
    assert value_at(path, take_all((), {"order": given}), "take") == value


async def sell(session: Annotated[int, Depends(int)], attempt: outlast.Attempt, order: Order) -> None: ...


@pytest.mark.parametrize(("args", "kwargs"), [((Order(tenantId=7),), {}), ((), {"order": Order(tenantId=7)})])
def test_what_is_filled_elsewhere_takes_no_place_of_the_call(args: tuple[Order, ...], kwargs: dict[str, Order]) -> None:
    assert value_at("order.tenant", Codec(sell).parameters.all_given(args, kwargs), "sell") == "7"


@pytest.mark.parametrize("given", [Order(tenantId=7), Row(1), 5, "text", ["list"]], ids=lambda one: type(one).__name__)
def test_an_attribute_that_is_not_there_is_refused(given: Any) -> None:
    with pytest.raises(OptionError, match=r"limit_by.*order\.tennant.*AttributeError"):
        value_at("order.tennant", {"order": given}, "take")
