"""A server as a service of systemd: a group of processes that are stopped together (systemd.kill(5))."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

from tests.life.captured import Capture, end, start_captured
from tests.support.cgroups import PROCESSES, hierarchy, members, new_group
from tests.support.processes import kill, living_in
from tests.support.servers import Server, eventually, lay_out

HEARD = re.compile(r"Shutting down|Handling signal: int")


@dataclass(frozen=True)
class Unit:
    """A server and, as root, its cgroup; else all that works in its folder stands for that."""

    capture: Capture
    group: Path | None

    @property
    def server(self) -> Server:
        return self.capture.server

    def processes(self) -> list[int]:
        return members(self.group) if self.group else living_in(self.server.folder)

    def is_over(self) -> bool:
        return not self.processes()

    def kill_what_is_left(self) -> None:
        """What systemd does in the end."""
        eventually(self._is_over_when_killed, "all processes of the unit are gone")

    def _is_over_when_killed(self) -> bool:
        for pid in self.processes():
            kill(pid)
        return self.is_over()


@contextmanager
def served(kind: str, folder: Path, *more: str, **environment: str) -> Iterator[Unit]:
    """A unit that answers; ended with all that works in its folder."""
    if not (folder / "main.py").exists():
        lay_out(folder)
    root = hierarchy("pids")
    name = f"outlast-{os.getpid()}"
    with new_group(root, "pids", name) if root else nullcontext(None) as group:
        capture = start_captured(kind, folder, *more, **environment)
        if group:
            (group / PROCESSES).write_text(str(capture.server.process.pid))
        try:
            eventually(capture.server.answers, f"the server answers; it printed {capture.server.output}")
            yield Unit(capture, group)
        finally:
            end(capture)


def by_sigterm(unit: Unit) -> None:
    unit.server.process.send_signal(signal.SIGTERM)


def by_sighup(unit: Unit) -> None:
    unit.server.process.send_signal(signal.SIGHUP)


def by_ctrl_c_twice(unit: Unit) -> None:
    """Nobody presses it again before it was heard: of two at once uvicorn's reloader can hang for good.

    It sets a `threading.Event` in a signal handler, and the second handler waits for the first one's lock.
    """
    server, foreground = unit.server, os.getsid(unit.server.process.pid)
    ctrl_c(unit, foreground)
    eventually(lambda: HEARD.search(server.output) or server.process.poll() is not None, f"heard; {server.output}")
    ctrl_c(unit, foreground)


def ctrl_c(unit: Unit, foreground: int) -> None:
    """A terminal sends to the whole group in its foreground; the runner is in a session of its own."""
    for pid in unit.processes():
        with suppress(ProcessLookupError):
            if os.getsid(pid) == foreground:
                os.kill(pid, signal.SIGINT)


def by_kill_mode_mixed(unit: Unit) -> None:
    """SIGTERM to the main process; SIGKILL to what is left when it has ended."""
    by_sigterm(unit)
    unit.server.wait()
    unit.kill_what_is_left()


def by_kill_mode_control_group(unit: Unit) -> None:
    """SIGTERM to all of it at once."""
    for pid in unit.processes():
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


def by_one_request_too_many(unit: Unit) -> None:
    """Of a server with `--limit-max-requests 20`."""
    eventually(lambda: not unit.server.answers(), "it has answered its most")
