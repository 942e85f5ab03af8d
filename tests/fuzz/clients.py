"""Clients that send raw bytes, and remember what was answered."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from tests.fuzz.odd import Request

CLIENTS = 6
PATIENCE = 30.0  # seconds for one answer


class Clients:
    """Ask for one request after the other until `until()`; `answers` has the status by number, 0 for none."""

    def __init__(self, port: int, make: Callable[[int], Request], until: Callable[[int], bool]) -> None:
        self.answers: dict[int, int] = {}
        self.asked: dict[int, str] = {}
        self._port = port
        self._make = make
        self._until = until
        self._numbers = itertools.count(1)
        self._threads = [threading.Thread(target=self._work) for _ in range(CLIENTS)]

    def run(self) -> None:
        """Returns when all have come to their end."""
        for thread in self._threads:
            thread.start()
        for thread in self._threads:
            thread.join()

    def _work(self) -> None:
        while not self._until(number := next(self._numbers)):
            request = self._make(number)
            self.asked[number] = request.door
            self.answers[number] = status_of(self._port, request.raw)


def status_of(port: int, raw: bytes) -> int:
    """The status of the answer to these bytes; 0 when the connection ends without one."""
    with (
        suppress(OSError, ValueError, IndexError),
        socket.create_connection(("127.0.0.1", port), PATIENCE) as connection,
    ):
        connection.sendall(raw)
        answer = connection.recv(4096)
        return int(answer.split(b" ", 2)[1])
    return 0


def latency(port: int, times: int = 200) -> float:
    """The median of a plain request (s), on connections of their own."""
    taken = []
    for _ in range(times):
        began = time.perf_counter()
        assert status_of(port, b"GET /ping HTTP/1.1\r\nhost: x\r\n\r\n") == 200
        taken.append(time.perf_counter() - began)
    return sorted(taken)[times // 2]
