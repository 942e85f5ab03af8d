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
from itertools import product, starmap
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.cgroups import memory_cgroup
from tests.support.marks import each_started_once, slow
from tests.support.processes import living_in, renew_web_workers, stop_between_transactions, web_workers_of
from tests.support.servers import Server, eventually, serving, start

if TYPE_CHECKING:
    from _pytest.mark import ParameterSet

APP = Path(__file__).with_name("app.py")
UVICORN_WORKER, ASGI, UVICORN = "gunicorn uvicorn_worker", "gunicorn asgi", "uvicorn --workers 2"
TIMEOUT = "6"  # seconds, of gunicorn: less, and on a busy machine a worker is killed before it has imported the app
HEALTHCHECK = "15"  # seconds, of uvicorn: less, and a starved runner has not asked who holds the lock by then
MORE = {
    (UVICORN_WORKER, "asyncio"): ["-t", TIMEOUT],
    (UVICORN_WORKER, "uvloop"): ["-t", TIMEOUT],
    (ASGI, "asyncio"): ["-t", TIMEOUT, "--asgi-loop", "asyncio"],
    (ASGI, "uvloop"): ["-t", TIMEOUT, "--asgi-loop", "uvloop"],
    (UVICORN, "asyncio"): ["--timeout-worker-healthcheck", HEALTHCHECK, "--loop", "asyncio"],
    (UVICORN, "uvloop"): ["--timeout-worker-healthcheck", HEALTHCHECK, "--loop", "uvloop"],
}
OTHER_LOOP = [(UVICORN_WORKER, "asyncio"), (ASGI, "uvloop"), (UVICORN, "asyncio")]
AT_ONCE = {
    UVICORN_WORKER: ["in_c"],
    ASGI: ["in_a_sleep", "in_an_exit"],
    UVICORN: [],
}
"""What `make test` has of the ways."""
WORKERS = {"asyncio": "asyncio_worker.AsyncioWorker", "uvloop": "uvicorn_worker.UvicornWorker"}
ASYNCIO_WORKER = """
from uvicorn_worker import UvicornWorker


class AsyncioWorker(UvicornWorker):
    CONFIG_KWARGS = {"loop": "asyncio", "http": "auto"}
"""
BLOCKS_AT_ONCE = """
from contextlib import asynccontextmanager


@asynccontextmanager
async def lifespan(app):
    loop, file = asyncio.get_running_loop(), Path("next.blocks")
    if file.exists() and not outlast.in_task_process():
        way = file.read_text()
        file.unlink()
        while not list(Path(".outlast").glob(f"web-{os.getpid()}-*.box")):
            await asyncio.sleep(0.01)
        here("culprit")
        if way == "at its start":
            in_a_sleep()
        loop.call_soon(turn, 10)  # first gunicorn has to hear that it is alive
    yield


def turn(left):
    in_c() if not left else asyncio.get_running_loop().call_soon(turn, left - 1)


app = FastAPI(lifespan=lifespan)
"""
TIMED_OUT = f"was killed by gunicorn( with SIGKILL)?, whose timeout is {TIMEOUT} s"
"""With the signal if the runner tells; it may have waited long enough, so that the next web worker does."""
TRIES = 2
COMPUTING = ("in_a_loop", "in_a_regex", "in_c")
WAYS = ("in_a_sleep", "in_a_socket_read", *COMPUTING, "in_a_segfault", "in_an_exit")
CALLS = {"in_a_sleep": r"time\.sleep\(ENOUGH\)", "in_a_socket_read": r"mine\.recv\(1\)", "in_a_loop": r"[^;]*"}
IN_FLIGHT = (
    r"; in flight: .*GET /inline-innocent \([\d.]+ s: cut\); "
    r".*task \w+ main:inline_innocent \([\d.]+ s: cut, not run again: lane inline\)"
)


def blocked(way: str) -> str:
    return rf"blocked for [\d.]+ s by {way} \(main\.py:\d+\) in {CALLS[way]}, for task \w+ main:inline_culprit"


def patience(kind: str) -> str:
    killer, seconds = ("uvicorn", HEALTHCHECK) if kind == UVICORN else ("gunicorn", TIMEOUT)
    signalled = {UVICORN_WORKER: " with SIGABRT", ASGI: " with SIGKILL", UVICORN: " with SIGKILL"}[kind]
    return rf"was killed by {killer}{signalled}, whose timeout is {seconds} s"


AT_A_STANDSTILL = r"(; no thread of it had run Python for [\d.]+ s, and why is not known)?"
"""What is true of one that had no processor when it was killed, since others had them all."""


def expected(way: str, kind: str) -> str:
    """The sentence about the death. uvicorn does not see a blocked loop, so the test has to end that worker."""
    if way in CALLS and kind == UVICORN:
        outside = "was killed by SIGKILL from outside: not by outlast.*; (before, )?"
        return f"{outside}its event loop had been {blocked(way)}"
    if way in CALLS:
        return f"{patience(kind)}: its event loop had been {blocked(way)}"
    if way in ("in_a_regex", "in_c"):
        held = r"the interpreter's lock had been held for (most of )?[\d.]+ s"
        return rf"{patience(kind)}: {held} by {way} \(main\.py:\d+\)[^;]*"
    return {
        "in_a_segfault": r"was killed by SIGSEGV \(Segmentation fault\), in in_a_segfault \(main\.py:\d+\)",
        "in_an_exit": r"exited with status 7 in the middle of its work: something called os\._exit\(\)"
        + AT_A_STANDSTILL,
        "SIGKILL": r"was killed by SIGKILL from outside: not by outlast, and not for want of memory" + AT_A_STANDSTILL,
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
    eventually(file.exists, f"{word}; {server.output}")
    return int(file.read_text())


def forget(server: Server) -> None:
    for word in ("culprit", "innocent", "inline-innocent"):
        (server.folder / f"{word}.here").unlink(missing_ok=True)


def wait_for_sentence(server: Server, sentence: str) -> None:
    try:
        eventually(lambda: re.search(sentence, server.output), sentence, within=30)
    except AssertionError as error:
        raise AssertionError(f"{error}\n{server.output[-4000:]}") from None


def is_met(server: Server, worker: int) -> bool:
    """Whether a runner will hear how a web worker ends: that is in the journal, and the runner has a pidfd of it."""
    return worker in server.living("web") and has_pidfd(server, worker)


def has_pidfd(server: Server, worker: int) -> bool:
    with suppress(OSError):  # of what is closed meanwhile
        runners = [Path(f"/proc/{pid}/fdinfo") for pid in server.living("runner")]
        return any(f"Pid:\t{worker}\n" in one.read_text() for folder in runners for one in folder.iterdir())
    return False


def innocent_in(server: Server) -> int:
    """The pid of a web worker that has an innocent inline task; asked for until it is one that answers.

    All have met the runner, which happens with their first tasks: nobody knows how one ends, or why, that dies before.
    """
    eventually(server.answers, f"it answers; {server.output[-2000:]}", within=30)
    eventually(lambda: are_all_met(server), f"the runner knows all; {server.output[-2000:]}", within=30)
    forget(server)
    server.get("/inline-innocent?seconds=600")
    return reached(server, "inline-innocent")


def are_all_met(server: Server) -> bool:
    """Whether the runner knows all web workers; the next one gets a task."""
    server.get("/innocent?seconds=0")
    return all(is_met(server, worker) for worker in web_workers_of(server))


def told_before(culprit: int, way: str) -> str:
    return rf"event loop of web worker {culprit} has been {blocked(way)}: no request is"


Spent = tuple[int, int]


def spent(pid: int) -> Spent | None:
    """Nanoseconds that a process's first thread had a processor, and stood in line for one (proc(5), schedstat)."""
    with suppress(OSError):
        ran, waited, _ = map(int, Path(f"/proc/{pid}/schedstat").read_text().split())
        return ran, waited
    return None


@dataclass
class Attempt:
    """One web worker that was blocked or ended. `died`: the sentence about that.

    before, after: the culprit had a processor, and stood in line for one, for so many ns: when it began, when it died.
    """

    culprit: int
    kind: str
    way: str
    flights: str
    before: Spent
    after: Spent

    def died(self, server: Server) -> str:
        found = re.search(rf"(?<!its )web worker {self.culprit} (was killed|exited|died) .*", server.output)
        return found[0] if found else ""

    def is_as_expected(self, server: Server) -> bool:
        if self.way in CALLS and not re.search(told_before(self.culprit, self.way), server.output):
            return False
        return bool(re.search(expected(self.way, self.kind) + self.flights, self.died(server)))

    def is_over(self, server: Server) -> bool:
        """Whether its death is told; looks meanwhile how much of a processor it gets."""
        self.after = spent(self.culprit) or self.after
        return bool(self.died(server))

    @property
    def was_starved(self) -> bool:
        """Whether it computed, and stood in line for so long that who held it up was not seen for most of the time."""
        (ran, waited), (ran_before, waited_before) = self.after, self.before
        return self.way in COMPUTING and waited - waited_before > (ran - ran_before) / 2

    def blames_nobody(self, server: Server) -> bool:
        """What is right to say of who was starved."""
        words = "since the machine had no processor for it|no thread of it had run Python for .*, and why is not known"
        words += "|silent for .*, and nobody could see why"
        return bool(re.search(words, self.died(server)))


def attempt(server: Server, kind: str, way: str) -> Attempt:
    """Have a web worker block or end, with an innocent task in flight."""
    worker = innocent_in(server)
    with in_flight(server, f"/inline?way={way}"):
        culprit = reached(server, "culprit")
        flights = IN_FLIGHT if culprit == worker else "; in flight: .*GET /inline"
        began = spent(culprit) or (0, 0)
        made = Attempt(culprit, kind, way, flights, began, began)
        if way in CALLS and kind == UVICORN:
            wait_for_sentence(server, told_before(culprit, way))
            os.kill(culprit, signal.SIGKILL)
        eventually(lambda: made.is_over(server), "its death is told", within=30)
    return made


def under(server: tuple[str, str], way: str) -> ParameterSet:
    is_slow = server in OTHER_LOOP or way not in AT_ONCE[server[0]]
    return pytest.param(server, way, id=f"<{'-'.join(server)}>-{way}", marks=[pytest.mark.slow] if is_slow else [])


@pytest.mark.parametrize(("web", "way"), list(starmap(under, product(MORE, WAYS))), indirect=["web"], scope="module")
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


@pytest.mark.slow
@pytest.mark.parametrize("kind", [UVICORN_WORKER, *slow(ASGI, UVICORN)])
def test_a_worker_that_the_kernel_ended_for_want_of_memory(tmp_path: Path, kind: str) -> None:
    shutil.copy(APP, tmp_path / "main.py")
    more = ("-t", "60") if kind != UVICORN else ()
    with memory_cgroup(700 << 20) as cgroup, serving(kind, tmp_path, *more) as server:
        run_out_of_memory(server, cgroup)


@pytest.mark.slow
def test_a_runner_of_another_memory_cgroup_says_so_too(tmp_path: Path) -> None:
    shutil.copy(APP, tmp_path / "main.py")
    with (
        memory_cgroup(700 << 20) as cgroup,
        serving(UVICORN_WORKER, tmp_path, "-t", "60", OUTLAST_LINGER="600") as server,
    ):
        server.get("/innocent?seconds=0")
        eventually(lambda: server.living("runner"), f"a runner; {server.output}")
        run_out_of_memory(server, cgroup)


def run_out_of_memory(server: Server, cgroup: Path) -> None:
    (cgroup / "cgroup.procs").write_text(str(server.process.pid))  # what it starts from now on is in it
    renew_web_workers(server)
    with in_flight(server, "/block?way=in_too_much_memory"):
        culprit = reached(server, "culprit")
        wait_for_sentence(
            server,
            rf"web worker {culprit} was killed by the kernel since memory had run out \(SIGKILL, and the count of "
            r"OOM kills has risen\).*; in flight: GET /block \([\d.]+ s: cut\)",
        )


@pytest.mark.slow
@pytest.mark.parametrize("kind", [ASGI, UVICORN_WORKER])
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


@pytest.mark.slow
def test_a_worker_that_has_said_nothing_to_the_runner_is_told_of(tmp_path: Path) -> None:
    """It came after one that was killed, and held the lock for longer than a runner that is alone waits for others."""
    with serving_blockers(tmp_path) as server:
        server.get("/innocent?seconds=0")  # so that there is a runner
        first = int(server.get("/ping")[1])
        eventually(lambda: is_met(server, first), f"the runner knows {first}; {server.output[-2000:]}", within=30)
        (tmp_path / "next.blocks").touch()
        os.kill(first, signal.SIGKILL)
        wait_for_sentence(server, rf"web worker {reached(server, 'culprit')} {TIMED_OUT}")


@pytest.mark.slow
def test_a_worker_after_one_that_had_said_nothing_either_is_told_of(tmp_path: Path) -> None:
    """Killed before its hello, the first one had only its black box to tell that somebody comes after it."""
    with serving_blockers(tmp_path) as server:
        first = int(server.get("/ping")[1])
        server.get("/innocent?seconds=0")
        eventually(lambda: living_in(tmp_path, "outlast.runner"), f"a runner begins; {server.output}")
        stop_between_transactions(server, first)
        eventually(lambda: is_met(server, first), f"the runner knows {first}; {server.output[-2000:]}", within=30)
        (tmp_path / "next.blocks").touch()
        os.kill(first, signal.SIGKILL)
        wait_for_sentence(server, rf"web worker {reached(server, 'culprit')} {TIMED_OUT}")


@pytest.mark.slow
def test_what_a_runner_says_while_no_server_is_there_is_told_by_the_next(tmp_path: Path) -> None:
    """It has let go of the first server's log, and the second one's first web worker dies before it says hello."""
    with serving_blockers(tmp_path) as server:
        server.get("/innocent?seconds=0")
        eventually(lambda: server.living("runner"), f"a runner; {server.output}")
        server.stop()
        eventually(lambda: lets_go_of(server.log, server.living("runner")), f"the runner holds no log; {server.output}")
        (tmp_path / "next.blocks").write_text("at its start")
        second = start(ASGI, tmp_path, "-t", "600", OUTLAST_LINGER="600")
        try:
            culprit = reached(second, "culprit")
            eventually(lambda: has_pidfd(second, culprit), f"the runner knows {culprit}; {second.output}")
            os.kill(culprit, signal.SIGKILL)
            wait_for_sentence(second, rf"web worker {culprit} was killed by SIGKILL in the middle of its start-up")
        finally:
            second.kill_everything()


def lets_go_of(log: Path, pids: list[int]) -> bool:
    """Whether none of these processes writes to a log any more."""
    return log not in [Path(f"/proc/{pid}/fd/2").readlink() for pid in pids]


@contextmanager
def serving_blockers(folder: Path) -> Iterator[Server]:
    """A server whose next web worker blocks at once, if there is a file that says so."""
    (folder / "main.py").write_text(APP.read_text().replace("app = FastAPI()", BLOCKS_AT_ONCE))
    with serving(ASGI, folder, "-t", TIMEOUT, OUTLAST_LINGER="600") as server:
        yield server


@pytest.mark.slow
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
