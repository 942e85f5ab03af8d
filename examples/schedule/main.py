"""A report every night, and one for each customer as often as they want it."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from fastapi import FastAPI

import outlast

ZONE = "Europe/Berlin"
NIGHT = os.environ.get("REPORT_CRON", "30 2 * * *")

app = FastAPI()
outlast.install(app)


@outlast.every(NIGHT, tz=ZONE, name="nightly")
@outlast.task(retries=3)
def nightly_report() -> None:
    write("all customers")


def customer_report(customer: int) -> None:
    write(f"customer {customer}")


@app.put("/customers/{customer}/report")
async def subscribe(customer: int, seconds: float) -> None:
    await outlast.schedule(f"report of {customer}", outlast.every(seconds=seconds), customer_report, customer)


@app.delete("/customers/{customer}/report")
async def unsubscribe(customer: int) -> None:
    await outlast.unschedule(f"report of {customer}")


def write(what: str) -> None:
    with Path("reports.txt").open("a") as file:
        file.write(f"{datetime.now(ZoneInfo(ZONE)):%H:%M:%S} report of {what}\n")
