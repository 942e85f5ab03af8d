"""P1: the answer never comes before its tasks are on disk."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path

import pytest

from tests.support.marks import slow
from tests.support.servers import PATIENCE, Server, eventually, serving


@pytest.mark.parametrize("rounds", [5, *slow(60)])
def test_a_web_worker_killed_at_the_first_byte_of_its_answer_has_stored_the_task(tmp_path: Path, rounds: int) -> None:
    with serving("gunicorn --preload", tmp_path, "-w", "1", OUTLAST_RUNNER="off") as server:
        answered = [name for name in map(str, range(rounds)) if is_answered_and_killed(server, name)]
        stored = {record.arguments for record in server.records()}
    assert len(answered) == rounds, "a request was not answered, so it proves nothing"
    missing = [name for name in answered if f'{{"name":"{name}"}}' not in stored]
    assert not missing, f"{len(missing)} of {len(answered)} answered tasks are not in the journal"
    with serving("uvicorn", tmp_path) as server:
        eventually(lambda: {line[1] for line in server.witnessed("ran")} >= set(answered), "all of them run")
        eventually(server.all_settled, "and all are settled")
        assert {record.state for record in server.records()} == {"done"}


def is_answered_and_killed(server: Server, name: str) -> bool:
    """Ask for a task; SIGKILL the only web worker when the first byte of the answer is there."""
    eventually(server.answers, f"a new worker answers; {server.output[-2000:]}")
    worker = int(server.get("/ping")[1])
    with socket.create_connection(("127.0.0.1", server.port), timeout=10 * PATIENCE) as connection:
        connection.sendall(f"GET /add/ok/{name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        first = connection.recv(1)
        os.kill(worker, signal.SIGKILL)
    eventually(lambda: not server.answers_from(worker), "that worker is gone")
    return first == b"H"
