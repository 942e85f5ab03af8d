"""A visitor who asks for a plain page ten times a second, and notes how long there was no answer."""

from __future__ import annotations

import http.client
import threading
import time

EVERY = 0.1  # seconds
PATIENCE = 60.0  # seconds for one answer


class Probe:
    """`hung` is the longest (s) that one request had to wait, `down` the longest that connections were refused."""

    def __init__(self, port: int) -> None:
        self.hung = 0.0
        self.down = 0.0
        self._port = port
        self._refused_since: float | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(EVERY):
            began = time.monotonic()
            try:
                self._ask()
            except ConnectionRefusedError:
                self._refused_since = self._refused_since or began
            except (OSError, http.client.HTTPException):
                self._waited(began)
            else:
                self._waited(began)

    def _ask(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        try:
            connection.request("GET", "/ping")
            connection.getresponse().read()
        finally:
            connection.close()

    def _waited(self, began: float) -> None:
        """A connection was taken at `began`, and is answered or cut now."""
        self.hung = max(self.hung, time.monotonic() - began)
        if self._refused_since is not None:
            self.down = max(self.down, began - self._refused_since)
            self._refused_since = None
