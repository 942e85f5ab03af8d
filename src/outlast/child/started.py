"""What user code has started in this process, and goes on by itself, in each process that runs that code."""

from __future__ import annotations

import asyncio
import inspect
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import CodeType
from typing import Any

from outlast.child.shared_loop import GuardedTask
from outlast.packages import acts_once, package_of
from outlast.text import MOST_NAME, is_a, one_line
from outlast.watch.site import is_users, shown_file

TURNS = 3  # of the loop, in which what was started takes its first steps
DEEPEST = 20  # coroutines, each of which awaits the next
_DESCRIPTORS = Path("/proc/self/fd")


@dataclass(frozen=True, slots=True)
class Standing:
    """What is there at one moment."""

    tasks: frozenset[asyncio.Task[Any]]
    timers: frozenset[asyncio.TimerHandle]
    threads: frozenset[threading.Thread]
    listening: frozenset[str]
    processes: frozenset[int]

    @classmethod
    def now(cls) -> Standing:
        """On the loop."""
        tasks = (one for one in asyncio.all_tasks() if not isinstance(one, GuardedTask))
        timers = getattr(asyncio.get_running_loop(), "_scheduled", ())
        return cls(*map(frozenset, (tasks, timers, threading.enumerate(), _listening(), _children())))


async def started_since(before: Standing) -> list[str]:
    """What user code has started since then: functions with their file and line, as far as they are known."""
    for _ in range(TURNS):
        await asyncio.sleep(0)
    now = Standing.now()
    found = [
        *map(_task, now.tasks - before.tasks),
        *(_callback("timer", one._callback) for one in now.timers - before.timers if not one.cancelled()),  # type: ignore[attr-defined]
        *map(_thread, now.threads - before.threads),
        *_processes(now.processes - before.processes),
        *(f"a socket that listens at {one}" for one in now.listening - before.listening),
    ]
    return sorted(set(filter(None, found)))


def _task(task: asyncio.Task[Any]) -> str:
    codes = list(_codes(task.get_coro()))
    own = next((code for code in codes if is_users(code.co_filename)), None)
    if own is not None:
        return f"{_named(own)} as an asyncio task"
    package = next((name for code in codes if (name := package_of(code.co_filename)) and acts_once(name)), "")
    return f"an asyncio task of {package}" if package else ""


def _codes(coroutine: object) -> Iterator[CodeType]:
    """Of a coroutine and of those that it waits for, one in the other."""
    waiting: Any = coroutine
    for _ in range(DEEPEST):
        if inspect.iscoroutine(waiting):
            yield waiting.cr_code
            waiting = waiting.cr_await
        elif inspect.isgenerator(waiting):
            yield waiting.gi_code
            waiting = waiting.gi_yieldfrom


def _thread(thread: threading.Thread) -> str:
    """Of a timer its function, of another class than Thread what it has for `run`."""
    target = getattr(thread, "_target", None) or getattr(thread, "function", None)
    return _callback("thread", target or thread.run)


def _callback(kind: str, function: Callable[..., Any] | None) -> str:
    """A function of the project, or of a package whose work is not to be done twice; empty for others."""
    for one in _inside(function):
        code = getattr(one, "__code__", None)
        if code is None:
            continue
        if is_users(code.co_filename):
            return f"{_named(code)} as a {kind}"
        if acts_once(package := package_of(code.co_filename)):
            return f"a {kind} of {package}"
    return ""


def _inside(function: object) -> Iterator[object]:
    """A function, and what is in it: of a method, a partial, a wrapper, a closure."""
    yield from (
        inspect.unwrap(one) if callable(one) else one
        for one in (function, getattr(function, "__func__", None), getattr(function, "func", None))
        if one is not None
    )
    for cell in getattr(function, "__closure__", None) or ():
        with suppress(ValueError):  # it is empty yet
            if inspect.isfunction(cell.cell_contents):
                yield cell.cell_contents


def _processes(pids: frozenset[int]) -> Iterator[str]:
    multiprocessing = sys.modules.get("multiprocessing.process")
    known = {one.pid: one for one in (multiprocessing.active_children() if multiprocessing else ())}
    for pid in pids:
        name = getattr(known.get(pid), "name", "")
        yield f"the process {one_line(name, MOST_NAME)} of multiprocessing" if name else _command(pid)


def _command(pid: int) -> str:
    """The command line of a process; empty for those that multiprocessing keeps for itself."""
    with suppress(OSError):
        line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        ours = any(f"multiprocessing.{name}" in line for name in ("resource_tracker", "forkserver", "spawn"))
        return "" if ours or not line else f"the process `{one_line(line, MOST_NAME)}`"
    return ""


def _children() -> Iterator[int]:
    for thread in threading.enumerate():
        with suppress(OSError):
            yield from map(int, Path(f"/proc/self/task/{thread.native_id}/children").read_text().split())


def _listening() -> Iterator[str]:
    """Addresses of sockets of this process that wait for others to connect."""
    with suppress(OSError):
        yield from filter(None, map(_listens_at, os.listdir(_DESCRIPTORS)))  # noqa: PTH208 - names only


def _listens_at(descriptor: str) -> str:
    with suppress(OSError, ValueError), socket.socket(fileno=os.dup(int(descriptor))) as one:
        if one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            name = one.getsockname()
            return f"{name[0]}:{name[1]}" if is_a(name, tuple) else one_line(str(name), MOST_NAME)
    return ""


def _named(code: CodeType) -> str:
    return f"{code.co_qualname} ({shown_file(code.co_filename)}:{code.co_firstlineno})"
