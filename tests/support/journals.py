"""What tests do to a journal's files, and what they ask of a server whose journal is in trouble."""

from __future__ import annotations

import http.client
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import apsw

from tests.support.servers import PATIENCE, Server

SIDES = ("", "-wal", "-shm")


def answer_to_a_task(server: Server, name: str) -> tuple[int, str | None]:
    """Have a task added: status and Retry-After."""
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=10 * PATIENCE)) as connection:
        connection.request("GET", f"/add/ok/{name}")
        answer = connection.getresponse()
        answer.read()
        return answer.status, answer.getheader("Retry-After")


def takes_tasks(server: Server, name: str) -> bool:
    """Whether a task is accepted, as a person tries it who waits for the end of the trouble."""
    return answer_to_a_task(server, name)[0] == 200


def files_of(journal: Path, sides: Sequence[str] = SIDES) -> list[Path]:
    """Those of a journal's files that are there."""
    return [file for side in sides if (file := Path(f"{journal}{side}")).exists()]


def overwrite(file: Path) -> None:
    """Noise in the place of what was there, as much of it as before."""
    with file.open("r+b", buffering=0) as opened:
        opened.write(os.urandom(file.stat().st_size))


def truncate(file: Path) -> None:
    """Nothing in the place of what was there."""
    os.truncate(file, 0)


def is_sound(journal: Path) -> bool:
    """Whether SQLite finds nothing wrong with a journal."""
    with closing(apsw.Connection(str(journal), flags=apsw.SQLITE_OPEN_READONLY)) as connection:
        return str(connection.pragma("integrity_check")) == "ok"


class Clients:
    """Clients that add tasks as fast as they can, whoever dies meanwhile; `accepted` are those answered 200."""

    def __init__(self, server: Server, prefix: str) -> None:
        self.accepted: list[str] = []
        self._server = server
        self._prefix = prefix
        self._counted = 0
        self._over = threading.Event()

    @contextmanager
    def at_work(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._add, args=(f"{self._prefix}-{number}",)) for number in range(4)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join()

    def have_been_answered(self, more: int) -> bool:
        """Whether so many more tasks have been accepted since this was last true."""
        if len(self.accepted) - self._counted < more:
            return False
        self._counted = len(self.accepted)
        return True

    def _add(self, name: str) -> None:
        number = 0
        while not self._over.is_set():
            number += 1
            with suppress(OSError, http.client.HTTPException):
                if takes_tasks(self._server, f"{name}-{number}"):
                    self.accepted.append(f"{name}-{number}")
