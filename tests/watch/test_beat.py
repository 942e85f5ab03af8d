"""Real event loops that stand still, asyncio's and uvloop's, each in a process: who is named, and who is not."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.lines import line_of, whole_lines
from tests.support.processes import hold_still, kill
from tests.support.servers import PATIENCE, eventually

LOOPS = ["asyncio", "uvloop"]
CORES = os.cpu_count() or 1
PROGRAM = '''
import asyncio, contextvars, ctypes, json, os, re, socket, sys, threading, time

from outlast.watch.layout import LifeState
from outlast.watch.watch import Duty, Watch

STALL_AFTER = 0.4
FOR = 0.9  # seconds
watch = Watch("web worker")
flight_here = contextvars.ContextVar("flight", default=None)
told = []


def tell(stall):
    told.append(str(stall.cause))
    flight = stall.flight.name if stall.flight else ""
    call = stall.site.call if stall.site else ""
    say(cause=stall.cause, seconds=stall.seconds, culprit=stall.culprit, call=call, flight=flight, over=stall.is_over)


def say(**what):
    sys.stdout.write(json.dumps(what) + chr(10))
    sys.stdout.flush()


def is_told(cause):
    return cause in told


def in_a_sleep():
    while not is_told("blocked"):
        time.sleep(FOR)


def in_a_loop():
    deadline = time.monotonic() + 60
    while "blocked" not in told and time.monotonic() < deadline:  # no other frame that could be named
        pass


def in_a_lock():
    lock = threading.Lock()
    lock.acquire()
    while not is_told("blocked"):
        lock.acquire(timeout=FOR)


def in_a_socket_read():
    mine, theirs = socket.socketpair()
    while not is_told("blocked"):
        threading.Timer(FOR, theirs.send, [b"."]).start()
        mine.recv(1)


def in_c():
    sum(range(80_000_000))


def in_a_regex():
    re.match(r"(a+)+$", "a" * 25 + "b")


def in_a_sleep_before_others():
    while not is_told("blocked"):
        time.sleep(2 * FOR)
    time.sleep(FOR / 4)


def in_a_sleep_after_c():
    ctypes.PyDLL(None).usleep(900_000)  # with the lock, so that nobody can look
    while not is_told("blocked") and not is_late():
        time.sleep(FOR)


def is_late(began=time.monotonic()):
    return time.monotonic() - began > 60


async def here(function):
    """In a request."""
    with watch.flights.flying("GET /it") as flight:
        await asyncio.sleep(0)
        function()


async def in_a_callback_of_c(_):
    while not is_told("blocked") and not is_late():
        asyncio.get_running_loop().call_soon(time.sleep, FOR)
        await asyncio.sleep(0.01)


async def in_a_subtask(function):
    flight_here.set(watch.flights.begin("GET /it"))

    async def below():
        function()

    await asyncio.create_task(below())


async def in_a_thread(function):
    thread = threading.Thread(target=function)
    thread.start()
    while thread.is_alive():
        await asyncio.sleep(0.01)


async def in_many_steps(_):
    def tiny():
        for _ in range(6000):
            pass

    deadline = time.monotonic() + 60
    while not is_told("saturated") and time.monotonic() < deadline:
        for _ in range(20_000):
            asyncio.get_running_loop().call_soon(tiny)
        await asyncio.sleep(0)


async def in_short_handlers(seconds):
    async def handler():
        for _ in range(20_000):
            pass
        await asyncio.sleep(0.002)

    deadline = time.monotonic() + float(seconds)
    while time.monotonic() < deadline:
        await asyncio.gather(*(handler() for _ in range(10)))


async def in_nothing(seconds):
    await asyncio.sleep(float(seconds))


async def in_pauses(_):
    await asyncio.sleep(0.1)
    before = held()
    for _ in range(200):
        watch.rest()
        watch.wake()
        await asyncio.sleep(0)
    say(before=before, after=held())
    watch.rest()
    time.sleep(FOR)
    say(in_the_pause=told.count("blocked"))
    watch.wake()
    await here(in_a_sleep)


def held():
    return [threading.active_count(), len(os.listdir("/proc/self/fd"))]


async def main(way, what):
    watch.begin(Duty(STALL_AFTER, tell, lambda context: context.get(flight_here)))
    watch.enter(LifeState.SERVING)
    await asyncio.sleep(0.3)
    say(way=way)
    await globals()[way](globals().get(what, what))
    await asyncio.sleep(0.3)
    watch.close()


loop, way, *what = sys.argv[1:]
if loop == "uvloop":
    import uvloop as asyncio_or_uvloop
else:
    asyncio_or_uvloop = asyncio
if way == "several":
    for _ in range(3):
        asyncio_or_uvloop.run(main("in_nothing", "0.1"))
        deadline = time.monotonic() + 20
        while threading.active_count() > 1 and time.monotonic() < deadline:
            time.sleep(0.01)
        say(held=held())
elif way == "abandoned":
    async def begin():
        watch.begin(Duty(STALL_AFTER, tell, lambda context: None))
        watch.enter(LifeState.SERVING)
        await asyncio.sleep(0.3)

    asyncio_or_uvloop.run(begin())
    time.sleep(FOR)
else:
    asyncio_or_uvloop.run(main(way, *what or [""]))
say(done=True)
'''


@dataclass
class Watched:
    """A process with a watched loop; `said` is what it has printed, a line each."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def said(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in whole_lines(self.log)]

    @property
    def stalls(self) -> list[dict[str, Any]]:
        return [one for one in self.said if "cause" in one]

    @property
    def causes(self) -> set[str]:
        return {one["cause"] for one in self.stalls}

    def wait(self) -> list[dict[str, Any]]:
        """Until it has done all it had to do; the stalls."""
        assert self.process.wait(90 * PATIENCE) == 0
        assert self.said[-1] == {"done": True}
        return self.stalls


@contextmanager
def watching(folder: Path, *arguments: str) -> Iterator[Watched]:
    (folder / "program.py").write_text(PROGRAM)
    log = folder / "said"
    with log.open("wb") as output:
        command = [sys.executable, "program.py", *arguments]
        process = subprocess.Popen(command, cwd=folder, stdout=output)
    try:
        yield Watched(process, log)
    finally:
        kill(process.pid)
        process.wait(10 * PATIENCE)


def stalls_of(folder: Path, *arguments: str) -> list[dict[str, Any]]:
    with watching(folder, *arguments) as watched:
        return watched.wait()


def undoubted(stalls: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those that are not put down to a machine that had no processor to give, for sure or perhaps."""
    return [one for one in stalls if one["cause"] not in ("starved", "frozen")]


BLOCKERS = {
    "in_a_sleep": ("time.sleep(FOR)", "time.sleep(FOR)"),
    "in_a_lock": ("lock.acquire(timeout=FOR)", "lock.acquire(timeout=FOR)"),
    "in_a_socket_read": ("mine.recv(1)", "mine.recv(1)"),
    "in_a_sleep_before_others": ("time.sleep(2 * FOR)", "time.sleep(2 * FOR)"),
}


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("way", BLOCKERS)
def test_who_blocks_is_named_while_he_does(tmp_path: Path, loop: str, way: str) -> None:
    word, call = BLOCKERS[way]
    *first, last = undoubted(stalls_of(tmp_path, loop, "here", way))
    culprit = f"{way} (program.py:{line_of(PROGRAM, word)})"
    expected = {"cause": "blocked", "culprit": culprit, "call": call, "flight": "GET /it"}
    assert first, "it was told while it lasted"
    for one in (*first, last):
        assert one.items() >= expected.items()
    assert [one["over"] for one in first] == [False] * len(first)
    assert last["over"]
    assert last["seconds"] >= 0.8


@pytest.mark.parametrize("loop", LOOPS)
def test_who_blocks_is_named_also_where_nobody_could_look_at_first(tmp_path: Path, loop: str) -> None:
    stalls = undoubted(stalls_of(tmp_path, loop, "here", "in_a_sleep_after_c"))
    assert {one["cause"] for one in stalls} <= {"held", "blocked"}, "whoever has the lock asleep may have run"
    assert stalls[-1].items() >= {"cause": "blocked", "call": "time.sleep(FOR)", "over": True}.items()


@pytest.mark.parametrize("loop", LOOPS)
def test_a_loop_in_python_is_named_while_it_runs(tmp_path: Path, loop: str) -> None:
    """Also where it gets little of a processor: then it may be told as starved before."""
    blocked = [one for one in stalls_of(tmp_path, loop, "here", "in_a_loop") if one["cause"] == "blocked"]
    assert blocked
    assert {one["culprit"].partition(" ")[0] for one in blocked} == {"in_a_loop"}
    assert {one["flight"] for one in blocked} == {"GET /it"}


def test_a_callback_in_c_has_no_frame_but_a_name(tmp_path: Path) -> None:
    stalls = stalls_of(tmp_path, "asyncio", "in_a_callback_of_c")
    assert {(one["cause"], one["culprit"]) for one in undoubted(stalls)} == {
        ("blocked", "time.sleep (a callback of the event loop)")
    }


def test_a_callback_in_c_under_uvloop_leaves_no_trace(tmp_path: Path) -> None:
    stalls = stalls_of(tmp_path, "uvloop", "in_a_callback_of_c")
    assert {(one["cause"], one["culprit"]) for one in undoubted(stalls)} == {("blocked", "")}


@pytest.mark.parametrize("loop", LOOPS)
def test_a_subtask_belongs_to_the_request_that_has_made_it(tmp_path: Path, loop: str) -> None:
    stalls = stalls_of(tmp_path, loop, "in_a_subtask", "in_a_sleep")
    is_known = loop == "asyncio" or sys.version_info >= (3, 12)  # where a task tells its context
    assert {one["flight"] for one in undoubted(stalls)} == {"GET /it" if is_known else ""}
    assert {one["culprit"].partition(" ")[0] for one in undoubted(stalls)} == {"in_a_sleep"}


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("way", ["in_c", "in_a_regex"])
def test_who_holds_the_lock_is_named_right_after(tmp_path: Path, loop: str, way: str) -> None:
    stalls = stalls_of(tmp_path, loop, "here", way)
    held = undoubted(stalls)
    assert {(one["cause"], one["culprit"].partition(" ")[0]) for one in held} == {("held", way)}
    assert {one["flight"] for one in held} == {"GET /it"}
    assert stalls[-1]["over"]


def test_who_holds_the_lock_in_another_thread_is_no_innocent(tmp_path: Path) -> None:
    """Whoever gets the lock first sees it: the watching thread knows who it was, the loop only how long."""
    stalls = stalls_of(tmp_path, "asyncio", "in_a_thread", "in_a_regex")
    assert {"held", "frozen"} & {one["cause"] for one in stalls}, "frozen where it has got little of a processor"
    assert {one["cause"] for one in undoubted(stalls)} <= {"held"}
    assert {one["culprit"].partition(" ")[0] for one in stalls if one["cause"] == "held"} <= {"in_a_regex", ""}


@pytest.mark.parametrize("loop", LOOPS)
def test_many_short_steps_are_nobodys_fault(tmp_path: Path, loop: str) -> None:
    stalls = stalls_of(tmp_path, loop, "in_many_steps")
    assert "saturated" in {one["cause"] for one in stalls} <= {"saturated", "starved"}
    assert {one["culprit"] for one in stalls} == {""}


@pytest.mark.parametrize("loop", LOOPS)
def test_a_pause_costs_nothing_and_hides_nothing(tmp_path: Path, loop: str) -> None:
    with watching(tmp_path, loop, "in_pauses") as watched:
        stalls = watched.wait()
        (held,) = [one for one in watched.said if "before" in one]
        assert held["before"] == held["after"], "threads and descriptors"
        assert {"in_the_pause": 0} in watched.said
        assert {one["culprit"].partition(" ")[0] for one in undoubted(stalls)} == {"in_a_sleep"}


@pytest.mark.parametrize("loop", LOOPS)
def test_a_watch_that_is_closed_gives_all_back(tmp_path: Path, loop: str) -> None:
    with watching(tmp_path, loop, "several") as watched:
        assert undoubted(watched.wait()) == []
        held = [one["held"] for one in watched.said if "held" in one]
        assert held == [held[0]] * 3
        assert held[0][0] == 1


def test_a_loop_that_has_ended_is_not_blocked(tmp_path: Path) -> None:
    assert undoubted(stalls_of(tmp_path, "asyncio", "abandoned")) == []


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("way", ["in_nothing", "in_short_handlers"])
def test_a_process_that_was_stopped_is_not_blocked_by_whoever_runs_next(tmp_path: Path, loop: str, way: str) -> None:
    with watching(tmp_path, loop, way, "2") as watched:
        eventually(lambda: watched.said, "it runs")
        hold_still(watched.process.pid)
        time.sleep(1.2)
        watched.process.send_signal(signal.SIGCONT)
        watched.wait()
        assert "frozen" in watched.causes <= {"frozen", "starved"}


@contextmanager
def busy_machine(processes: int) -> Iterator[None]:
    """Processes that compute and, if that is allowed, come first."""
    nice = -5 if os.geteuid() == 0 else 0
    program = f"import os; parent = os.getppid(); os.nice({nice})\nwhile os.getppid() == parent: pass"
    running = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(processes)]
    try:
        yield
    finally:
        for one in running:
            one.kill()
            one.wait()


@pytest.mark.slow
def test_a_machine_without_a_free_processor_blames_nobody(tmp_path: Path) -> None:
    with watching(tmp_path, "asyncio", "in_short_handlers", "4") as watched:
        eventually(lambda: watched.said, "it runs")
        with busy_machine(2 * CORES + 2):
            watched.wait()
        assert watched.causes <= {"starved", "frozen"}, watched.stalls
