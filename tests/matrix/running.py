"""A server of a cell, as a supervisor keeps it: started again whenever its main process has ended."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from tests.matrix.place import Place
from tests.matrix.plan import PEERS, Pace
from tests.support.processes import kill_all_in
from tests.support.servers import PATIENCE, WORK, Server, eventually, free_port, is_alive

APPS = Path(__file__).with_name("apps")
STARTING_TIME = 30.0  # seconds
NO_ANSWER = 0  # instead of a status


class Running:
    """`asked` has the status of the answer for each innocent task that was asked for."""

    def __init__(self, folder: Path, command: list[str], variables: dict[str, str], port: int, pace: Pace) -> None:
        self.folder = folder
        self.pace = pace
        self.asked: dict[str, int] = {}
        self.starts = 0
        self._clients: list[HTTPConnection] = []
        self._command = command
        self._variables = variables
        self._port = port
        self.server = self._start()

    def tend(self) -> None:
        """Start it again if it has ended."""
        if self.server.process.poll() is not None:
            self.server = self._start()

    def _start(self) -> Server:
        self.starts += 1
        with (self.folder / "output.log").open("ab") as output:
            process = subprocess.Popen(
                self._command, cwd=self.folder, env=self._variables, stdout=output, stderr=output
            )
        return Server(self.folder, self._port, process)

    def wait_until_it_answers(self) -> float:
        """The seconds it took."""
        began = time.monotonic()
        eventually(self._answers, f"the server answers; it printed {self.server.output}", STARTING_TIME)
        return time.monotonic() - began

    def _answers(self) -> bool:
        self.tend()
        return self.server.answers()

    @property
    def worker(self) -> int:
        """The web worker's pid."""
        return int(self.server.get("/ping")[1])

    def ask(self, path: str, *names: str) -> None:
        """One request, which is for the innocent tasks `names`."""
        self.asked |= dict.fromkeys(names, self._status_of(path))

    def _status_of(self, path: str) -> int:
        """Of an answer to a client that stays connected: some servers cut the tasks of one that leaves."""
        client = HTTPConnection("127.0.0.1", self._port, timeout=10 * PATIENCE)
        self._clients.append(client)
        with suppress(OSError, HTTPException):
            client.request("GET", path)
            answer = client.getresponse()
            answer.read()
            return answer.status
        return NO_ANSWER

    def close(self) -> None:
        """Every client leaves."""
        for client in self._clients:
            client.close()

    def add(self, task: str, name: str, amount: float) -> None:
        """Ask for one innocent task."""
        self.ask(f"/add/{task}/{name}?amount={amount}", name)

    def add_culprit(self, task: str, amount: float = 0.0) -> None:
        self.ask(f"/add/{task}/culprit?amount={amount}")
        self.server.wait_for("began", "culprit")

    def hang_up(self, path: str, name: str) -> None:
        """Ask for an innocent task, and close the connection as soon as the answer has begun."""
        with socket.create_connection(("127.0.0.1", self._port), timeout=10 * PATIENCE) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            self.asked[name] = int(connection.recv(12).split()[1])

    def wait_until_all_began(self) -> None:
        for name in self.asked:
            self.server.wait_for("began", name)

    def where(self, name: str) -> int:
        """The process in which a task has begun last."""
        return int(self.server.witnessed("began", name)[-1][2])

    def count(self, word: str, name: str) -> int:
        return len(self.server.witnessed(word, name))

    def runs_still(self, *names: str) -> bool:
        """Whether one of these tasks has begun in a living process and not ended."""
        ended = [line[1:] for line in self.server.witnessed("ran")]
        begun = [line[1:] for line in self.server.witnessed("began") if line[1] in names]
        return any(is_alive(int(one[1])) for one in begun if one not in ended)


@contextmanager
def running(peer: str, command: list[str], folder: Path, place: Place, pace: Pace) -> Iterator[Running]:
    """The app of a peer in `folder`; ended with all that works there. `command` names its port as `{port}`."""
    shutil.copy(WORK, folder)
    shutil.copy(APPS / "endpoints.py", folder)
    shutil.copy(APPS / PEERS[peer], folder / "main.py")
    port = free_port()
    whole = [*place.before, *(part.format(port=port) for part in command)]
    variables = {**os.environ, "PYTHONUNBUFFERED": "1", **place.variables}
    app = Running(folder, whole, variables, port, pace)
    try:
        yield app
    finally:
        eventually(lambda: not kill_all_in(folder), f"nothing is left in {folder}")
        app.server.wait()
        app.close()
