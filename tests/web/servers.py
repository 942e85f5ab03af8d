"""Real servers, and clients for them that stay, leave, or open a WebSocket."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Protocol, TypeVar

from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from outlast.web import hook
from tests.support.lines import whole_lines
from tests.support.servers import PATIENCE
from tests.web.recording import Outcome
from tests.web.served import EVENTS, Both

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
PORT = re.compile(r"http://127\.0\.0\.1:(\d+)")
TARGET = "tests.web.served:application"
GUNICORN = [sys.executable, "-m", "gunicorn", "-b", "127.0.0.1:0", "-w", "1", TARGET, "-k"]
SERVERS = {
    "uvicorn": [sys.executable, "-m", "uvicorn", TARGET, "--port", "0"],
    "gunicorn with UvicornWorker": [*GUNICORN, "uvicorn_worker.UvicornWorker"],
    "gunicorn with asgi": [*GUNICORN, "asgi"],
}


class Client(Protocol):
    """Somebody who asks a server."""

    def get(self, path: str) -> int: ...

    def get_and_leave(self, path: str) -> None: ...

    def websocket(self, path: str) -> None: ...


class Server:
    """A server that runs the app, and the file in which the app writes what happens."""

    def __init__(self, client: Client, events: Path, traces: Path) -> None:
        self._client = client
        self._events = events
        self._ran = traces / "ran"

    def get(self, path: str) -> tuple[Outcome, list[str]]:
        """What became of the tasks of one request, and which tasks ran in the web worker."""
        return self._watched(lambda: self._client.get(path))

    def get_and_leave(self, path: str) -> tuple[Outcome, list[str]]:
        """The same with a client that leaves in mid-stream."""
        return self._watched(lambda: self._client.get_and_leave(path))

    def websocket(self, path: str) -> tuple[Outcome, list[str]]:
        """The same with a client that opens a WebSocket, waits for a message, and closes it."""
        return self._watched(lambda: self._client.websocket(path))

    def _watched(self, ask: Callable[[], object]) -> tuple[Outcome, list[str]]:
        events, ran = len(whole_lines(self._events)), len(whole_lines(self._ran))
        ask()

        def ended() -> list[dict[str, Any]]:
            new = [json.loads(line) for line in whole_lines(self._events)[events:]]
            return new if any(event["what"] == "end" for event in new) else []

        return Outcome.of(until(ended, "the call of the app ends")), whole_lines(self._ran)[ran:]


class SocketClient:
    """A client of a server that listens on the loopback."""

    def __init__(self, port: int) -> None:
        self._port = port

    def get(self, path: str) -> int:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=10 * PATIENCE)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            response.read()
            return response.status
        finally:
            connection.close()

    def get_and_leave(self, path: str) -> None:
        with socket.create_connection(("127.0.0.1", self._port), timeout=10 * PATIENCE) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
            connection.recv(65536)

    def websocket(self, path: str) -> None:
        with socket.create_connection(("127.0.0.1", self._port), timeout=10 * PATIENCE) as connection:
            connection.sendall(
                f"GET {path} HTTP/1.1\r\nHost: here\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
            )
            received = b""
            while b"stored" not in received:
                received += connection.recv(65536)
            connection.sendall(b"\x88\x82\x00\x00\x00\x00" + struct.pack(">H", 1000))  # close, mask of zeros
            connection.recv(65536)


class InProcessClient:
    """Starlette's own."""

    def __init__(self, app: Both) -> None:
        self._client = TestClient(app, raise_server_exceptions=False)

    def get(self, path: str) -> int:
        return self._client.get(path).status_code

    def get_and_leave(self, path: str) -> None:
        with self._client.stream("GET", path) as response:
            next(response.iter_raw())

    def websocket(self, path: str) -> None:
        try:
            with self._client.websocket_connect(path) as connection:
                assert connection.receive_text() == "stored"
        except WebSocketDisconnect:
            return


@contextmanager
def started(kind: str, folder: Path) -> Iterator[Server]:
    """A server of that kind, stopped at the end."""
    events, log = folder / "events", folder / "log"
    environment = {**os.environ, EVENTS: str(events), "DOORWAY_TRACES": str(folder)}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), *sys.path])
    with log.open("wb") as output:
        process = subprocess.Popen(SERVERS[kind], cwd=ROOT, env=environment, stdout=output, stderr=output)
    try:
        ports = until(lambda: PORT.findall(log.read_text()), "the server says its port")
        client = SocketClient(int(ports[0]))
        until(lambda: _answers(client), "the server answers")
        until(lambda: '"end"' in "".join(whole_lines(events)), "the call of the app ends")
        yield Server(client, events, folder)
    finally:
        process.send_signal(signal.SIGTERM)
        _ended(process)


@contextmanager
def in_process(folder: Path) -> Iterator[Server]:
    """The same app under TestClient."""
    events = folder / "events"
    before = os.environ.get("DOORWAY_TRACES")
    os.environ["DOORWAY_TRACES"] = str(folder)
    try:
        yield Server(InProcessClient(Both(events)), events, folder)
    finally:
        hook.uninstall()
        del os.environ["DOORWAY_TRACES"]
        if before is not None:
            os.environ["DOORWAY_TRACES"] = before


def until(condition: Callable[[], T], what: str) -> T:
    """The first true value of `condition`."""
    deadline = time.monotonic() + 20 * PATIENCE
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what}: not within {20 * PATIENCE} s"
        time.sleep(0.005)
    return value


def _answers(client: SocketClient) -> bool:
    try:
        return client.get("/plain/none") == 200
    except OSError:
        return False


def _ended(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(10 * PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10 * PATIENCE)
