"""Who calls the app decides how its tasks run: a server, a test without pytest, an event loop that is not asyncio's."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

APP = """
import os, sys
from contextlib import asynccontextmanager
from fastapi import BackgroundTasks, FastAPI
import outlast

ran = []

@asynccontextmanager
async def lifespan(app):
    ran.append("opened")
    yield
    ran.append("closed")

app = FastAPI(lifespan=lifespan)
outlast.install(app)

@outlast.task(travels=True)
def work(name: str) -> None:
    ran.append(name)

@app.get("/")
async def ask(tasks: BackgroundTasks):
    tasks.add_task(work, "task")

@app.get("/enqueue")
async def ask_at_once():
    await outlast.enqueue(work, "enqueued")
"""
TRANSPORT = """
import asyncio
import httpx2
from main import app, ran

async def main():
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://test") as client:
        await client.get("/")
        await client.get("/enqueue")

asyncio.run(main())
assert ran == ["task", "enqueued"], ran
"""
UNITTEST = """
import unittest
import httpx2, outlast
from fastapi.testclient import TestClient
from main import app, ran, work

class Async(unittest.IsolatedAsyncioTestCase):
    def setUp(self):
        ran.clear()

    async def test_transport(self):
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://test") as client:
            await client.get("/")
        self.assertEqual(ran, ["task"])

    async def test_enqueue(self):
        await outlast.enqueue(work, "enqueued")
        self.assertEqual(ran, ["enqueued"])

    def test_enqueue_sync(self):
        outlast.enqueue_sync(work, "enqueued")
        self.assertEqual(ran, ["enqueued"])

    def test_client(self):
        with TestClient(app) as client:
            client.get("/")
            outlast.enqueue_sync(work, "enqueued")
        self.assertEqual(ran, ["opened", "task", "enqueued", "closed"])

unittest.main()
"""
TRIO = """
import trio
from main import app, ran

async def main():
    inbox = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent = []
    async def receive(): return next(inbox, {"type": "http.disconnect"})
    async def send(message): sent.append(message["type"])
    server = {"version": "3.0", "spec_version": "2.4"}
    await app({"type": "lifespan", "asgi": server, "state": {}}, receive, send)
    for path in ("/", "/enqueue"):
        scope = {"type": "http", "asgi": server, "http_version": "1.1", "method": "GET", "path": path, "headers": [],
            "raw_path": path.encode(), "query_string": b"", "scheme": "http", "server": ("h", 1), "client": ("h", 2),
            "root_path": ""}
        await app(scope, receive, send)
    assert sent.count("http.response.start") == 2, sent

trio.run(main)
assert ran == ["opened", "closed", "task", "enqueued"], ran
"""


def run(folder: Path, script: str) -> str:
    (folder / "main.py").write_text(APP)
    (folder / "script.py").write_text(script)
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(folder)}
    command = [sys.executable, "script.py"]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=100
    )
    assert done.returncode == 0, done.stderr
    assert not (folder / ".outlast").exists()
    return done.stderr


@pytest.mark.parametrize("script", [TRANSPORT, UNITTEST], ids=["ASGITransport", "unittest"])
def test_a_test_without_pytest_runs_its_tasks_and_leaves_nothing(script: str, tmp_path: Path) -> None:
    run(tmp_path, script)


def test_under_trio_tasks_run_inline_and_one_sentence_says_so(tmp_path: Path) -> None:
    said = run(tmp_path, TRIO)
    assert said.count("this server runs the app on trio, and outlast needs asyncio") == 1
