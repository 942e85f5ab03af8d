"""A webhook receiver: each event is dealt with once, however often it is sent, in steps that go on after any death."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI
from pydantic import BaseModel

import outlast

LEDGER, SENT, ALARMS = Path("ledger.csv"), Path("sent.txt"), Path("alarms.txt")

app = FastAPI()
outlast.install(app)


class Payment(BaseModel):
    id: str
    order: int
    cents: int


class Receipt(BaseModel):
    order: int
    file: Path


@app.post("/webhooks/payments", status_code=202)
async def receive(
    payment: Payment, key: Annotated[str | None, Depends(outlast.idempotency_key)]
) -> dict[str, str | bool | None]:
    handle = await outlast.chain(
        enter.s(payment).options(key=key or payment.id, key_for=timedelta(days=1)),
        write_receipt.s(),
        send.s("shop@example.org").options(retries=5, on_failure=raise_alarm),
    )
    return {"task": handle.id, "is_new": handle.is_new}


@outlast.task(retries=3)
def enter(payment: Payment) -> Payment:
    """May begin twice, when its process dies at the wrong moment: what is there already is not written again."""
    line = f"{payment.id},{payment.order},{payment.cents}\n"
    with LEDGER.open("a+") as file:
        file.seek(0)
        if line not in file:
            file.write(line)
    return payment


@outlast.task(retries=3)
def write_receipt(payment: Payment) -> Receipt:
    if payment.cents <= 0:
        raise (
            outlast.Discard("nothing was paid") if payment.cents == 0 else ValueError("a payment of less than nothing")
        )
    receipt = Receipt(order=payment.order, file=Path(f"receipt-{payment.order}.txt"))
    receipt.file.write_text(f"Order {payment.order}: {payment.cents / 100:.2f} paid.\n")
    return receipt


@outlast.task
def send(receipt: Receipt, address: str) -> None:
    with SENT.open("a") as file:
        file.write(f"{address} {receipt.file.read_text()}")


def raise_alarm(task: str, reason: str) -> None:
    with ALARMS.open("a") as file:
        file.write(f"{task} {reason}\n")
