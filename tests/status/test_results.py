"""What users of an app are told that a task has returned: whatever the journal keeps, as an endpoint would tell it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.support.servers import PATIENCE, eventually, lay_out, serving

APP = """

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import outlast
from pydantic import BaseModel, ConfigDict, Field, SecretStr, computed_field, field_serializer


class Order(BaseModel):
    model_config = ConfigDict(ser_json_bytes="base64", val_json_bytes="base64")

    number: int = Field(alias="orderNumber")
    lines: int = 3
    raw: bytes = b"\\xff"
    pin: SecretStr = SecretStr("1234")

    @computed_field
    @property
    def total(self) -> int:
        return self.number * self.lines


class Grumpy(BaseModel):
    number: int
    raw: bytes = b"\\xff"


@dataclass
class File:
    body: bytes
    share: Fraction


def octets() -> bytes: return b"%PDF\\xff"
def text_octets(): return b"text"
def many() -> list[bytes]: return [b"a", b"\\xff"]
def file() -> File: return File(b"\\xff", Fraction(1, 3))
def share() -> Fraction: return Fraction(1, 3)
def zone() -> ZoneInfo: return ZoneInfo("Europe/Berlin")
def point() -> complex: return 1 + 2j
def money(): return Decimal("12345678901234567890.12")
def prices() -> dict[str, Decimal]: return {"one": Decimal("1.10")}
def span() -> timedelta: return timedelta(days=1, seconds=1)
def not_a_number(): return [float("nan"), float("inf"), 1.5]
def large(): return 10 ** 5000
def large_int() -> int: return 10 ** 30
def lone() -> str: return "\\ud800"
def deep():
    value: Any = 1
    for _ in range(150):
        value = [value]
    return value
def order() -> Order: return Order(orderNumber=2)
def orders() -> list[Order]: return [Order(orderNumber=1, lines=2)]
def grumpy() -> Grumpy: return Grumpy(number=1)
def nothing() -> None: return None
def password(): return "geheim"


@app.post("/ask/{name}", status_code=202)
async def ask(name: str):
    return outlast.accepted(await outlast.enqueue(globals()[name]))


app.include_router(outlast.router(reasons=True))
"""


def nested(depth: int) -> Any:
    return [nested(depth - 1)] if depth else 1


ORDER = {"orderNumber": 2, "lines": 3, "raw": "_w==", "pin": "**********", "total": 6}
TOLD: dict[str, Any] = {
    "octets": "JVBERv8=",
    "text_octets": "dGV4dA==",
    "many": ["YQ==", "_w=="],
    "file": {"body": "_w==", "share": "1/3"},
    "share": "1/3",
    "zone": "Europe/Berlin",
    "point": "1+2j",
    "money": "12345678901234567890.12",
    "prices": {"one": "1.10"},
    "span": "P1DT1S",
    "not_a_number": [None, None, 1.5],
    "large_int": 10**30,
    "large": None,
    "lone": None,
    "deep": nested(150),
    "order": ORDER,
    "orders": [ORDER | {"orderNumber": 1, "lines": 2, "total": 2}],
    "grumpy": {"number": 1},
    "nothing": None,
    "password": "[redacted]",
}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx2.Client]:
    with serving("uvicorn", lay_out(tmp_path_factory.mktemp("results"), APP)) as server:
        with httpx2.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=30 * PATIENCE) as client:
            first = client.post(f"/ask/{next(iter(TOLD))}").json()["status_url"]
            eventually(lambda: client.get(first).json()["state"] == "done", "a task process is there")
            yield client
        assert "Traceback" not in server.output


@pytest.mark.parametrize("name", TOLD)
def test_whatever_is_kept_can_be_told(client: httpx2.Client, name: str) -> None:
    answer = client.post(f"/ask/{name}", headers={"Prefer": "wait=20"})
    assert (answer.status_code, answer.json()["state"]) == (200, "done")
    told = client.get(answer.json()["status_url"]).json()
    assert answer.json() == told
    assert told["result"] == TOLD[name], told["reason"]
    (last,) = [line for line in client.get(told["events_url"]).text.splitlines() if line.startswith("data: ")]
    assert json.loads(last.removeprefix("data: ")) == told
