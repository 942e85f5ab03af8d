"""Programs of the bench and real servers, run at a place; and what the kernel tells about a process."""

from __future__ import annotations

import http.client
import json
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.harness.place import Place, eventually


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    place: Place
    port: int
    pid: int

    def get(self, path: str) -> str:
        """One request on a connection of its own; its body. Raises RuntimeError unless it is answered 200."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read().decode()
        finally:
            connection.close()
        if answer.status != 200:
            raise RuntimeError(f"{path} was answered {answer.status}: {body}")
        return body

    def answers(self) -> bool:
        """Whether it is up."""
        with suppress(OSError, http.client.HTTPException):
            return bool(self.get("/"))
        return False

    def load(self, path: str, *options: str) -> dict[str, Any]:
        """What a client process measured."""
        report: dict[str, Any] = run_program(self.place, "bench.programs.load", str(self.port), path, *options)
        return report


@contextmanager
def serving(place: Place, arguments: Sequence[str], **environment: str) -> Iterator[Server]:
    """`python -m` something on a free port (`{port}` in its arguments), until the block ends."""
    port = free_port()
    command = [sys.executable, "-m", *(part.format(port=port) for part in arguments)]
    with (place.folder / "server.log").open("ab") as output:
        process = subprocess.Popen(
            command, cwd=place.folder, env={**place.environment, **environment}, stdout=output, stderr=output
        )
    server = Server(place, port, process.pid)
    try:
        eventually(lambda: process.poll() is not None or server.answers(), f"{arguments[0]} answers")
        if process.poll() is not None:
            raise RuntimeError((place.folder / "server.log").read_text(errors="replace"))
        yield server
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def uvicorn(app: str) -> list[str]:
    """uvicorn with one worker. No access log: it would slow down both sides, and flatter the slower one."""
    return ["uvicorn", app, "--port", "{port}", "--no-access-log", "--log-level", "info"]


def run_program(place: Place, module: str, *arguments: str, **environment: str) -> Any:
    """The JSON that `python -m module` prints. Raises RuntimeError with its output when it fails."""
    command = [sys.executable, "-m", module, *arguments]
    variables = {**place.environment, **environment}
    with (place.folder / "program.log").open("ab") as errors:
        done = subprocess.run(
            command, cwd=place.folder, env=variables, stdout=subprocess.PIPE, stderr=errors, check=False
        )
    if done.returncode:
        raise RuntimeError((place.folder / "program.log").read_text(errors="replace"))
    return json.loads(done.stdout)


def free_port() -> int:
    """A port of the loopback that nobody has now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def cpu_seconds(pid: int) -> float:
    """Seconds that the living threads of a process have run so far; finer than the ticks of its times."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text().split()[0]) for thread in threads) / 1e9


def cpu_by_kind(place: Place, web: int) -> dict[str, float]:
    """The same for the process that adds tasks (pid `web`), the runner, the children."""
    pids = {"web": [web]}
    if place.journal.exists():
        pids |= {kind: place.living(kind) for kind in ("runner", "child")}
    return {kind: sum(map(cpu_seconds, those)) for kind, those in pids.items()}


def resident_megabytes(pid: int) -> float:
    """Its memory, shared pages included."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))
