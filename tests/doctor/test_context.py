"""`outlast doctor` names the context variables that a task reads and that cannot come along."""

from __future__ import annotations

from pathlib import Path

from tests.doctor.run import doctor

MAIN = """
import asyncio
from contextvars import ContextVar
from dataclasses import dataclass

from fastapi import BackgroundTasks, FastAPI

import outlast


class Session:
    pass


@dataclass
class User:
    name: str


class Current:
    session: ContextVar[Session | None] = ContextVar("session", default=None)


lock: "ContextVar[asyncio.Lock]" = ContextVar("lock")
user: ContextVar[User | None] = ContextVar("user", default=None)
tenant = ContextVar("tenant")


def made():
    variable = ContextVar("trace", default="")

    def get():
        return variable.get()

    return get, variable.set


get_trace, set_trace = made()
app = FastAPI()
outlast.install(app)


def session():
    return Current.session.get()


def greet() -> None:
    print(user.get(), tenant.get())


def save() -> None:
    session()


def guarded() -> None:
    lock.get()


def trace() -> None:
    print(get_trace())


@outlast.task(travels=True)
def decided() -> None:
    lock.get()


@app.get("/")
def add(tasks: BackgroundTasks) -> None:
    tasks.add_task(greet)
    tasks.add_task(save)
    tasks.add_task(guarded)
    tasks.add_task(trace)
    tasks.add_task(decided)
"""


def test_it_names_what_a_task_cannot_take_along(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(MAIN)
    answer = doctor(tmp_path, "main:app", "--json")
    found = [one["sentence"] for one in answer.document["findings"]]
    assert [sentence.partition(" (main.py:")[0] for sentence in found] == [
        "main:save reads the context variable main:Current.session",
        "main:guarded reads the context variable main:lock",
        "main:trace reads the context variable trace",
    ]
    assert "which holds a Session, which cannot travel to another process" in found[0]
    assert "which holds a lock or event of this process" in found[1]
    assert "which no module holds under a name" in found[2]
    lanes = {one["function"]: one["lane"] for one in answer.document["tasks"]}
    inline = dict.fromkeys(("main:save", "main:guarded", "main:trace"), "inline")
    assert lanes == {"main:greet": "thread", "main:decided": "thread", **inline}
