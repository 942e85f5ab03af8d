"""Log handlers that task processes cannot have are found by the doctor, with run time's own words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.doctor.projects import CLEAN, write
from tests.doctor.run import doctor
from tests.support.marks import first_at_once

QUEUE = "logging.handlers.QueueHandler"
DOCUMENT = {
    "version": 1,
    "handlers": {"far": {"class": QUEUE, "queue": {"()": "queue.Queue"}}, "out": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["out"]},
    "loggers": {"shop": {"handlers": ["far"]}},
}
INI = """
[loggers]
keys=root,shop
[handlers]
keys=far,out
[logger_root]
handlers=
[logger_shop]
qualname=shop
handlers=far
[handler_far]
class=handlers.MemoryHandler
args=(10,)
target=out
[handler_out]
class=StreamHandler
args=()
"""
MAIN = """
if __name__ == "__main__":
    import logging.handlers
    import queue

    logging.getLogger().addHandler(logging.handlers.QueueHandler(queue.Queue()))
    logging.getLogger().addHandler(logging.StreamHandler())
"""


INTERCEPTED = """
import logging


class Intercepted(logging.Handler):
    def emit(self, record):
        print("elsewhere", record.getMessage())


logging.basicConfig(handlers=[Intercepted()], level=logging.INFO, force=True)
"""


@pytest.mark.parametrize(
    ("server", "file", "text", "kind"),
    [
        ("uvicorn shop.main:app --log-config log.json", "log.json", json.dumps(DOCUMENT), QUEUE),
        ("gunicorn --log-config-json log.json shop.main:app", "log.json", json.dumps(DOCUMENT), QUEUE),
        ("gunicorn --log-config log.ini shop.main:app", "log.ini", INI, "logging.handlers.MemoryHandler"),
    ],
)
def test_one_in_the_servers_log_config_is_found(server: str, file: str, text: str, kind: str, tmp_path: Path) -> None:
    write(CLEAN, tmp_path)
    (tmp_path / file).write_text(text)
    answer = doctor(tmp_path, "--server", server, "--json")
    (found,) = (one for one in answer.document["findings"] if one["code"] == "handler-not-followed")
    assert found["sentence"].startswith(f"the handler {kind} of logger 'shop' in the server cannot be put up in task")
    assert (found["file"], found["remedy"]) == ("--server", "Put it up where the app's module is imported")
    assert answer.code == 3


def test_one_under_main_is_found_and_one_that_the_import_puts_up_is_not(tmp_path: Path) -> None:
    write(CLEAN, tmp_path)
    main = tmp_path / "shop" / "main.py"
    main.write_text(main.read_text() + MAIN)
    (found,) = doctor(tmp_path, "shop.main:app", "--json").document["findings"]
    line = main.read_text().splitlines().index(MAIN.splitlines()[5]) + 1
    assert (found["code"], found["line"]) == ("handler-not-followed", line)
    main.write_text(main.read_text().replace('if __name__ == "__main__":', "if True:"))
    assert doctor(tmp_path, "shop.main:app", "--json").document["findings"] == []


def test_what_makes_lines_of_the_server_look_as_those_of_the_runner_cannot_is_noted(tmp_path: Path) -> None:
    write(CLEAN, tmp_path)
    main = tmp_path / "shop" / "main.py"
    main.write_text(main.read_text() + INTERCEPTED)
    answer = doctor(tmp_path, "shop.main:app", "--json")
    (found,) = answer.document["findings"]
    assert (found["code"], answer.code) == ("lines-not-followed", 0)
    assert "what shop.main.Intercepted makes of a line in the server cannot be told" in found["sentence"]
    assert found["remedy"].startswith("Give the logger 'outlast' a StreamHandler")


@pytest.mark.parametrize("text", first_at_once(["[]", "", "{", '{"handlers": 1}', '{"loggers": {"a": null}}']))
def test_a_config_that_cannot_be_read_is_the_servers_business(text: str, tmp_path: Path) -> None:
    write(CLEAN, tmp_path)
    (tmp_path / "log.json").write_text(text)
    answer = doctor(tmp_path, "--server", "uvicorn shop.main:app --log-config log.json", "--json")
    assert answer.document["findings"] == []
