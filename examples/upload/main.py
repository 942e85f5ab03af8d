"""An upload is answered at once; it is checked and imported in the background, also when that takes several tries."""

from __future__ import annotations

import csv
import io
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI, UploadFile

import outlast

DATABASE = Path("orders.sqlite")

app = FastAPI()
outlast.install(app)


def get_database() -> Iterator[sqlite3.Connection]:
    """Committed when the task is done, rolled back when it fails."""
    connection = sqlite3.connect(DATABASE, check_same_thread=False)
    try:
        with connection:
            connection.execute("CREATE TABLE IF NOT EXISTS orders (number INTEGER PRIMARY KEY, file TEXT)")
            yield connection
    finally:
        connection.close()


Database = Annotated[sqlite3.Connection, Depends(get_database)]


@app.post("/orders", status_code=202)
async def upload(file: UploadFile, tasks: outlast.BackgroundTasks) -> dict[str, str]:
    stashed = await outlast.stash(file)  # on disk now, beside the journal
    imported = tasks.options(retries=3).add_task(import_orders, file=stashed)
    tasks.options(parallel=True).add_task(summarize, stashed)  # reads the same file
    return {"task": imported.id}


@app.get("/orders/{task}")
async def result(task: str) -> int:
    handle = await outlast.get(task)
    return int(await handle.result(timeout=10))


def import_orders(database: Database, file: UploadFile) -> int:
    """The session is opened for it, the file reopened, as often as it is tried. Both are gone when it has ended."""
    rows = csv.DictReader(io.TextIOWrapper(file.file, encoding="utf-8"))
    orders = [(int(row["number"]), file.filename) for row in rows]
    database.executemany("INSERT OR REPLACE INTO orders VALUES (?, ?)", orders)
    return len(orders)


async def summarize(file: UploadFile) -> None:
    head = (await file.read(100)).decode().splitlines()[0]
    print(f"{file.filename} ({file.content_type}, {file.size} bytes) has the columns {head}", flush=True)
