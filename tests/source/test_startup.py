"""Start-up code that is meant for one process, found in its source."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import indent
from types import ModuleType

import pytest

from outlast.source.effects import may_last
from outlast.source.sources import Sources
from outlast.source.startup import lasting_at_import, singular_at_import, singular_in, startup_functions

TOP = """
import asyncio
import json
import logging
import os
import shutil
import socket
import subprocess
import threading
import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from logging.handlers import QueueListener
from pathlib import Path

import outlast
from fastapi import FastAPI

log = logging.getLogger("app")
RECOVER = "UPDATE job SET state = 'failed' WHERE state = 'running'"
STATE = Path("state.json")


class Queries:
    RECOVER = RECOVER


class Pump(threading.Thread): ...


class RowScheduler:
    def start(self): ...


async def tick(): ...


def again(): ...


def empty(folder):
    shutil.rmtree(folder)

"""
LIFESPAN = "\n@asynccontextmanager\nasync def lifespan(app):\n{body}\n    yield\n\napp = FastAPI(lifespan=lifespan)\n"
Load = Callable[[str], ModuleType]
SEEN = {
    "task = asyncio.create_task(tick())": "starts tick()",
    "task = asyncio.create_task(tick())\nyield\nawait task": "starts tick()",
    "async with asyncio.TaskGroup() as group:\n    group.create_task(tick())\n    yield": "starts tick()",
    "threading.Thread(target=print).start()": "starts threading.Thread(target=print).start()",
    "subprocess.Popen(['redis-server'])": "starts ['redis-server']",
    "app.state.scheduler.start()": "starts app.state.scheduler.start()",
    "s = socket.socket(); s.bind(('127.0.0.1', 9100))": "binds a port (s.bind(('127.0.0.1', 9100)))",
    "s = RowScheduler()\ns.start()": "starts s.start()",
    "pump = Pump(daemon=True)\npump.start()": "starts pump.start()",
    "p = multiprocessing.get_context('fork').Process()\np.start()": "starts p.start()",
    "asyncio.get_running_loop().call_later(5, again)": "starts again",
    "asyncio.get_running_loop().run_in_executor(None, again)": "starts again",
    "asyncio.gather(tick(), tick())": "starts tick()",
    "ThreadPoolExecutor(1).submit(again)": "starts again",
    "pool = ThreadPoolExecutor(1)\npool.submit(again)": "starts again",
    "with ThreadPoolExecutor(1) as pool:\n    pool.submit(again)\n    yield": "starts again",
    "app.state.executor.submit(again, 1)": "starts again",
    "async with asyncio.TaskGroup() as group:\n    app.state.task = asyncio.create_task(tick())": "starts tick()",
    "async with asyncio.TaskGroup() as group, await asyncio.create_server(None, port=1):\n    pass": "binds a port",
    "task = asyncio.create_task(tick())\nasync def stop():\n    await task\nyield": "starts tick()",
    "task = None\nawait task\nyield\ntask = asyncio.create_task(tick())": "starts tick()",
    "await asyncio.get_running_loop().create_datagram_endpoint(None, ('', 9100))": "binds a port (asyncio.get_running",
    "shutil.rmtree('uploads')": "removes files (shutil.rmtree('uploads'))",
    "[one.unlink() for one in Path('tmp').iterdir()]": "removes files (one.unlink())",
    "os.remove('app.pid')": "removes files (os.remove('app.pid'))",
    "empty('uploads')": "removes files (shutil.rmtree(folder))",
    "await app.state.db.execute('UPDATE job SET state = 2 WHERE state = 1')": "changes or deletes rows (app.state.db",
    "app.state.db.execute(RECOVER)": "changes or deletes rows (app.state.db.execute(RECOVER))",
    "app.state.db.execute(Queries.RECOVER)": "changes or deletes rows (app.state.db.execute(Queries.RECOVER))",
    "sql = 'update job set state = 2'\napp.state.db.execute(sql)": "changes or deletes rows (app.state.db.execute(s",
    "app.state.db.execute(f'update {STATE} set a = 1')": "changes or deletes rows (app.state.db.execute(f'update",
    "app.state.db.execute('-- after a crash\\nupdate job set state = 2')": "changes or deletes rows (app.state.db",
    "app.state.db.execute('/* x */ UPDATE ONLY job AS j SET state = 2')": "changes or deletes rows (app.state.db",
    "app.state.db.execute('with old as (select 1) delete from job')": "changes or deletes rows (app.state.db",
    "app.state.db.executescript('begin; update job set state = 2; commit')": "changes or deletes rows (app.state.db",
    "app.state.db.execute('replace into job values (1)')": "changes or deletes rows (app.state.db",
    "STATE.write_text('{}')": "overwrites a file (STATE.write_text('{}'))",
    "with open('state.json', 'w') as f:\n    f.write('{}')": "overwrites a file (open('state.json', 'w'))",
    "json.dump({}, STATE.open(mode='wb'))": "overwrites a file (STATE.open(mode='wb'))",
    "os.rename('new.csv', 'old.csv')": "moves files (os.rename('new.csv', 'old.csv'))",
    "STATE.rename('old.json')": "moves files (STATE.rename('old.json'))",
    "shutil.move('new', 'old')": "moves files (shutil.move('new', 'old'))",
    "os.kill(int(STATE.read_text()), 15)": "signals a process (os.kill(int(STATE.read_text()), 15))",
    "app.state.session.query(dict).filter(1).update({'state': 2})": "changes or deletes rows (app.state.session.query",
    "for job in app.state.jobs:\n    job.state = 'failed'\napp.state.session.commit()": "changes or deletes rows (job",
}
NOT_SEEN = (
    "await asyncio.gather(tick(), tick())",
    "await asyncio.get_running_loop().run_in_executor(None, again)",
    "with ThreadPoolExecutor(1) as pool:\n    pool.submit(again)",
    "async with asyncio.TaskGroup() as group:\n    group.create_task(tick())",
    "with ThreadPoolExecutor() as pool:\n    def pages():\n        yield 1\n    pool.submit(again)",
    "loading = asyncio.create_task(tick())\nawait loading",
    "loading = [asyncio.create_task(tick()) for _ in range(3)]\nawait asyncio.gather(*loading)",
    "app.state.form.submit(again)",
    "app.state.model = object()",
    "if not outlast.in_task_process():\n    task = asyncio.create_task(tick())",
    "if outlast.in_task_process():\n    pass\nelse:\n    shutil.rmtree('uploads')",
    "log.info('ready')\nsettings = {}\nsettings.update(a=1)",
    "def later():\n    shutil.rmtree('uploads')",
    "await asyncio.to_thread(print, 'x')",
    "log.info('update job set state = 2 is for the console')",
    "app.state.db.execute('select * from job where state = 1 -- update later')",
    "app.state.db.execute('create table if not exists job (updated int); create index a on job (updated)')",
    "app.state.settings = json.load(open('settings.json'))",
    "open('app.log', 'a').write('started')",
    "null = open(os.devnull, 'w')",
    "if not STATE.exists():\n    STATE.write_text('{}')",
    "name = 'a-b'.replace('-', '_')",
    "os.kill(os.getpid(), 0)",
    "listener = QueueListener(None)\nlistener.start()",
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


def test_a_class_may_be_the_lifespan(load: Load) -> None:
    enters = "async def __aenter__(self): self.task = asyncio.create_task(tick())"
    methods = f"    def __init__(self, app): ...\n    {enters}\n    async def __aexit__(self, *_): ...\n"
    module = load(f"\nclass Life:\n{methods}\napp = FastAPI(lifespan=Life)\n")
    assert found_in_lifespan(module) == ["starts tick()"]


def test_what_a_module_does_when_it_is_imported(load: Load) -> None:
    module = load("\napp = FastAPI()\nif __name__ == '__main__':\n    empty('a')\nelse:\n    Path('b').rmdir\n")
    assert singular_at_import(module, Sources()) == []
    module = load("\napp = FastAPI()\nos.path.exists('x') and os.remove('x')\n")
    assert list(map(str, singular_at_import(module, Sources()))) == ["removes files (os.remove('x'))"]


LAST = ("removes", "overwrites", "moves", "signals")
THAT_LAST = [one for one, told in SEEN.items() if told.startswith(LAST) and "empty" not in one]


def test_a_module_that_does_nothing_that_lasts_at_its_top_need_not_be_parsed() -> None:
    assert not may_last(TOP)
    assert not may_last("import os\n\n@app.delete('/x')\ndef remove(x):\n    os.remove(x)\n\nx.remove\n")
    assert not may_last("try:\n    import a\nexcept ImportError:\n    a = None\n\ndef b(x):\n    return x.replace(1)\n")


@pytest.mark.parametrize("statement", [*THAT_LAST, "Session().query(Job).delete()"])
def test_one_that_may_do_so_is_parsed(statement: str) -> None:
    assert may_last(TOP + statement)
    for block in ("if a(\n    b\n):\n\n", "while a():\n", "try:\n    pass\nelse:\n"):
        assert may_last(TOP + block + indent(statement, "    "))


def test_what_lasts_of_the_imports_of_a_project(load: Load) -> None:
    module = load("\napp = FastAPI()\nif os.path.exists('x'):\n    os.remove('x')\nasyncio.Event()\nPump().join\n")
    found = [one for one in lasting_at_import(Sources()) if one.file == module.__file__]
    assert list(map(str, found)) == ["removes files (os.remove('x'))"]
