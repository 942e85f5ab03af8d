"""A server whose output is captured by a pipe, as in `x=$(server)`."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.processes import kill_all_in
from tests.support.servers import Server, eventually, launch, lay_out


@dataclass(frozen=True)
class Capture:
    """A server and the process that reads what it prints, until nobody is left who could print."""

    server: Server
    reader: subprocess.Popen[bytes]

    def is_over(self) -> bool:
        """Whether `x=$(server)` would have returned."""
        return self.reader.poll() is not None


@contextmanager
def captured(kind: str, folder: Path, *more: str, **environment: str) -> Iterator[Capture]:
    """A server in `folder` that answers and writes into a pipe; ended with all that works in its folder."""
    if not (folder / "main.py").exists():
        lay_out(folder)
    capture = start_captured(kind, folder, *more, **environment)
    try:
        eventually(capture.server.answers, f"the server answers; it printed {capture.server.output}")
        yield capture
    finally:
        end(capture)


def end(capture: Capture) -> None:
    """End all that works in its folder, also what was being started meanwhile."""
    folder = capture.server.folder
    eventually(lambda: not kill_all_in(folder) and capture.is_over(), f"nothing is left in {folder}")
    capture.server.wait()


def start_captured(kind: str, folder: Path, *more: str, **environment: str) -> Capture:
    """The same, without waiting for it."""
    log = folder / f"output-{len(list(folder.glob('output-*')))}.log"
    with log.open("wb") as copy:
        reader = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=copy)
    assert reader.stdin is not None
    with reader.stdin as pipe:
        server = launch(kind, folder, pipe, more, environment)
    server.log = log
    return Capture(server, reader)
