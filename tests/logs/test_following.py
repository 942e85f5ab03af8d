"""Task processes, and the runner, log as the server does, whoever has set that up."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.servers import Server, eventually, serving

APP = """
import logging
import os

from fastapi import BackgroundTasks, FastAPI

import outlast

log = logging.getLogger("shop")


class Capitals(logging.Formatter):
    def format(self, record):
        return "CAPITALS " + super().format(record).upper()


class Counted(logging.Filter):
    def filter(self, record):
        record.count = len(record.getMessage())
        return True


class Paper(logging.Handler):
    def __init__(self, path):
        super().__init__()
        self.path = path
        self.lines = 0

    def emit(self, record):
        self.lines += 1
        with open(self.path, "a") as file:
            file.write(f"{record.name} {record.getMessage()}\\n")


def pack(n: int) -> None:
    log.debug("unheard %s", n)
    log.info("packing %s", n)
    logging.getLogger("uvicorn.error").info("packed %s", n)


def crash(n: int) -> None:
    os._exit(3)


app = FastAPI()


@app.get("/ping")
def ping() -> int:
    return os.getpid()


@app.get("/add/{kind}/{n}")
async def add(kind: str, n: int, tasks: BackgroundTasks) -> int:
    log.info("asked for %s", n)
    tasks.add_task({"pack": pack, "crash": crash}[kind], n)
    return os.getpid()


outlast.install(app)
"""
MAIN = """
if __name__ == "__main__":
    import uvicorn

    {0}
    uvicorn.run(app, port=int(os.environ["PORT"]))
"""
LOG_CONFIG = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {"counted": {"()": "main.Counted"}},
    "formatters": {"capitals": {"()": "main.Capitals", "format": "%(levelname)s %(name)s %(count)d %(message)s"}},
    "handlers": {"out": {"class": "logging.StreamHandler", "formatter": "capitals", "filters": ["counted"]}},
    "root": {"level": "INFO", "handlers": ["out"]},
}
INI = """
[loggers]
keys=root
[handlers]
keys=out
[formatters]
keys=lines
[logger_root]
level=INFO
handlers=out
[handler_out]
class=StreamHandler
formatter=lines
args=(sys.stdout,)
[formatter_lines]
format=CONFIGURED %(levelname)s %(name)s %(message)s
"""
JSON_LINES = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"json": {"()": "lines.Json"}},
    "handlers": {"out": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stdout"}},
    "root": {"level": "INFO", "handlers": ["out"]},
    "loggers": {"uvicorn": {"level": "INFO"}},
}
JSON_FORMATTER = """
import json
import logging
from datetime import datetime, timezone


class Json(logging.Formatter):
    def format(self, record):
        at = datetime.fromtimestamp(record.created, timezone.utc).isoformat()
        line = {"at": at, "severity": record.levelname, "text": record.getMessage(), "service": "shop"}
        if hasattr(record, "task_id"):
            line["task_id"] = record.task_id
        return json.dumps(line)
"""


def lay_out(folder: Path, main: str = "") -> Path:
    (folder / "main.py").write_text(APP + main)
    (folder / "log.json").write_text(json.dumps(LOG_CONFIG))
    (folder / "json_lines.json").write_text(json.dumps(JSON_LINES))
    (folder / "log.ini").write_text(INI)
    (folder / "lines.py").write_text(JSON_FORMATTER)
    return folder


def said(server: Server, *words: str) -> list[str]:
    """The lines of its log that hold one of `words`."""
    return [line for line in server.output.splitlines() if any(word in line for word in words)]


def packed(server: Server) -> None:
    assert server.get("/add/pack/7")[0] == 200
    eventually(server.all_settled, server.output)


def test_log_config_of_uvicorn_with_code_of_the_app(tmp_path: Path) -> None:
    with serving("uvicorn", lay_out(tmp_path), "--log-config", "log.json") as server:
        packed(server)
        expected = ["CAPITALS INFO SHOP 9 PACKING 7", "CAPITALS INFO UVICORN.ERROR 8 PACKED 7"]
        eventually(lambda: said(server, "PACKING", "PACKED") == expected, server.output)


def test_log_config_of_gunicorn(tmp_path: Path) -> None:
    with serving("gunicorn uvicorn_worker", lay_out(tmp_path), "--log-config", "log.ini") as server:
        packed(server)
        eventually(lambda: len(said(server, "packing", "packed")) == 2, server.output)
        ours, servers = said(server, "packing", "packed")
        assert ours == "CONFIGURED INFO shop packing 7"
        assert servers.endswith("[INFO] packed 7")


@pytest.mark.parametrize(
    ("main", "expected"),
    [
        ('logging.basicConfig(level=logging.INFO, format="MAIN %(message)s")', ["MAIN packing 7"]),
        ("log.setLevel(logging.INFO); log.addHandler(Paper('paper.txt'))", []),
    ],
)
def test_what_stands_under_main(tmp_path: Path, main: str, expected: list[str]) -> None:
    with serving("python main.py", lay_out(tmp_path, MAIN.format(main))) as server:
        packed(server)
        eventually(lambda: said(server, "packing") == expected, server.output)
        if not expected:
            lines = (tmp_path / "paper.txt").read_text().splitlines()
            assert lines == ["shop asked for 7", "shop packing 7"]


def test_what_the_app_sets_up_itself_is_there_once(tmp_path: Path) -> None:
    main = "\nlog.setLevel(logging.INFO)\nlog.addHandler(logging.StreamHandler())\nlog.addHandler(Paper('paper.txt'))\n"
    with serving("uvicorn", lay_out(tmp_path, main)) as server:
        server.get("/add/pack/6")
        eventually(server.all_settled, server.output)
        packed(server)
        assert (tmp_path / "paper.txt").read_text().splitlines().count("shop packing 7") == 1
        assert server.output.splitlines().count("packing 7") == 1


def test_json_lines_stay_json_in_the_runner(tmp_path: Path) -> None:
    with serving("uvicorn", lay_out(tmp_path), "--log-config", "json_lines.json", OUTLAST_MAX_CRASHES="1") as server:
        server.get("/add/crash/1")
        eventually(lambda: server.all_settled() and said(server, "main:crash failed"), server.output)
        server.stop()
        lines = [json.loads(line) for line in server.output.splitlines()]
        assert {(one["service"], len(one["at"])) for one in lines} == {
            ("shop", len("2026-11-26T16:00:00.000001+00:00"))
        }
        (failed,) = (one for one in lines if "main:crash failed" in one["text"])
        (record,) = server.records()
        assert (failed["severity"], failed["task_id"], failed["function"]) == ("ERROR", record.id, "main:crash")


def test_without_any_set_up_lines_look_as_the_servers_own(tmp_path: Path) -> None:
    with serving("uvicorn", lay_out(tmp_path), OUTLAST_MAX_CRASHES="1") as server:
        server.get("/add/crash/1")
        eventually(lambda: server.all_settled() and said(server, "main:crash failed"), server.output)
        (line,) = said(server, "main:crash failed")
        assert line.startswith("ERROR:    task ")
        (line,) = said(server, "moves the tasks of")
        assert line.startswith("INFO:     runner ")


INTERCEPTED = """


class Intercept(logging.Handler):
    def emit(self, record):
        print("INTERCEPTED", record.getMessage(), flush=True)


logging.basicConfig(handlers=[Intercept()], level=logging.INFO, force=True)
"""


@pytest.mark.slow
def test_a_runner_whose_lines_cannot_look_as_the_servers_says_so_once(tmp_path: Path) -> None:
    with serving("uvicorn", lay_out(tmp_path, INTERCEPTED), OUTLAST_MAX_CRASHES="1") as server:
        packed(server)
        server.get("/add/crash/1")
        eventually(lambda: said(server, "main:crash failed"), server.output)
        (line,) = said(server, "own format")
        assert line.endswith("`propagate = False`, if it shall be another")
        assert "[INFO] outlast: lines of the runner have outlast's own format: what main.Intercept makes" in line


@pytest.mark.slow
def test_what_the_app_has_disabled_the_runner_does_not_say(tmp_path: Path) -> None:
    with serving("uvicorn", lay_out(tmp_path, "\nlogging.disable(logging.INFO)\n"), OUTLAST_MAX_CRASHES="1") as server:
        server.get("/add/crash/1")
        eventually(lambda: server.all_settled() and said(server, "main:crash failed"), server.output)
        assert said(server, "runner ") == []


def test_a_lifespan_that_sets_up_logging_and_silences_whom_it_does_not_know_silences_no_end(tmp_path: Path) -> None:
    """As `dictConfig` does by default."""
    text = """
from contextlib import asynccontextmanager
from logging.config import dictConfig

@asynccontextmanager
async def lifespan(app):
    dictConfig({"version": 1, "handlers": {"h": {"class": "logging.StreamHandler"}}, "root": {"handlers": ["h"]}})
    yield

def fail(n: int) -> None:
    raise ValueError(f"fails {n}")

app.router.lifespan_context = lifespan

@app.get("/fail")
async def add_failing(tasks: BackgroundTasks) -> None:
    tasks.add_task(fail, 7)
    tasks.add_task(lambda: None)
"""
    with serving("uvicorn", lay_out(tmp_path, text)) as server:
        assert server.get("/fail")[0] == 200
        eventually(server.all_settled, server.output)
        eventually(
            lambda: len(said(server, "ValueError: fails 7", "runs inline, in the web worker")) == 2, server.output
        )
