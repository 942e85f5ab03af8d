"""What users pass to background tasks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Annotated, Any, Literal, NamedTuple
from uuid import UUID, uuid4

from pydantic import BaseModel, Field, PrivateAttr, computed_field, field_serializer, field_validator


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Level(IntEnum):
    LOW = 1


class Item(BaseModel):
    sku: str
    qty: int = 1
    price: Decimal = Decimal("1.10")


class SpecialItem(Item):
    discount: int = 5


class Order(BaseModel):
    id: UUID = Field(default_factory=uuid4)
    at: datetime
    color: Color
    items: list[Item]
    tags: set[str] = set()


class Camel(BaseModel, extra="forbid"):
    user_name: str = Field(alias="userName")

    @computed_field  # type: ignore[prop-decorator]
    @property
    def shout(self) -> str:
        return self.user_name.upper()


class Hiding(BaseModel):
    shown: int
    hidden: int = Field(default=0, exclude=True)


class Remembering(BaseModel):
    shown: int
    _seen: list[int] = PrivateAttr(default_factory=list)


class Doubling(BaseModel):
    number: int

    @field_validator("number")
    @classmethod
    def twice(cls, number: int) -> int:
        return number * 2


class Unwritable(BaseModel):
    number: int

    @field_serializer("number")
    def broken(self, number: int) -> int:  # noqa: ARG002
        raise KeyError("no such number")


class Measured(BaseModel):
    value: float


class Blob(BaseModel):
    content: bytes


class Loose(BaseModel):
    content: Any


@dataclass
class Options:
    level: int
    label: str = "x"


class Point(NamedTuple):
    x: int
    y: int


class Cash(BaseModel):
    kind: Literal["cash"] = "cash"
    euros: int = 0


class Card(BaseModel):
    kind: Literal["card"] = "card"
    number: str = ""


Payment = Annotated[Cash | Card, Field(discriminator="kind")]


class ReadByAlias(BaseModel):
    first: str = Field(validation_alias="firstName")


class WrittenByAlias(BaseModel):
    first: str = Field(default="", serialization_alias="firstName")


class Secretive(BaseModel):
    password: str = Field(exclude=True)


class Meeting(BaseModel, frozen=True, extra="allow"):
    at: datetime
    _noted: datetime | None = PrivateAttr(default=None)


@dataclass(frozen=True)
class Span:
    begin: datetime
    end: datetime


class Stop(NamedTuple):
    name: str
    at: datetime


class Plain:
    """A class that pydantic knows nothing of."""
