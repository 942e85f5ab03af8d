"""Small projects, as text. A line that the doctor has to name ends with `# finds: code`, and it may name no other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

Project = Mapping[str, str]

TASKS: Project = {
    "main.py": """
import asyncio
import os
from collections.abc import Callable
from functools import partial
from typing import Annotated

import outlast
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, Request, UploadFile
from starlette.background import BackgroundTask
from starlette.responses import JSONResponse

import later
from mail import Mailer, mailer, send, send_all
from storage import Group, Session, get_session, load

app = FastAPI()
outlast.install(app)
jobs: dict[str, str] = {}
Tasks = Annotated[BackgroundTasks, "of this request"]


def remember(key: str) -> None:
    jobs[key] = "done"  # finds: module-state


@outlast.task(travels=False)
def stays(key: str) -> None: ...


def store(session: Session, key: str) -> None: ...


def read(key: str, session: Session | None = None) -> None: ...


@outlast.task(memory="64M")
def heavy(key: str) -> None: ...


def describe(request: object, key: str = "") -> None: ...


def rows(key: str):
    yield key


def safely(function, key: str = "") -> None: ...


def count(numbers: list[Group], *more: Callable[[], None]) -> None: ...


@app.get("/names")
def names(tasks: BackgroundTasks, mine: outlast.BackgroundTasks, key: str) -> None:
    def inner() -> None: ...

    tasks.add_task(lambda: None)  # finds: no-name
    tasks.add_task(inner)  # finds: no-name
    tasks.add_task(partial(send, key))  # finds: no-name
    tasks.add_task(mailer.send, key)
    tasks.add_task(send_all(key))  # finds: no-name
    tasks.add_task(rows, key)  # finds: no-name
    tasks.add_task(Mailer.build, key)
    tasks.add_task(Mailer.check, key)
    own = Mailer()
    tasks.add_task(own.send, key)  # finds: no-name
    chosen = send if key else send_all
    tasks.add_task(chosen, key)
    mine.add_task(lambda: None)  # finds: no-name


@app.get("/arguments")
async def arguments(
    tasks: Tasks, request: Request, mine: outlast.BackgroundTasks,
    session: Annotated[Session, Depends(get_session)],
) -> JSONResponse:
    tasks.add_task(describe, request)  # finds: cannot-travel
    tasks.add_task(describe, lambda: None)  # finds: cannot-travel
    tasks.add_task(describe, request=asyncio.sleep(1))  # finds: cannot-travel
    tasks.add_task(describe, app)  # finds: cannot-travel
    tasks.add_task(describe, mailer.send)  # finds: cannot-travel
    tasks.add_task(describe, [request])  # finds: cannot-travel
    tasks.add_task(safely, mailer.send)
    tasks.add_task(safely, send, "a")
    tasks.add_task(safely, os.unlink, "a")  # finds: cannot-travel
    tasks.add_task(safely, remember, "a")  # finds: cannot-travel
    tasks.add_task(count, [], send)
    tasks.add_task(count, load())  # finds: cannot-travel
    tasks.add_task(describe, (one for one in "ab"))  # finds: cannot-travel
    tasks.add_task(store, session, "a")  # finds: cannot-travel
    tasks.add_task(store, get_session(), "a")  # finds: cannot-travel
    tasks.add_task(read, "a")
    tasks.add_task(read, "a", None)
    tasks.add_task(read, "a", session)  # finds: cannot-travel
    tasks.add_task(send)  # finds: wrong-arguments
    mine.options(parallel=True).add_task(store, session, "a")  # finds: cannot-travel
    tasks.add_task(remember, "a")
    tasks.add_task(stays, "a")
    mine.add_task(heavy, "a")
    mine.options(memory="1M").add_task(send, "a")
    return JSONResponse({}, background=BackgroundTask(describe, request))  # finds: cannot-travel


def upload(tasks: Tasks, file: UploadFile | None) -> None:
    tasks.add_task(describe, file)  # finds: cannot-travel


@app.get("/later")
async def lazily(tasks: BackgroundTasks) -> None:
    from jobs import count, wait

    tasks.add_task(wait, 3)
    tasks.add_task(count, 3)
    await outlast.enqueue(send, "a")
    outlast.enqueue_sync(lambda: None)  # finds: no-name
    tasks.add_task(later.choose())
""",
    "mail.py": """
class Sender:
    def send(self, to: str) -> None: ...

    def later(self, tasks) -> None:
        tasks.add_task(self.send, "a")  # finds: no-name


class Mailer:
    def send(self, to: str) -> None: ...

    def later(self, tasks) -> None:
        tasks.add_task(self.send, "a")
        tasks.add_task(self.check, "a")

    @classmethod
    def build(cls, to: str) -> None: ...

    @staticmethod
    def check(to: str) -> None: ...


mailer = Mailer()


def send(to: str) -> None: ...


async def send_all(to: str) -> None: ...


def show(progress) -> None:
    progress.add_task("a text, as others take it")
    progress.add_task(description="the same")
""",
    "storage.py": """
from typing import ClassVar

from pydantic import BaseModel
from sqlalchemy.orm import Session


def get_session() -> Session:
    return Session()


class Group(BaseModel):
    id: int
    _sa_class_manager: ClassVar[object] = None


def load() -> list[Group]:
    return []
""",
    "later.py": """
def choose():
    from broken import send

    return send
""",
    "broken.py": """
def send(to: str) -> None:
    return = to  # finds: syntax-error
""",
    "jobs.py": """
import outlast


async def wait(seconds: float) -> None: ...


@outlast.task(isolate=True)
def count(number: int) -> None: ...
""",
    "site-packages/sqlalchemy/__init__.py": "",
    "site-packages/sqlalchemy/orm/__init__.py": "from sqlalchemy.orm.session import Session\n",
    "site-packages/sqlalchemy/orm/session.py": """
class Session:
    def execute(self, statement: str) -> None: ...
""",
}

LANES = {
    ("add_task", "mail:Mailer.build"): "thread",
    ("add_task", "mail:Mailer.check"): "thread",
    ("add_task", "mail:send"): "thread",
    ("add_task", "mail:send_all"): "loop",
    ("add_task", "main:read"): "thread",
    ("add_task", "main:stays"): "inline",
    ("add_task", "main:heavy"): "alone",
    ("add_task", "main:remember"): "inline",
    ("add_task", "jobs:wait"): "loop",
    ("add_task", "jobs:count"): "alone",
    ("add_task", "later.choose()"): "unknown",
    ("@outlast.task", "jobs:count"): "alone",
    ("@outlast.task", "main:stays"): "inline",
    ("@outlast.task", "main:heavy"): "alone",
    ("enqueue", "mail:send"): "thread",
}
"""Of TASKS, by what asks and the function, where one place or more of the same lane does."""

BLOCKING: Project = {
    "main.py": """
import asyncio
import hashlib
import sqlite3
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from time import sleep as pause
from typing import Annotated
from urllib.request import urlopen

import outlast
from fastapi import Depends, FastAPI
from sqlalchemy.orm import Session, sessionmaker

import helpers
from helpers import fetch

lock = threading.Lock()
pool = ThreadPoolExecutor()
make_session = sessionmaker()
client = helpers.client


@asynccontextmanager
async def lifespan(app):
    time.sleep(0)  # finds: slow-call
    yield


app = FastAPI(lifespan=lifespan)
outlast.install(app)


@app.get("/calls")
async def calls() -> None:
    time.sleep(1)  # finds: blocking-call
    pause(1)  # finds: blocking-call
    urlopen("http://localhost")  # finds: blocking-call
    subprocess.run(["true"])  # finds: blocking-call
    hashlib.pbkdf2_hmac("sha256", b"", b"", 1)  # finds: slow-call
    time.sleep(1)  # noqa: ASYNC251
    await asyncio.to_thread(time.sleep, 1)
    await asyncio.to_thread(lambda: time.sleep(1))

    def inner() -> None:
        time.sleep(1)

    await asyncio.to_thread(inner)
    inner()  # finds: blocking-call


@app.get("/objects")
async def objects(
    session: Annotated[Session, Depends(helpers.fetch)],
    maybe: Annotated["Session | None", Depends(helpers.fetch)],
) -> None:
    import boto3
    import psycopg2
    import requests

    requests.get("http://localhost")  # finds: blocking-call
    with requests.Session() as http:
        http.get("http://localhost")  # finds: blocking-call
    connection = sqlite3.connect("a.db")  # finds: blocking-call
    connection.execute("SELECT 1")  # finds: blocking-call
    cursor = connection.cursor()
    cursor.fetchall()  # finds: blocking-call
    server = psycopg2.connect("")  # finds: blocking-call
    server.cursor().execute("SELECT 1")  # finds: blocking-call
    boto3.client("s3").upload_file("a", "b", "c")  # finds: blocking-call
    boto3.client("s3").generate_presigned_url("get_object")
    session.execute("SELECT 1")  # finds: blocking-call
    maybe.commit()  # finds: blocking-call
    with make_session() as mine:
        mine.commit()  # finds: blocking-call
    client.get("/")  # finds: blocking-call
    lock.acquire()  # finds: blocking-call
    lock.acquire(blocking=False)
    with lock:  # finds: blocking-call
        await asyncio.sleep(1)
    with lock:
        pass
    future = pool.submit(time.sleep, 1)
    future.result()  # finds: blocking-call
    task = asyncio.create_task(asyncio.sleep(1))
    task.result()


@app.get("/helpers")
async def through_helpers() -> None:
    fetch()  # finds: blocking-call
    helpers.fetch()  # finds: blocking-call
    helpers.harmless()
    helpers.numbers()
    await helpers.fetch_async()
    await helpers.wrapped()


@app.get("/plain")
def plain() -> None:
    time.sleep(1)


@outlast.task(isolate=True)
async def alone() -> None:
    time.sleep(1)


@app.get("/local")
async def local_names(time: str, requests: str) -> None:
    time.sleep(1)
    requests.get("http://localhost")
""",
    "helpers.py": """
import asyncio
import functools
import time

from requests import Session

client = Session()


def fetch() -> None:
    time.sleep(1)


def harmless() -> None:
    deeper = lambda: time.sleep(1)


def numbers():
    time.sleep(1)
    yield 1


async def fetch_async() -> None:
    await asyncio.to_thread(fetch)


def off_the_loop(function):
    @functools.wraps(function)
    async def wrapper() -> None:
        await asyncio.to_thread(function)

    return wrapper


@off_the_loop
def wrapped() -> None:
    time.sleep(1)


class Client:
    def __init__(self) -> None:
        self.http = Session()

    async def get(self) -> None:
        self.http.get("http://localhost")  # finds: blocking-call
        self.wait()  # finds: blocking-call

    def wait(self) -> None:
        time.sleep(1)
""",
    "site-packages/sqlalchemy/__init__.py": "",
    "site-packages/sqlalchemy/orm/__init__.py": "from sqlalchemy.orm.session import Session, sessionmaker\n",
    "site-packages/sqlalchemy/orm/session.py": """
class Session:
    def execute(self, statement: str) -> None: ...


class sessionmaker: ...
""",
    "site-packages/requests/__init__.py": "from requests.sessions import Session\n",
    "site-packages/requests/sessions.py": """
class Session:
    def get(self, url: str) -> None: ...
""",
}

CLEAN: Project = {
    "shop/__init__.py": "",
    "shop/main.py": """
import asyncio
from contextlib import asynccontextmanager

import outlast
from fastapi import FastAPI, Request
from starlette.background import BackgroundTask, BackgroundTasks
from starlette.responses import JSONResponse

from shop.orders import routes
from .mail import Order, notify, send

client = None


@asynccontextmanager
async def lifespan(app: FastAPI):
    yield


app = FastAPI(lifespan=lifespan)
outlast.install(app)
app.include_router(routes.router)


def warm() -> None:
    global client
    if client is None:
        client = object()


@app.exception_handler(ValueError)
async def on_error(request: Request, error: ValueError) -> JSONResponse:
    return JSONResponse({}, background=BackgroundTask(send, str(error)))


@app.get("/several")
async def several() -> JSONResponse:
    tasks = BackgroundTasks([BackgroundTask(warm)])
    tasks.add_task(notify, Order(number=1))
    response = JSONResponse({}, background=tasks)
    await asyncio.sleep(0)
    return response
""",
    "shop/mail.py": """
from pydantic import BaseModel


class Order(BaseModel):
    number: int


def send(text: str) -> None: ...


async def notify(order: Order) -> None: ...
""",
    "shop/orders/__init__.py": "",
    "shop/orders/routes.py": """
from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, BackgroundTasks, Depends

import outlast
from shop import mail
from shop.mail import Order

router = APIRouter(prefix="/orders")


class Service:
    def __init__(self, tasks: BackgroundTasks) -> None:
        self.tasks = tasks

    def order(self, order: Order) -> None:
        self.tasks.add_task(mail.notify, order)


@router.post("/")
async def order(order: Order, tasks: BackgroundTasks, service: Annotated[Service, Depends()]) -> None:
    service.order(order)
    tasks.add_task(mail.send, text=f"order {order.number}")


@router.post("/typed")
async def typed(order: Order, tasks: outlast.BackgroundTasks) -> dict[str, str]:
    return {"id": tasks.options(parallel=True).add_task(mail.notify, order).id}
""",
}

FACTORY: Project = {
    "main.py": """
from fastapi import BackgroundTasks, FastAPI
import outlast


def work(number: int) -> None: ...


def build(prefix: str = "") -> FastAPI:
    app = FastAPI()
    outlast.install(app)

    def local() -> None: ...

    @app.get(f"{prefix}/")
    def endpoint(tasks: BackgroundTasks) -> None:
        tasks.add_task(work, 1)
        tasks.add_task(local)  # finds: no-name

    return app
"""
}

STARTING: Project = {
    "main.py": """
import asyncio
import shutil
import threading
from contextlib import asynccontextmanager
from pathlib import Path

import outlast
from fastapi import FastAPI

import jobs


@asynccontextmanager
async def lifespan(app: FastAPI):
    ticker = asyncio.create_task(jobs.tick())  # finds: runs-twice
    if not outlast.in_task_process():
        guarded = asyncio.create_task(jobs.tick())
    await jobs.clean()
    yield
    ticker.cancel()


app = FastAPI(lifespan=lifespan)
outlast.install(app)
threading.Thread(target=print, daemon=True).start()  # finds: runs-twice
""",
    "jobs.py": """
import shutil
from pathlib import Path


async def tick() -> None: ...


async def clean() -> None:
    shutil.rmtree("none", ignore_errors=True)  # noqa: ASYNC240 # finds: runs-twice
""",
}

SRC: Project = {
    "pyproject.toml": '[tool.outlast]\napp = "shop.main:app"\n',
    **{f"src/{file}": text for file, text in CLEAN.items()},
}


def write(project: Project, folder: Path) -> Path:
    """The project in a folder."""
    for name, text in project.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


def marked(project: Project) -> set[tuple[str, str, int]]:
    """Code, file and line of what has to be found."""
    return {
        (code, file, number)
        for file, text in project.items()
        for number, line in enumerate(text.splitlines(), 1)
        for code in re.findall(r"# finds: (\S+)", line)
    }
