"""Eight clients that ask for everything once, and remember what was answered."""

from __future__ import annotations

import http.client
import queue
import threading
import time
from collections.abc import Sequence
from contextlib import suppress

from tests.soak.plan import Asked

CLIENTS = 8
PATIENCE = 10.0  # seconds for one answer
PAUSE = 0.05  # seconds after a refused connection: the web worker is being replaced


class Clients:
    """`answered` holds the numbers of requests whose 2xx was read to its end."""

    def __init__(self, port: int, plan: Sequence[Asked]) -> None:
        self.answered: set[int] = set()
        self._port = port
        self._todo: queue.SimpleQueue[Asked] = queue.SimpleQueue()
        for asked in plan:
            self._todo.put(asked)
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(CLIENTS)]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    @property
    def are_busy(self) -> bool:
        return any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        with suppress(queue.Empty):
            while True:
                asked = self._todo.get_nowait()
                try:
                    self._ask(connection, asked)
                except (OSError, http.client.HTTPException):
                    connection.close()
                    time.sleep(PAUSE)
        connection.close()

    def _ask(self, connection: http.client.HTTPConnection, asked: Asked) -> None:
        connection.request("GET", f"/{asked.kind}/{asked.number}?seconds={asked.seconds}")
        answer = connection.getresponse()
        if answer.read() and 200 <= answer.status < 300:
            self.answered.add(asked.number)
