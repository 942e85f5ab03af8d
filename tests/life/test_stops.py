"""Every way to stop a server: it stops at once, and what runs ends by itself, or runs again at the next start."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.life.units import (
    Unit,
    by_ctrl_c_twice,
    by_kill_mode_control_group,
    by_kill_mode_mixed,
    by_one_request_too_many,
    by_sighup,
    by_sigterm,
    served,
)
from tests.support.history import history_of
from tests.support.marks import slow, slow_rows
from tests.support.processes import living_in, renew_web_workers
from tests.support.servers import PATIENCE, Server, descendants, eventually

GUNICORN = "gunicorn uvicorn_worker"
TASKS = {"def": "until_told", "async": "until_told_async"}


@dataclass(frozen=True)
class Stop:
    """A row: a kind of server, more arguments of it, and how it is stopped."""

    kind: str
    by: Callable[[Unit], None]
    more: tuple[str, ...] = ()

    def __str__(self) -> str:
        return " ".join((self.kind, *self.more, self.by.__name__))


def by_sigterm_to_process_1(unit: Unit) -> None:
    """As `docker stop`; all that is in the namespace ends with process 1."""
    os.kill(descendants(unit.server.process.pid)[0], signal.SIGTERM)


def by_kill_mode_control_group_whose_time_is_over(unit: Unit) -> None:
    """SIGTERM to all; SIGKILL to what is left after TimeoutStopSec, here: when the web server has gone."""
    by_kill_mode_control_group(unit)
    unit.server.wait()
    unit.kill_what_is_left()


DRAIN = [
    Stop("gunicorn --preload", by_sigterm),
    Stop("uvicorn", by_ctrl_c_twice),
    *slow(
        Stop("uvicorn", by_one_request_too_many, ("--limit-max-requests", "20")),
        Stop("uvicorn --workers 2", by_kill_mode_control_group),
        Stop("gunicorn --preload", by_sigterm, ("-w", "4")),
        Stop("uvicorn --reload", by_ctrl_c_twice),
        Stop("uvicorn", by_sighup),
        Stop(GUNICORN, by_ctrl_c_twice),
        Stop(GUNICORN, by_kill_mode_control_group, ("-w", "4")),
        Stop("gunicorn asgi", by_kill_mode_control_group),
    ),
]
CUT = [
    Stop(GUNICORN, by_kill_mode_mixed),
    *slow(
        Stop("gunicorn asgi", by_kill_mode_control_group_whose_time_is_over),
        Stop("uvicorn --workers 2 as PID 1", by_sigterm_to_process_1),
        Stop("uvicorn", by_kill_mode_mixed),
        Stop(GUNICORN, by_kill_mode_mixed, ("-w", "4")),
        Stop("gunicorn --preload as PID 1", by_sigterm_to_process_1),
    ),
]


def finish_both(server: Server) -> None:
    for name in TASKS:
        server.tell(name)
    eventually(server.all_settled, f"{server.records()}\n{server.output}")


def ends(server: Server) -> set[tuple[str, int]]:
    """State and charged deaths of all tasks."""
    return {(record.state, record.crashes) for record in server.records()}


@pytest.mark.parametrize("stop", DRAIN, ids=str)
def test_the_server_stops_at_once_and_what_runs_ends_by_itself(stop: Stop, tmp_path: Path) -> None:
    with served(stop.kind, tmp_path, *stop.more, OUTLAST_LINGER="0.3") as unit:
        unit.server.begin_all(TASKS)
        stop.by(unit)
        unit.server.wait()
        assert not unit.server.witnessed("ran")
        finish_both(unit.server)
        assert ends(unit.server) == {("done", 0)}
        assert set(unit.server.times("began").values()) == {1}
        eventually(unit.is_over, f"everybody leaves; {unit.server.output}")


@pytest.mark.parametrize("stop", CUT, ids=str)
def test_what_was_cut_by_the_stop_runs_again_at_the_next_start_uncharged(stop: Stop, tmp_path: Path) -> None:
    with served(stop.kind, tmp_path, *stop.more) as unit:
        unit.server.begin_all(TASKS)
        stop.by(unit)
        unit.server.wait()
        eventually(lambda: not living_in(tmp_path), "everything has ended")
        assert not unit.server.witnessed("ran")
    with served(stop.kind, tmp_path, *stop.more) as unit:
        eventually(lambda: set(unit.server.times("began").values()) == {2}, f"both begin again; {unit.server.output}")
        assert unit.server.answers(), "the start did not wait for them"
        finish_both(unit.server)
        assert ends(unit.server) == {("done", 0)}
        assert interrupted(unit.server) == [1, 1]


def interrupted(server: Server) -> list[int]:
    """How many attempts of each task have ended so."""
    history = history_of(server.journal)
    tasks = [history.task(record.id) for record in server.records()]
    return [sum(event.kind == "interrupted" for event in task.events) for task in tasks]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "more"),
    [("gunicorn --preload", []), *slow_rows(("gunicorn --preload", ["-w", "4"]), ("uvicorn --workers 2", []))],
)
def test_new_web_workers_take_nothing_from_what_runs(kind: str, more: list[str], tmp_path: Path) -> None:
    with served(kind, tmp_path, *more) as unit:
        server = unit.server
        server.begin_all(TASKS)
        renew_web_workers(server)
        server.add("ok", "later")
        server.wait_for("ran", "later")
        assert not server.witnessed("ran", "def")
        finish_both(server)
        assert ends(server) == {("done", 0)}
        assert set(server.times("began").values()) == {1}


@pytest.mark.slow
def test_what_outlasts_the_time_to_drain_is_interrupted_and_runs_at_the_next_start(tmp_path: Path) -> None:
    with served("uvicorn", tmp_path, OUTLAST_DRAIN="0.5") as unit:
        unit.server.begin_all(TASKS)
        by_kill_mode_control_group(unit)
        unit.server.wait()
        eventually(unit.is_over, f"all of it has ended; {unit.server.output}")
        assert ends(unit.server) == {("waiting", 0)}
        assert interrupted(unit.server) == [1, 1]
    with served("uvicorn", tmp_path) as unit:
        finish_both(unit.server)
        assert ends(unit.server) == {("done", 0)}


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("uvicorn", ("--timeout-graceful-shutdown", "1")),
        *slow_rows((GUNICORN, ("--graceful-timeout", "1"))),
    ],
)
def test_a_service_with_nothing_to_do_ends_without_starting_another_runner(
    kind: str, more: tuple[str, ...], tmp_path: Path
) -> None:
    """Its runner has nothing to wait for, but its web worker has: a response that does not end."""
    with served(kind, tmp_path, *more) as unit:
        unit.server.add("ok", "it")
        eventually(unit.server.all_settled, f"{unit.server.records()}")
        with socket.create_connection(("127.0.0.1", unit.server.port), timeout=10 * PATIENCE) as request:
            request.sendall(b"GET /hold/open HTTP/1.1\r\nHost: x\r\n\r\n")
            assert request.recv(1) == b"H"
            by_kill_mode_control_group(unit)
            unit.server.wait()
        eventually(unit.is_over, f"all of it has ended; {unit.server.output}")
        assert unit.server.output.count("moves the tasks of") == 1, "no runner came after the one that was stopped"
