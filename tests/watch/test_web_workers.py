"""Every way to block or end a web worker, under each server and on both event loops: what the survivor says of it."""

from __future__ import annotations

import http.client
import os
import re
import shutil
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.cgroups import memory_cgroup
from tests.support.marks import each_started_once, slow
from tests.support.servers import Server, descendants, eventually, is_alive, serving

APP = Path(__file__).with_name("app.py")
UVICORN_WORKER, ASGI, UVICORN = "gunicorn uvicorn_worker", "gunicorn asgi", "uvicorn --workers 2"
TIMEOUT = "6"  # seconds, of gunicorn: less, and on a busy machine a worker is killed before it has imported the app
MORE = {
    (UVICORN_WORKER, "asyncio"): ["-t", TIMEOUT],
    (UVICORN_WORKER, "uvloop"): ["-t", TIMEOUT],
    (ASGI, "asyncio"): ["-t", TIMEOUT, "--asgi-loop", "asyncio"],
    (ASGI, "uvloop"): ["-t", TIMEOUT, "--asgi-loop", "uvloop"],
    (UVICORN, "asyncio"): ["--loop", "asyncio"],
    (UVICORN, "uvloop"): ["--loop", "uvloop"],
}
OTHER_LOOP = [(UVICORN_WORKER, "asyncio"), (ASGI, "uvloop"), (UVICORN, "asyncio")]
WORKERS = {"asyncio": "asyncio_worker.AsyncioWorker", "uvloop": "uvicorn_worker.UvicornWorker"}
ASYNCIO_WORKER = """
from uvicorn_worker import UvicornWorker


class AsyncioWorker(UvicornWorker):
    CONFIG_KWARGS = {"loop": "asyncio", "http": "auto"}
"""
TRIES = 2
COMPUTING = ("in_a_loop", "in_a_regex", "in_c")
CALLS = {"in_a_sleep": r"time\.sleep\(ENOUGH\)", "in_a_socket_read": r"mine\.recv\(1\)", "in_a_loop": r"[^;]*"}
IN_FLIGHT = (
    r"; in flight: .*GET /inline-innocent \([\d.]+ s: cut\); "
    r".*task \w+ main:inline_innocent \([\d.]+ s: cut, not run again: lane inline\)"
)


def blocked(way: str) -> str:
    return rf"blocked for [\d.]+ s by {way} \(main\.py:\d+\) in {CALLS[way]}, for task \w+ main:inline_culprit"


def patience(kind: str) -> str:
    killer, seconds = ("uvicorn", "5") if kind == UVICORN else ("gunicorn", TIMEOUT)
    signalled = {UVICORN_WORKER: " with SIGABRT", ASGI: " with SIGKILL", UVICORN: " with SIGKILL"}[kind]
    return rf"was killed by {killer}{signalled}, whose timeout is {seconds} s"


def expected(way: str, kind: str) -> str:
    """The sentence about the death. uvicorn does not see a blocked loop, so the test has to end that worker."""
    if way in CALLS and kind == UVICORN:
        return r"was killed by SIGKILL from outside: not by outlast.*; its event loop had been " + blocked(way)
    if way in CALLS:
        return f"{patience(kind)}: its event loop had been {blocked(way)}"
    if way in ("in_a_regex", "in_c"):
        return rf"{patience(kind)}: the interpreter's lock had been held for [\d.]+ s by {way} \(main\.py:\d+\)[^;]*"
    return {
        "in_a_segfault": r"was killed by SIGSEGV \(Segmentation fault\), in in_a_segfault \(main\.py:\d+\)",
        "in_an_exit": r"exited with status 7 in the middle of its work: something called os\._exit\(\)",
        "SIGKILL": r"was killed by SIGKILL from outside: not by outlast, and not for want of memory",
    }[way]


def run_web(tmp_path: Path, kind: str, loop: str) -> Iterator[Server]:
    shutil.copy(APP, tmp_path / "main.py")
    (tmp_path / "asyncio_worker.py").write_text(ASYNCIO_WORKER)
    more = list(MORE[kind, loop])
    if kind == UVICORN_WORKER:
        more += ["-k", WORKERS[loop]]
    with serving(kind, tmp_path, *more, OUTLAST_LINGER="600") as server:  # while the next web worker starts
        server.get("/innocent?seconds=0")  # so that there is a runner
        eventually(lambda: server.living("runner"), f"a runner; {server.output}")
        yield server


@pytest.fixture(scope="module", params=each_started_once(MORE, slow=OTHER_LOOP))
def web(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, str]]:
    kind, loop = request.param
    for server in run_web(tmp_path_factory.mktemp("watch"), kind, loop):
        yield server, kind


@contextmanager
def in_flight(server: Server, path: str) -> Iterator[None]:
    """A request that nobody waits for."""
    thread = threading.Thread(target=asked, args=(server, path), daemon=True)
    thread.start()
    yield
    thread.join(20)


def asked(server: Server, path: str) -> None:
    with suppress(OSError, http.client.HTTPException):
        server.get(path, timeout=20)


def reached(server: Server, word: str) -> int:
    """The pid of the process that has come to this point of the app."""
    file = server.folder / f"{word}.here"
    eventually(lambda: file.exists() and file.read_text(), f"{word}; {server.output}")
    return int(file.read_text())


def forget(server: Server) -> None:
    for word in ("culprit", "innocent"):
        (server.folder / f"{word}.here").unlink(missing_ok=True)


def wait_for_sentence(server: Server, sentence: str) -> None:
    try:
        eventually(lambda: re.search(sentence, server.output), sentence, within=30)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{server.output[-4000:]}") from None


def is_met(server: Server, worker: int) -> bool:
    """Whether a runner will hear how a web worker ends: that is in the journal, and the runner has a pidfd of it."""
    runners = [Path(f"/proc/{pid}/fdinfo") for pid in server.living("runner")]
    with suppress(OSError):  # of what is closed meanwhile
        infos = [one.read_text() for folder in runners for one in folder.iterdir()]
        return worker in server.living("web") and any(f"Pid:\t{worker}\n" in info for info in infos)
    return False


def innocent_in(server: Server) -> int:
    """The pid of a web worker that has an innocent inline task; asked for until it is one that answers.

    It has met the runner, which happens beside its first requests: nobody knows how one ends that dies before.
    """
    eventually(server.answers, f"it answers; {server.output[-2000:]}", within=30)
    forget(server)
    server.get("/inline-innocent?seconds=600")
    worker = reached(server, "innocent")
    eventually(lambda: is_met(server, worker), f"the runner knows {worker}; {server.output[-2000:]}", within=30)
    return worker


def told_before(culprit: int, way: str) -> str:
    return rf"event loop of web worker {culprit} has been {blocked(way)}: no request is"


@dataclass
class Attempt:
    """One web worker that was blocked or ended. `died`: the sentence about that; `ran`, `waited`: for a processor."""

    culprit: int
    kind: str
    way: str
    flights: str
    ran: int = 0
    waited: int = 0

    def died(self, server: Server) -> str:
        found = re.search(rf"(?<!its )web worker {self.culprit} (was killed|exited|died) .*", server.output)
        return found[0] if found else ""

    def is_as_expected(self, server: Server) -> bool:
        if self.way in CALLS and not re.search(told_before(self.culprit, self.way), server.output):
            return False
        return bool(re.search(expected(self.way, self.kind) + self.flights, self.died(server)))

    def is_over(self, server: Server) -> bool:
        """Whether its death is told; looks meanwhile how much of a processor it gets (proc(5), schedstat)."""
        with suppress(OSError):
            self.ran, self.waited = map(int, Path(f"/proc/{self.culprit}/schedstat").read_text().split()[:2])
        return bool(self.died(server))

    @property
    def was_starved(self) -> bool:
        """Whether it computed, and the machine gave it less of a processor than it needs to be found out in time."""
        return self.way in COMPUTING and self.waited > self.ran

    def blames_nobody(self, server: Server) -> bool:
        """What is right to say of who was starved."""
        words = "since the machine had no processor for it|no thread of it had run Python for .*, and why is not known"
        return bool(re.search(words, self.died(server)))


def attempt(server: Server, kind: str, way: str) -> Attempt:
    """Have a web worker block or end, with an innocent task in flight."""
    worker = innocent_in(server)
    with in_flight(server, f"/inline?way={way}"):
        culprit = reached(server, "culprit")
        made = Attempt(culprit, kind, way, IN_FLIGHT if culprit == worker else "; in flight: .*GET /inline")
        if way in CALLS and kind == UVICORN:
            wait_for_sentence(server, told_before(culprit, way))
            os.kill(culprit, signal.SIGKILL)
        eventually(lambda: made.is_over(server), "its death is told", within=30)
    return made


@pytest.mark.parametrize("way", [*CALLS, "in_a_regex", "in_c", "in_a_segfault", "in_an_exit"])
def test_the_survivor_says_who_did_it_and_what_was_in_flight(web: tuple[Server, str], way: str) -> None:
    """Who computes and was starved meanwhile tries again; where there is no processor to be had, nobody is blamed."""
    server, kind = web
    made = attempt(server, kind, way)
    for _ in range(TRIES):
        if made.is_as_expected(server) or not made.was_starved:
            break
        made = attempt(server, kind, way)
    is_excused = made.was_starved and made.blames_nobody(server)
    assert is_excused or made.is_as_expected(server), f"{made}\n{server.output[-4000:]}"


def test_the_survivor_says_what_was_in_flight_when_a_worker_was_killed(web: tuple[Server, str]) -> None:
    server, kind = web
    worker = innocent_in(server)
    os.kill(worker, signal.SIGKILL)
    wait_for_sentence(server, rf"web worker {worker} {expected('SIGKILL', kind)}{IN_FLIGHT}")


def workers_of(server: Server) -> list[int]:
    """What the server's main process has started, but for multiprocessing's own helper."""
    below = descendants(server.process.pid)
    return [pid for pid in below if b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes()]


@pytest.mark.parametrize("kind", [UVICORN_WORKER, *slow(ASGI, UVICORN)])
def test_a_worker_that_the_kernel_ended_for_want_of_memory(tmp_path: Path, kind: str) -> None:
    shutil.copy(APP, tmp_path / "main.py")
    more = ("-t", "60") if kind != UVICORN else ()
    with memory_cgroup(700 << 20) as cgroup, serving(kind, tmp_path, *more) as server:
        (cgroup / "cgroup.procs").write_text(str(server.process.pid))  # what it starts from now on is in it
        old = workers_of(server)
        os.kill(server.process.pid, signal.SIGHUP)  # such as other web workers
        eventually(lambda: not any(map(is_alive, old)) and server.answers(), f"others answer; {server.output}")
        with in_flight(server, "/block?way=in_too_much_memory"):
            culprit = reached(server, "culprit")
            wait_for_sentence(
                server,
                rf"web worker {culprit} was killed by the kernel since memory had run out \(SIGKILL, and the count of "
                r"OOM kills has risen\).*; in flight: GET /block \([\d.]+ s: cut\)",
            )


@pytest.mark.parametrize("kind", [ASGI, *slow(UVICORN_WORKER)])
def test_without_a_single_task_the_next_worker_says_it(tmp_path: Path, kind: str) -> None:
    shutil.copy(APP, tmp_path / "main.py")
    with serving(kind, tmp_path, "-t", TIMEOUT) as server, in_flight(server, "/block?way=in_a_sleep"):
        culprit = reached(server, "culprit")
        wait_for_sentence(
            server,
            rf"web worker {culprit} was killed by gunicorn, whose timeout is {TIMEOUT} s: its event loop had been "
            r"blocked for [\d.]+ s by in_a_sleep \(main.py:\d+\) in time.sleep\(ENOUGH\), for GET /block; "
            r"in flight: GET /block",
        )


def test_a_handler_in_a_thread_that_holds_the_lock_is_named(tmp_path: Path) -> None:
    shutil.copy(APP, tmp_path / "main.py")
    path = "/block-in-a-thread?way=in_a_regex"
    with serving(UVICORN_WORKER, tmp_path, "-t", TIMEOUT) as server, in_flight(server, path):
        culprit = reached(server, "culprit")
        wait_for_sentence(
            server,
            rf"web worker {culprit} was killed by gunicorn, whose timeout is {TIMEOUT} s: the interpreter's lock had "
            r"been held for [\d.]+ s by in_a_regex \(main.py:\d+\)",
        )
