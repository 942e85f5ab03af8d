"""Run time and `outlast doctor` say the same of the same task."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.doctor.run import doctor

MAIN = """
import functools
import threading
from pathlib import Path

import outlast
from fastapi import BackgroundTasks, FastAPI

app = FastAPI()
outlast.install(app, runner="off")
lock = threading.Lock()
jobs = {}


class Flags:
    on = False


class Model:  # stands for that of an ORM
    __module__ = "peewee"


class User(Model): ...


class Mailer:
    def send(self, to: str) -> None: ...


mailer = Mailer()


@functools.lru_cache
def get_jobs():
    return jobs


def switch(): Flags.on = True
def plain(key: str): ...
def path(key: Path): ...
def anything(key): ...
def locked(key: str):
    with lock: ...
def flagged(key: str): return Flags.on
def filled(key: str): get_jobs()[key] = 1
def rows(key: str): yield key
def user(key: User): ...


ONE = User()


@app.get("/")
async def all_of_them(tasks: BackgroundTasks):
    tasks.add_task(plain, "a")
    tasks.add_task(path, Path("a"))
    tasks.add_task(anything, Path("a"))
    tasks.add_task(locked, "a")
    tasks.add_task(flagged, "a")
    tasks.add_task(filled, "a")
    tasks.add_task(rows, "a")
    tasks.add_task(user, ONE)
    tasks.add_task(anything, ONE)
    tasks.add_task(mailer.send, "a")
    tasks.add_task(Mailer().send, "a")
"""
ASK = """
import json
import main
from fastapi import BackgroundTasks
from outlast.functions.functions import Functions
from outlast.web.background import StandIn
from outlast.web.plan import plan_or_inline
import asyncio

added = []
class Tasks(BackgroundTasks):
    def add_task(self, func, *args):
        added.append((func, args))

asyncio.run(main.all_of_them(Tasks()))
functions = Functions()
plans = [plan_or_inline(StandIn(func, *args), functions.describe) for func, args in added]
print(json.dumps([[one.function, one.is_inline] for one in plans]))
"""


def test_run_time_and_doctor_agree_on_each_task(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(MAIN)
    asked = subprocess.run([sys.executable, "-c", ASK], cwd=tmp_path, capture_output=True, text=True, check=True)
    at_run_time = [(name.rpartition(":")[2], is_inline) for name, is_inline in json.loads(asked.stdout)]
    tasks = doctor(tmp_path, "main:app", "--json").document["tasks"]
    listed = [(one["function"].rpartition(":")[2], one["lane"] == "inline") for one in tasks]
    assert listed == at_run_time
    assert [name for name, is_inline in listed if not is_inline] == ["plain", "path", "anything", "mailer.send"]
