"""What travels to a task process arrives there as it was, seen with a real server."""

from __future__ import annotations

from pathlib import Path

from outlast.journal.read import Record
from tests.support.servers import Server, eventually, serving

APP = """
import os
from datetime import datetime, timedelta
from functools import wraps
from zoneinfo import ZoneInfo

from fastapi import BackgroundTasks, FastAPI

import outlast

app = FastAPI()
outlast.install(app)


def witness(*words):
    with open("witness.log", "a") as file:
        file.write(" ".join(map(str, words)) + "\\n")


class Mailer:
    def __init__(self, host):
        self.host = host

    async def send(self, to: str) -> None:
        witness("sent", to, self.host, os.getpid())


mailer = Mailer("mail.example")


def write(to: str) -> None:
    witness("wrote", to, os.getpid())


def safely(function, *args) -> None:
    function(*args)


def remind(at: datetime) -> None:
    witness("remind", (at + timedelta(days=1)).isoformat(), at.tzinfo.key)




def timed(function):
    @wraps(function)
    def inner(*args):
        return function(*args)

    return inner


@timed
async def notify(to: str) -> None: ...


def rows(to: str):
    yield to


@app.get("/ping")
async def ping():
    return os.getpid()


@app.get("/add")
async def add(tasks: BackgroundTasks):
    tasks.add_task(mailer.send, "ada")
    tasks.add_task(safely, write, "bob")
    tasks.add_task(remind, datetime(2026, 3, 28, 12, tzinfo=ZoneInfo("Europe/Paris")))
    tasks.add_task(notify, "ada")
    tasks.add_task(rows, "ada")
    tasks.add_task(lambda: notify("bob"))
    return os.getpid()
"""


def test_methods_functions_and_zones_arrive_and_what_runs_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(APP)
    with serving("uvicorn", tmp_path) as server:
        worker = server.get("/add")[1]
        sent = server.wait_for("sent", "ada", "mail.example")
        wrote = server.wait_for("wrote", "bob")
        assert worker not in (sent[-1], wrote[-1])
        assert server.wait_for("remind")[1:] == ["2026-03-29T12:00:00+02:00", "Europe/Paris"]
        eventually(server.all_settled, f"{server.records()}")
        assert "main:rows is a generator function: a call of it runs nothing" in server.output
        assert "its wrapper `timed.<locals>.inner` (main.py:" in ended(server, "notify").reason
        assert "it is a generator function" in ended(server, "rows").reason
        assert "returned a coroutine, which nobody runs" in ended(server, "add.<locals>.<lambda>").reason


def ended(server: Server, function: str) -> Record:
    (record,) = [one for one in server.records() if one.function == f"main:{function}"]
    assert record.state == "failed"
    return record
