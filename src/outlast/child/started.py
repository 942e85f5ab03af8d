"""What user code has started in this process, and goes on by itself, in each process that runs that code.

What its source says of the import is told with that, and of the lifespan before it is entered (`Forecast`).
"""

from __future__ import annotations

import asyncio
import inspect
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from traceback import walk_stack
from types import CodeType, FrameType
from typing import Any

from outlast.child.shared_loop import GuardedTask
from outlast.events import starts
from outlast.events.event import Event
from outlast.source.effects import LASTING, Effect, Singular
from outlast.source.sources import Sources
from outlast.source.startup import lasting_at_import, singular_in, startup_functions
from outlast.system.packages import acts_once
from outlast.system.whose import is_users, package_of
from outlast.text import MOST_NAME, in_one_line, is_a, one_line
from outlast.watch.awaits import frames_awaited
from outlast.watch.site import shown_file
from outlast.wire.hello import Environment

TURNS = 3  # of the loop, in which what was started takes its first steps
LOOKS, BETWEEN = 50, 0.01  # at processes that have just been started, and seconds between two
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
    await _show_themselves(now.processes - before.processes)
    found = [
        *map(_task, now.tasks - before.tasks),
        *(_callback("timer", one._callback) for one in now.timers - before.timers if not one.cancelled()),  # type: ignore[attr-defined]
        *map(_thread, now.threads - before.threads),
        *_processes(now.processes - before.processes),
        *(f"a socket that listens at {one}" for one in now.listening - before.listening),
    ]
    return sorted(set(filter(None, found)))


def _task(task: asyncio.Task[Any]) -> str:
    codes = [frame.f_code for frame in frames_awaited(task.get_coro())]
    own = next((code for code in codes if is_users(code.co_filename)), None)
    if own is not None:
        return f"{_named(own)} as an asyncio task"
    package = next((name for code in codes if (name := package_of(code.co_filename)) and acts_once(name)), "")
    return f"an asyncio task of {package}" if package else ""


def _thread(thread: threading.Thread) -> str:
    """Of a timer its function, of another class than Thread what it has for `run`; of a pool's what it is at."""
    target = getattr(thread, "_target", None) or getattr(thread, "function", None)
    return _callback("thread", target or thread.run) or _at_work(thread)


def _at_work(thread: threading.Thread) -> str:
    """The function of the project that a thread is in, the outermost one; in a pool, what it was given to run."""
    frame = sys._current_frames().get(thread.ident or 0)
    frames = [one for one, _ in walk_stack(frame)] if frame is not None else []
    own = next((one.f_code for one in reversed(frames) if is_users(one.f_code.co_filename)), None)
    if own is not None:
        return f"{_named(own)} as a thread"
    return next(filter(None, map(_given_to_pool, frames)), "")


def _given_to_pool(frame: FrameType) -> str:
    """A function of the standard library; libraries have work of their own in pools, asyncio looks up addresses."""
    if frame.f_code.co_qualname != "_WorkItem.run":
        return ""
    item = frame.f_locals.get("self")
    function = getattr(item, "fn", None) or next(iter(getattr(item, "task", ())), None)  # until Python 3.13, and since
    module, name = (getattr(function, key, None) or "" for key in ("__module__", "__qualname__"))
    is_told = module.partition(".")[0] in sys.stdlib_module_names and module != "socket"
    return f"{module}.{name} as a thread" if is_told else ""


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


async def _show_themselves(pids: frozenset[int]) -> None:
    """Wait for those that are about to become another program: for a moment the kernel knows of none."""
    for _ in range(LOOKS):
        if all(map(_command_line, pids)):
            return
        await asyncio.sleep(BETWEEN)


def _command_line(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def _command(pid: int) -> str:
    """The command line of a process; empty for those that multiprocessing keeps for itself."""
    line = _command_line(pid).replace(b"\0", b" ").decode(errors="replace").strip()
    ours = any(f"multiprocessing.{name}" in line for name in ("resource_tracker", "forkserver", "spawn"))
    return "" if ours or not line else f"the process `{one_line(line, MOST_NAME)}`"


def _children() -> Iterator[int]:
    for thread in threading.enumerate():
        with suppress(OSError):
            yield from map(int, Path(f"/proc/self/task/{thread.native_id}/children").read_text().split())


def _listening() -> Iterator[str]:
    """Addresses of sockets of this process that wait for others to connect."""
    with suppress(OSError):
        yield from filter(None, map(_listens_at, os.listdir(_DESCRIPTORS)))  # noqa: PTH208 - names only


def _listens_at(descriptor: str) -> str:
    if not _is_socket(descriptor):  # whose duplicate nobody would close
        return ""
    with suppress(OSError, ValueError), socket.socket(fileno=os.dup(int(descriptor))) as one:
        if one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) or _takes_its_share(one):
            name = one.getsockname()
            return f"{name[0]}:{name[1]}" if is_a(name, tuple) else one_line(str(name), MOST_NAME)
    return ""


def _is_socket(descriptor: str) -> bool:
    with suppress(OSError):
        return os.readlink(_DESCRIPTORS / descriptor).startswith("socket:")  # noqa: PTH115 - it is no path
    return False


def _takes_its_share(one: socket.socket) -> bool:
    """Whether it takes datagrams at an address that several processes may have, and so some of those for others."""
    shared = (socket.SO_REUSEPORT, socket.SO_REUSEADDR)
    is_shared = one.type == socket.SOCK_DGRAM and any(one.getsockopt(socket.SOL_SOCKET, each) for each in shared)
    return is_shared and one.family != socket.AF_UNIX and bool(one.getsockname()[1])


def _named(code: CodeType) -> str:
    return f"{code.co_qualname} ({shown_file(code.co_filename)}:{code.co_firstlineno})"


class Forecast:
    """What the source of the app says of its import and its lifespan.

    repeats: what each of both does in each process, and nobody sees afterwards, in one sentence. places: the lines in
    which the lifespan may start something. is_new: whether no other task process has told of the import, for which all
    sources of the project are read.
    """

    def __init__(self, app: Any, environment: Environment, *, is_new: bool) -> None:
        self.repeats, self.places = list[str](), list[str]()
        sources = Sources()
        if environment.app and is_new:
            with _told_of(starts.SourceNotRead, environment.app):
                self._add_import(environment.app, sources)
        if app is not None and environment.settings.child_lifespan == "true":
            with _told_of(starts.LifespanNotRead, environment.app):
                self._add_lifespan(app, environment.lifespan, sources)

    def _add_import(self, app: str, sources: Sources) -> None:
        self.repeats.append(starts.import_repeats(app, _lines(lasting_at_import(sources))))

    def _add_lifespan(self, app: Any, lifespan: str, sources: Sources) -> None:
        found = singular_in(startup_functions(app, sources), sources)
        self.repeats.append(starts.lifespan_repeats(lifespan, _lines(found)))
        self.places = [f"{shown_file(one.file)}:{one.line}" for one in found if one.effect is Effect.STARTS]


@contextmanager
def _told_of(event: Callable[[str, str], Event], app: str) -> Iterator[None]:
    """A help: whatever the user's objects raise, the process starts."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - it is told
        event(app, in_one_line(error)).tell()


def _lines(found: list[Singular]) -> list[str]:
    return [f"{one} in {shown_file(one.file)}:{one.line}" for one in found if one.effect in LASTING]
