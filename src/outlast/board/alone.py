"""A dashboard that is served by itself, for who sits at this machine: its address has a key in it."""

from __future__ import annotations

import socket
import webbrowser
from typing import TYPE_CHECKING

from outlast.board.board import board
from outlast.board.guard import Gate
from outlast.board.key import Key
from outlast.errors import ExtraMissing, OutlastError
from outlast.events import board as words
from outlast.settings.settings import Settings

if TYPE_CHECKING:
    from starlette.types import ASGIApp
    from uvicorn import Server

HOST = "127.0.0.1"


class Alone:
    """That of one journal. It listens from the beginning: whoever reads its address may ask at once.

    address: where a browser finds it.
    """

    def __init__(self, settings: Settings, port: int = 0, *, is_read_only: bool = False) -> None:
        """Port 0: any that is free. Raises ExtraMissing without jinja2 or uvicorn, OutlastError without the port."""
        key = Key()
        self._server = _server(board(lambda: settings, Gate(key, lambda: False), is_read_only=is_read_only))
        self._listening = _bound(port)
        self.address = key.address(self._listening.getsockname()[1])

    def serve(self) -> None:
        """Until Ctrl-C; in another thread than the first: until `stop`."""
        self._server.run(sockets=[self._listening])

    def stop(self) -> None:
        """Let `serve` return. From any thread."""
        self._server.should_exit = True

    def open(self) -> bool:
        """Show it in the browser; False where none is found."""
        return webbrowser.open(self.address)


def _server(app: ASGIApp) -> Server:
    """Raises ExtraMissing without uvicorn."""
    try:
        from uvicorn import Config, Server
    except ImportError:
        raise ExtraMissing(words.NEEDS_UVICORN) from None
    return Server(Config(app, lifespan="off", log_level="warning"))


def _bound(port: int) -> socket.socket:
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((HOST, port))
        listening.listen()
    except OSError as error:
        raise OutlastError(f"port {port} of {HOST} cannot be had: {error.strerror}") from None
    return listening
