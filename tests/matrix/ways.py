"""The rows: ways in which a task can be cut. Each asks for innocent tasks, then does its worst."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache, partial
from http.client import HTTPException
from math import ceil, log2
from pathlib import Path

from tests.matrix.place import Place, fill_up, on_small_disk, ordinary, small_memory
from tests.matrix.plan import OUTLAST, PEERS, TASKFLOW
from tests.matrix.running import Running
from tests.support.history import history_of
from tests.support.processes import kill, kill_all_in, runners_in
from tests.support.servers import eventually

MOST_REQUESTS = 300
MEASURABLE = 0.05  # seconds
STARTING_TIME = 20.0  # seconds until the runner has worked out a first tick, also on a busy machine

Step = Callable[[Running], None]


def ask_for_two(running: Running) -> None:
    """A `def` that sleeps and an `async def` that awaits; both have begun when it returns."""
    running.add("sleeps", "def", running.pace.seconds)
    running.add("awaits", "async", running.pace.seconds)
    running.wait_until_all_began()


def hang_up_on_two(running: Running) -> None:
    for task, name in (("sleeps", "def"), ("awaits", "async")):
        running.hang_up(f"/add/{task}/{name}?amount={running.pace.seconds}", name)
    running.wait_until_all_began()


def ask_in_one_request(running: Running, path: str) -> None:
    running.ask(f"{path}?amount=1", "def", "async")


def ask_for_one(running: Running) -> None:
    running.add("sleeps", "before", running.pace.seconds)
    running.wait_until_all_began()


def ask_for_chain(running: Running) -> None:
    """Three tasks, one after the other: the first has begun."""
    running.ask(f"/chain?amount={running.pace.seconds}", "first", "second", "third")
    running.server.wait_for("began", "first")


def ask_for_queue(running: Running) -> None:
    """Three tasks of a queue that lets one of them run at once: the first has begun."""
    running.ask(f"/limited?amount={running.pace.seconds}", "first", "second", "third")
    running.server.wait_for("began", "first")


def ask_for_retry(running: Running) -> None:
    """One that waits to be tried again."""
    running.ask("/fails_once/retried?amount=0.1", "retried")
    eventually(lambda: any(one.run_at for one in running.server.records()), "it waits to be tried again")


def ask_for_checkpoint(running: Running) -> None:
    """One that has a checkpoint, which is stored before its progress is."""
    running.ask("/goes_on/resumed?amount=0", "resumed")
    eventually(lambda: any(one.progress for one in running.server.records()), "it has come to its checkpoint")


def ask_for_tick(running: Running) -> None:
    """A schedule whose tick is still to come."""
    running.ask(f"/tick/ticked?amount={running.pace.seconds + STARTING_TIME}", "ticked")
    eventually(lambda: next_tick(running) > 0, "its tick is known")


def next_tick(running: Running) -> float:
    """In seconds since the epoch."""
    return next((one.next_at or 0.0 for one in history_of(running.server.journal).schedules()), 0.0)


def do_nothing(_running: Running) -> None:
    return


def signal_worker(running: Running, number: signal.Signals) -> None:
    os.kill(running.worker, number)


def signal_server(running: Running, number: signal.Signals) -> None:
    running.server.process.send_signal(number)


def add(running: Running, task: str) -> None:
    running.add_culprit(task)


def block(running: Running) -> None:
    running.add_culprit("blocks", running.pace.blocked)


def hog(running: Running) -> None:
    running.add_culprit("hogs", letters_for(running.pace.blocked))


@cache
def letters_for(seconds: float) -> int:
    """How many letters the catastrophic expression needs for so long at least; each doubles it."""
    letters = 16
    while (taken := _seconds_for(letters)) < MEASURABLE:
        letters += 1
    return letters + ceil(log2(seconds / taken))


def _seconds_for(letters: int) -> float:
    began = time.process_time()
    re.match(r"(a+)+$", "a" * letters + "b")
    return time.process_time() - began


def send_many_requests(running: Running) -> None:
    """Until the web worker has had its most and is replaced, or leaves."""
    first = running.worker
    for _ in range(2 * MOST_REQUESTS):
        try:
            if running.server.get("/ping")[1] != str(first):
                return
        except (OSError, HTTPException):
            return


def fill_the_disk(running: Running) -> None:
    fill_up(running.folder, running.worker)
    running.add("awaits", "during", running.pace.seconds)


def kill_runner(running: Running) -> None:
    for pid in runners_in(running.folder):
        kill(pid)


def kill_children(running: Running) -> None:
    """Whatever process the tasks run in, if it is not the web worker."""
    worker = running.worker
    for pid in {running.where("def"), running.where("async")} - {worker}:
        kill(pid)


def kill_all(running: Running) -> None:
    eventually(lambda: not kill_all_in(running.folder), "everything is dead")


def kill_all_across_the_tick(running: Running) -> None:
    tick = next_tick(running)
    assert time.time() < tick, "it has ticked before anything was killed"
    kill_all(running)
    eventually(lambda: time.time() > tick, "its tick is over", running.pace.seconds + STARTING_TIME)


@dataclass(frozen=True, slots=True)
class Way:
    """A row.

    is_wanted: whether the innocent tasks shall run; peers: those that have what is cut; gunicorn, uvicorn: more
    arguments; lasts: whether the culprit goes on for a while, for which we wait.
    """

    name: str
    title: str
    cut: Step
    ask: Step = ask_for_two
    place: Callable[[Path], AbstractContextManager[Place]] = ordinary
    is_wanted: bool = True
    peers: tuple[str, ...] = tuple(PEERS)
    gunicorn: tuple[str, ...] = ()
    uvicorn: tuple[str, ...] = ()
    lasts: bool = False


WAYS = (
    Way("sigkill", "SIGKILL of the web worker", partial(signal_worker, number=signal.SIGKILL)),
    Way("sigabrt", "SIGABRT of the web worker", partial(signal_worker, number=signal.SIGABRT)),
    Way("sigsegv", "SIGSEGV of the web worker", partial(signal_worker, number=signal.SIGSEGV)),
    Way("exit", "`os._exit` in a task", partial(add, task="exits")),
    Way("abort", "`abort()` by C code in a task", partial(add, task="aborts")),
    Way("segfault", "segmentation fault in a task", partial(add, task="segfaults")),
    Way("oom", "a task takes all memory", partial(add, task="grows"), place=small_memory),
    Way("block", "an `async def` blocks its event loop", block, lasts=True),
    Way("hog", "a `def` holds the GIL (regular expression)", hog, lasts=True),
    Way(
        "sigterm",
        "SIGTERM, short graceful timeout",
        partial(signal_server, number=signal.SIGTERM),
        gunicorn=("--graceful-timeout", "{graceful}"),
        uvicorn=("--timeout-graceful-shutdown", "{graceful}"),
    ),
    Way("sighup", "SIGHUP", partial(signal_server, number=signal.SIGHUP)),
    Way(
        "max-requests",
        "`--max-requests`",
        send_many_requests,
        gunicorn=("--max-requests", str(MOST_REQUESTS)),
        uvicorn=("--limit-max-requests", str(MOST_REQUESTS)),
    ),
    Way("hang-up", "the client hangs up", do_nothing, hang_up_on_two),
    Way(
        "failure",
        "an earlier task of the response raises",
        do_nothing,
        partial(ask_in_one_request, path="/behind-a-failure"),
    ),
    Way(
        "refused",
        "`HTTPException` after `add_task`",
        do_nothing,
        partial(ask_in_one_request, path="/refused"),
        is_wanted=False,
    ),
    Way("disk", "the disk is full", fill_the_disk, ask_for_one, place=on_small_disk),
    Way("runner", "SIGKILL of the runner", kill_runner, peers=(OUTLAST,)),
    Way("child", "SIGKILL of the task process", kill_children, peers=(TASKFLOW, OUTLAST)),
    Way("all", "SIGKILL of everything, then a start", kill_all),
    Way("chain", "the same, in a chain of tasks", kill_all, ask_for_chain, peers=(OUTLAST,)),
    Way("queue", "the same, in a queue with limits", kill_all, ask_for_queue, peers=(OUTLAST,)),
    Way("retry", "the same, between two retries", kill_all, ask_for_retry, peers=(OUTLAST,)),
    Way("checkpoint", "the same, behind a checkpoint", kill_all, ask_for_checkpoint, peers=(OUTLAST,)),
    Way("tick", "the same, across the tick of a schedule", kill_all_across_the_tick, ask_for_tick, peers=(OUTLAST,)),
)
