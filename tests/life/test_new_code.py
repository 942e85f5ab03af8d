"""A person edits the app: what is new runs the new code, what runs is left alone."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from outlast.settings.settings import Settings
from outlast.system.place import Place, socket_address
from outlast.wire.frames import packed
from outlast.wire.hello import Environment, Hello
from tests.life.captured import captured
from tests.support.marks import slow
from tests.support.processes import runners_in
from tests.support.servers import Server, eventually, is_alive, lay_out

HUP = "gunicorn uvicorn_worker"
PATIENT = {"OUTLAST_LINGER": "600", "OUTLAST_DRAIN": "600"}
"""While the only web worker is replaced, which on a busy machine takes long, the runner waits for the next one."""
SLOW_IMPORT = """
from outlast.system.process import this
while this.role.is_child and os.path.exists("slow"):
    open("importing", "w").close()
    time.sleep(0.01)
"""


def edit(folder: Path, version: str) -> None:
    """Change the app's VERSION; to another length, since Python takes same second and same length for the same."""
    main = folder / "main.py"
    text = main.read_text().replace('VERSION = "first"', f'VERSION = "{version}"')
    assert version in text
    main.write_text(text)


@contextmanager
def renewed(server: Server, kind: str) -> Iterator[None]:
    """After what is done inside, another web worker serves: sent for by HUP, or by itself with --reload."""
    before = int(server.get("/ping")[1])
    yield
    if kind == HUP:
        os.kill(server.process.pid, signal.SIGHUP)
    eventually(lambda: not is_alive(before) and server.answers(), f"the server is a new one; {server.output}")


def is_ready(server: Server) -> bool:
    return "is there after" in server.output


@pytest.mark.parametrize("kind", [HUP, *slow("uvicorn --reload")])
def test_new_tasks_run_the_new_code_while_the_old_process_ends_what_it_has(kind: str, tmp_path: Path) -> None:
    with captured(kind, tmp_path, **PATIENT) as capture:
        server = capture.server
        server.add("until_told", "old")
        old = server.wait_for("began", "old")[2]
        runners = runners_in(tmp_path)
        with renewed(server, kind):
            edit(tmp_path, "second-version")
        server.add("say", "new")
        _, _, new, version = server.wait_for("ran", "new")
        assert version == "second-version"
        assert new != old
        assert not server.witnessed("ran", "old")
        server.tell("old")
        assert server.wait_for("ran", "old")[2] == old
        eventually(lambda: not is_alive(int(old)), "the old process leaves when it has ended its task")
        assert len(server.witnessed("began", "old")) == 1
        assert runners_in(tmp_path) == runners


@pytest.mark.slow
def test_hup_without_a_change_takes_nothing_away(tmp_path: Path) -> None:
    with captured(HUP, tmp_path, **PATIENT) as capture:
        server = capture.server
        server.add("until_told", "long")
        server.wait_for("began", "long")
        runners = runners_in(tmp_path)
        with renewed(server, HUP):
            pass
        server.add("say", "short")
        server.wait_for("ran", "short")
        server.tell("long")
        server.wait_for("ran", "long")
        assert len(server.witnessed("began", "long")) == 1
        assert runners_in(tmp_path) == runners


@pytest.mark.slow
def test_a_process_that_was_importing_while_its_code_changed_runs_no_later_task(tmp_path: Path) -> None:
    lay_out(tmp_path)
    main = tmp_path / "main.py"
    main.write_text(main.read_text() + SLOW_IMPORT)
    with captured(HUP, tmp_path) as capture:
        server = capture.server
        (tmp_path / "slow").touch()
        server.add("say", "early")
        eventually((tmp_path / "importing").exists, "a task process imports the app")
        edit(tmp_path, "second-version")
        server.process.send_signal(signal.SIGTTIN)
        eventually(lambda: len(server.living("web")) == 2, "a web worker with the new code joins the old one")
        (tmp_path / "slow").unlink()
        server.wait_for("ran", "early")
        server.add("say", "late")
        assert server.wait_for("ran", "late")[3] == "second-version"


@contextmanager
def greeting_from_another_version(server: Server) -> Iterator[None]:
    """A web worker with an outlast that was installed meanwhile, and with the same output."""
    hello = packed(Hello(0, "1000.0", True, Environment.here("main:app", Settings())).message())
    with server.log.open("ab") as log, socket.socket(socket.AF_UNIX) as stranger:
        with socket_address(Place.of(server.journal)) as address:
            stranger.connect(address)
        socket.send_fds(stranger, [hello[:1]], [log.fileno(), log.fileno()])
        stranger.sendall(hello[1:])
        yield


@pytest.mark.slow
def test_after_an_upgrade_of_outlast_the_old_runner_ends_what_runs_and_a_new_one_takes_over(tmp_path: Path) -> None:
    with captured("uvicorn", tmp_path) as capture:
        server = capture.server
        server.add("until_told", "old")
        server.wait_for("began", "old")
        runners = runners_in(tmp_path)
        with greeting_from_another_version(server), greeting_from_another_version(server):
            eventually(lambda: server.output.count("runner leaves") == 2, f"it has heard both; {server.output}")
            server.add("ok", "new")
            server.tell("old")
            eventually(server.all_settled, f"{server.records()} {server.output}")
        assert {len(server.witnessed(verb, "old")) for verb in ("began", "ran")} == {1}
        assert len(runners_in(tmp_path)) == 1
        assert runners_in(tmp_path) != runners


HEARS_ITSELF_READ = """
import os
import sys

import outlast


def hear(event, given):
    if event == "open" and given[0] == __file__:
        with open("witness.log", "a") as file:
            file.write(f"read {os.getpid()}\\n")


if outlast.in_task_process():
    sys.addaudithook(hear)
"""


def who_runs(server: Server, name: str) -> str:
    server.add("say", name)
    return server.wait_for("ran", name)[2]


@pytest.mark.slow
@pytest.mark.parametrize("start", ["spawn", "fork"])
def test_the_sources_of_a_project_are_read_by_one_task_process_until_they_change(start: str, tmp_path: Path) -> None:
    (lay_out(tmp_path, "\nimport heard\n") / "heard.py").write_text(HEARS_ITSELF_READ)
    with captured(HUP, tmp_path, OUTLAST_CHILD_START=start, **PATIENT) as capture:
        server = capture.server
        first = who_runs(server, "one")
        os.kill(int(first), signal.SIGKILL)
        second = who_runs(server, "two")
        assert second != first
        assert server.witnessed("read") == [["read", first]]
        with renewed(server, HUP):
            edit(tmp_path, "second-version")
        eventually(lambda: not is_alive(int(second)), "it has the old code")
        third = who_runs(server, "three")
        assert server.witnessed("read") == [["read", first], ["read", third]]
