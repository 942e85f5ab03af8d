"""Real servers with the test app, each in a folder of its own, on a free port of the loopback."""

from __future__ import annotations

import atexit
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from outlast.errors import JournalUnusable
from outlast.journal.read import Record
from outlast.system.liveness import Liveness
from outlast.system.place import Place
from tests.support.history import history_of
from tests.support.lines import whole_lines

APP = Path(__file__).with_name("app.py")
WORK = APP.with_name("work.py")
"""What tasks do that know nothing of outlast."""
PYTHON = sys.executable

PATIENCE = 4
"""So many times longer than a quiet machine may a busy one take: all deadlines of the tests are multiplied by it."""
HEALTHCHECK = ("--timeout-worker-healthcheck", str(5 * PATIENCE))
"""Of uvicorn with several web workers: after 5 s, its default, it kills who is slow and gives up those that start."""

KINDS: dict[str, Sequence[str]] = {
    "uvicorn": ["-m", "uvicorn", "main:app", "--port", "{port}"],
    "uvicorn --workers 2": ["-m", "uvicorn", "main:app", "--port", "{port}", "--workers", "2", *HEALTHCHECK],
    "uvicorn --reload": ["-m", "uvicorn", "main:app", "--port", "{port}", "--reload"],
    "uvicorn --factory": ["-m", "uvicorn", "main:build", "--factory", "--port", "{port}"],
    "gunicorn uvicorn_worker": [
        *("-m", "gunicorn", "-b", "127.0.0.1:{port}", "-w", "1", "-k", "uvicorn_worker.UvicornWorker", "main:app")
    ],
    "gunicorn asgi": ["-m", "gunicorn", "-b", "127.0.0.1:{port}", "-w", "1", "-k", "asgi", "main:app"],
    "gunicorn --preload": [
        *("-m", "gunicorn", "-b", "127.0.0.1:{port}", "-w", "2", "--preload"),
        *("-k", "uvicorn_worker.UvicornWorker", "main:app"),
    ],
    "gunicorn build()": [
        *("-m", "gunicorn", "-b", "127.0.0.1:{port}", "-w", "1", "-k", "uvicorn_worker.UvicornWorker", "main:build()")
    ],
    "uvicorn mounted": ["-m", "uvicorn", "main:root", "--port", "{port}"],
    "gunicorn mounted": [
        *("-m", "gunicorn", "-b", "127.0.0.1:{port}", "-w", "1", "-k", "uvicorn_worker.UvicornWorker", "main:root")
    ],
    "python main.py": ["main.py"],
    "fastapi run": ["-m", "fastapi", "run", "main.py", "--host", "127.0.0.1", "--port", "{port}"],
}
WITH_OTHER_FILES: dict[str, Sequence[str]] = {
    "uvicorn admin": ["-m", "uvicorn", "admin:app", "--port", "{port}"],
    "uvicorn main:served": ["-m", "uvicorn", "main:served", "--port", "{port}"],
}
"""Of what the test app has not: a test writes it."""
OWN_NAMESPACE = ("unshare", "-pf", "--kill-child", "--mount-proc", *(() if os.geteuid() == 0 else ("-r",)))
"""Before a command that shall be process 1, as in a container."""
SURROUNDINGS = {"PYTHONUNBUFFERED": "1", "OUTLAST_STORE_DEADLINE": "9", "OUTLAST_SPARES": "0"}
"""Of each server: a busy machine shall not be taken for a journal in trouble, and no process starts to do nothing."""
WITH_SPARE = {"OUTLAST_SPARES": "1"}
"""As it is by default: for tests of which processes there are, and of how all of them end."""
_RESERVED: list[socket.socket] = []


@atexit.register
def _give_back() -> None:
    for one in _RESERVED:
        one.close()


def eventually(holds: Callable[[], object], what: str, within: float = 20.0) -> None:
    """Wait until `holds()` is true; fail with `what` after `within` seconds of a quiet machine.

    It is asked the less often the longer it has taken: who asks 100 times a second takes a core from what it waits for.
    """
    began = time.monotonic()
    while not holds():
        waited = time.monotonic() - began
        assert waited < within * PATIENCE, f"not within {within * PATIENCE:g} s: {what}"
        time.sleep(min(max(0.01, waited / 20), 0.1))


def free_port() -> int:
    """A port that is given to nobody else while these tests run, be it by their side or by the kernel.

    It stays bound by a socket that does not listen: with SO_REUSEADDR, as servers have it, one may be bound beside it.
    """
    reserved = socket.socket()
    reserved.bind(("127.0.0.1", 0))
    reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    _RESERVED.append(reserved)
    return int(reserved.getsockname()[1])


def is_alive(pid: int) -> bool:
    """Whether a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@dataclass
class Server:
    """A running server; `output` holds all it and its runner have printed."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes]
    journal: Path = field(init=False)
    log: Path = field(init=False)

    def __post_init__(self) -> None:
        self.journal = self.folder / ".outlast" / "journal.db"
        self.log = self.folder / "output.log"

    def get(self, path: str, timeout: float = 10.0) -> tuple[int, str]:
        """One request on a connection of its own; (status, body)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout * PATIENCE)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        finally:
            connection.close()

    def add(self, task: str, name: str, seconds: float | None = None) -> int:
        """Have the app add a task; returns the web worker's pid."""
        query = "" if seconds is None else f"?seconds={seconds}"
        status, body = self.get(f"/add/{task}/{name}{query}")
        assert status == 200, body
        return int(body)

    def begin(self, task: str, name: str, seconds: float | None = None) -> int:
        """Have the app add a task, and wait until it has begun; returns the pid of its process."""
        self.add(task, name, seconds)
        return int(self.wait_for("began", name)[2])

    def begin_all(self, tasks: Mapping[str, str], seconds: float | None = None) -> None:
        """The same with a task for each name, side by side."""
        for name, task in tasks.items():
            self.add(task, name, seconds)
        for name in tasks:
            self.wait_for("began", name)

    def answers(self) -> bool:
        with suppress(OSError, http.client.HTTPException):
            return self.get("/ping", timeout=2.0)[0] == 200
        return False

    def answers_from(self, worker: int) -> bool:
        """Whether the process `worker` still answers."""
        with suppress(OSError, http.client.HTTPException):
            return self.get("/ping", timeout=2.0)[1] == str(worker)
        return False

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace")

    def tell(self, name: str) -> None:
        """Let the task of this name, which runs `until_told`, end."""
        (self.folder / f"{name}.told").touch()

    def witnessed(self, *words: str) -> list[list[str]]:
        """The lines that tasks have left, as words, that begin with `words`."""
        lines = [line.split() for line in whole_lines(self.folder / "witness.log")]
        return [line for line in lines if line[: len(words)] == list(words)]

    def times(self, word: str) -> Counter[str]:
        """How often each task has left a line that begins with `word`, by its name."""
        return Counter(line[1] for line in self.witnessed(word))

    def wait_for(self, *words: str, within: float = 20.0) -> list[str]:
        """The first line that begins with `words`, once it is there."""
        eventually(lambda: self.witnessed(*words), f"{words} in {self.witnessed()}\n{self.output}", within)
        return self.witnessed(*words)[0]

    def asked(self, path: str) -> str:
        """The id of the task that a request has asked for, as its answer tells it."""
        status, body = self.get(path)
        assert status == 200, body
        return str(json.loads(body)["id"])

    def record(self, task: str) -> Record:
        """What the journal has of a task, by its id."""
        return history_of(self.journal).task(task)

    def records(self) -> list[Record]:
        try:
            return history_of(self.journal).tasks(limit=100_000)
        except JournalUnusable:
            return []

    def living(self, kind: str) -> list[int]:
        """Pids of the processes of a kind that the kernel says are alive, as this namespace counts them."""
        present = history_of(self.journal).summary(0.0).processes
        liveness = Liveness(Place.of(self.journal))
        return [pid for one in present if one.kind == kind and (pid := liveness.holder(one.id))]

    def tells_of_a_stall(self) -> bool:
        """Whether it has said that a loop stood still, by whom or, where the watch got no processor either, that."""
        return "has been blocked for" in self.output or "has been silent for" in self.output

    def all_settled(self) -> bool:
        states = [record.state for record in self.records()]
        return bool(states) and not {"held", "waiting", "running"} & set(states)

    def stop(self) -> None:
        """SIGTERM to the server's main process, and wait for its end."""
        self.process.send_signal(signal.SIGTERM)
        self.wait()

    def wait(self) -> None:
        """Until the server's main process has ended."""
        self.process.wait(15 * PATIENCE)

    def kill_everything(self) -> None:
        """SIGKILL to whatever belongs to this server, as when a machine goes down."""
        pids = [self.process.pid, *descendants(self.process.pid)]
        with suppress(JournalUnusable):
            pids += [pid for kind in ("web", "runner", "child") for pid in self.living(kind)]
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.wait()
        eventually(lambda: not any(map(is_alive, pids)), "all processes are gone")


def descendants(pid: int) -> list[int]:
    """Children of a process, and theirs."""
    try:
        children = [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return [*children, *(below for child in children for below in descendants(child))]


def lay_out(folder: Path, more: str = "") -> Path:
    """The app of the tests as `main.py` in a folder of its own, with `more` behind it."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(APP, folder / "main.py")
    with (folder / "main.py").open("a") as app:
        app.write(more)
    return folder


@contextmanager
def serving(kind: str, folder: Path, *more: str, **environment: str) -> Iterator[Server]:
    """A server of a kind in KINDS, `more` arguments and variables; ended with all that belongs to it."""
    if not (folder / "main.py").exists():
        lay_out(folder)
    server = start(kind, folder, *more, **environment)
    try:
        eventually(server.answers, f"the server answers; it printed {server.output}")
        yield server
    finally:
        if server.process.poll() is None:
            server.kill_everything()
        end_what_is_left(server)


def start(kind: str, folder: Path, *more: str, **environment: str) -> Server:
    """Start a server without waiting for it."""
    with (folder / "output.log").open("ab") as output:
        return launch(kind, folder, output, more, environment)


def launch(kind: str, folder: Path, output: IO[bytes], more: Sequence[str], environment: Mapping[str, str]) -> Server:
    """Start a server that writes to `output`. A kind that ends in `as PID 1` gets a pid namespace."""
    port = free_port()
    plain = kind.removesuffix(" as PID 1")
    before = () if plain == kind else OWN_NAMESPACE
    command = [*before, PYTHON, *(part.format(port=port) for part in (KINDS | WITH_OTHER_FILES)[plain]), *more]
    variables = {**os.environ, **SURROUNDINGS, "XDG_RUNTIME_DIR": str(folder), "PORT": str(port), **environment}
    process = subprocess.Popen(command, cwd=folder, env=variables, stdout=output, stderr=output)
    return Server(folder, port, process)


def end_what_is_left(server: Server) -> None:
    """Nobody outlives its test, also not a web worker that its master had just forked when that was killed."""
    from tests.support.processes import kill, living_in

    for pid in living_in(server.folder, "unicorn"):
        kill(pid)
    with suppress(JournalUnusable, FileNotFoundError):
        for kind in ("runner", "child", "web"):
            for pid in server.living(kind):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
