"""A visitor who asks for a plain page ten times a second, and notes how long there was no answer."""

from __future__ import annotations

import http.client
import threading
import time

from tests.support.servers import is_alive

EVERY = 0.1  # seconds between two requests
LOOK = 0.02  # seconds between two looks whether the web worker lives
PATIENCE = 60.0  # seconds for one answer


class Probe:
    """Times in seconds.

    hung: the longest that one request waited while the web worker that had answered before it was alive;
    away: the longest that there was no answer since that worker was dead, or connections were refused.
    """

    def __init__(self, port: int) -> None:
        self.hung = 0.0
        self.away = 0.0
        self._port = port
        self._worker = 0
        self._died_at: float | None = None
        self._away_since: float | None = None
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._visit, self._watch)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(LOOK):
            worker = self._worker
            if worker and not is_alive(worker) and self._died_at is None:
                self._died_at = time.monotonic()

    def _visit(self) -> None:
        while not self._stop.wait(EVERY):
            began = time.monotonic()
            try:
                worker = self._ask()
            except ConnectionRefusedError:
                self._is_away_since(began)
            except (OSError, http.client.HTTPException):  # it was cut
                self._waited(began)
            else:
                self._waited(began)
                self._is_back(worker)

    def _ask(self) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        try:
            connection.request("GET", "/ping")
            return int(connection.getresponse().read())
        finally:
            connection.close()

    def _waited(self, began: float) -> None:
        """A request of `began` is over now; when its web worker died meanwhile, it hung until then."""
        until = time.monotonic()
        if self._died_at is not None:
            until = self._died_at
            self._is_away_since(max(began, until))
        self.hung = max(self.hung, until - began)

    def _is_away_since(self, moment: float) -> None:
        if self._away_since is None:
            self._away_since = moment

    def _is_back(self, worker: int) -> None:
        if self._away_since is not None:
            self.away = max(self.away, time.monotonic() - self._away_since)
        self._worker, self._died_at, self._away_since = worker, None, None
