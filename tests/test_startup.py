"""Start-up code that is meant for one process, found in its source."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import indent
from types import ModuleType

import pytest

from outlast.sources import Sources
from outlast.startup import singular_at_import, singular_in, startup_functions

TOP = """
import asyncio
import logging
import os
import shutil
import socket
import subprocess
import threading
from contextlib import asynccontextmanager
from pathlib import Path

import outlast
from fastapi import FastAPI

log = logging.getLogger("app")


async def tick(): ...


def empty(folder):
    shutil.rmtree(folder)

"""
LIFESPAN = "\n@asynccontextmanager\nasync def lifespan(app):\n{body}\n    yield\n\napp = FastAPI(lifespan=lifespan)\n"
Load = Callable[[str], ModuleType]
SEEN = {
    "task = asyncio.create_task(tick())": "starts tick()",
    "threading.Thread(target=print).start()": "starts threading.Thread(target=print).start()",
    "subprocess.Popen(['redis-server'])": "starts ['redis-server']",
    "app.state.scheduler.start()": "starts app.state.scheduler.start()",
    "s = socket.socket(); s.bind(('127.0.0.1', 9100))": "binds a port (s.bind(('127.0.0.1', 9100)))",
    "shutil.rmtree('uploads')": "removes files (shutil.rmtree('uploads'))",
    "[one.unlink() for one in Path('tmp').iterdir()]": "removes files (one.unlink())",
    "os.remove('app.pid')": "removes files (os.remove('app.pid'))",
    "empty('uploads')": "removes files (shutil.rmtree(folder))",
    "await app.state.db.execute('UPDATE job SET state = 2 WHERE state = 1')": "changes or deletes rows (app.state.db",
    "app.state.session.query(dict).filter(1).update({'state': 2})": "changes or deletes rows (app.state.session.query",
    "for job in app.state.jobs:\n    job.state = 'failed'\napp.state.session.commit()": "changes or deletes rows (job",
}
NOT_SEEN = (
    "app.state.model = object()",
    "if not outlast.in_task_process():\n    task = asyncio.create_task(tick())",
    "if outlast.in_task_process():\n    pass\nelse:\n    shutil.rmtree('uploads')",
    "log.info('ready')\nsettings = {}\nsettings.update(a=1)",
    "def later():\n    shutil.rmtree('uploads')",
    "await asyncio.to_thread(print, 'x')",
)


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    monkeypatch.syspath_prepend(tmp_path)

    def load(text: str) -> ModuleType:
        (tmp_path / "starting_app.py").write_text(TOP + text)
        sys.modules.pop("starting_app", None)
        importlib.invalidate_caches()
        return importlib.import_module("starting_app")

    return load


def found_in_lifespan(module: ModuleType) -> list[str]:
    sources = Sources()
    return list(map(str, singular_in(startup_functions(module.app, sources), sources)))


@pytest.mark.parametrize("statement", SEEN)
def test_what_hurts_when_it_is_done_twice_is_found(statement: str, load: Load) -> None:
    found = found_in_lifespan(load(LIFESPAN.format(body=indent(statement, "    "))))
    assert len(found) == 1
    assert found[0].startswith(SEEN[statement])


@pytest.mark.parametrize("statement", NOT_SEEN)
def test_what_is_guarded_or_harmless_is_not(statement: str, load: Load) -> None:
    assert found_in_lifespan(load(LIFESPAN.format(body=indent(statement, "    ")))) == []


def test_handlers_of_the_startup_event_are_looked_at_too(load: Load) -> None:
    text = "\napp = FastAPI()\n\n\n@app.on_event('startup')\nasync def begin():\n    shutil.rmtree('uploads')\n"
    with pytest.warns(DeprecationWarning):
        module = load(text)
    assert found_in_lifespan(module) == ["removes files (shutil.rmtree('uploads'))"]


def test_what_a_module_does_when_it_is_imported(load: Load) -> None:
    module = load("\napp = FastAPI()\nif __name__ == '__main__':\n    empty('a')\nelse:\n    Path('b').rmdir\n")
    assert singular_at_import(module, Sources()) == []
    module = load("\napp = FastAPI()\nos.path.exists('x') and os.remove('x')\n")
    assert list(map(str, singular_at_import(module, Sources()))) == ["removes files (os.remove('x'))"]
