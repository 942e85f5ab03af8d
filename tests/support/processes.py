"""What the kernel says of processes, whoever started them: who is in a folder, who holds which socket."""

from __future__ import annotations

import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tests.support.servers import descendants, is_alive

CHILD = "outlast.child"


def living_in(folder: Path, words: str = "") -> list[int]:
    """Pids of the living processes that work in `folder`, with `words` in their command line."""
    return [pid for pid in _all() if is_alive(pid) and _works_in(pid, folder) and words in _command(pid)]


def runners_in(folder: Path) -> list[int]:
    """Pids of the runners that work in `folder`. What one of them has just forked is none, though it looks like it."""
    found = living_in(folder, "outlast.runner")
    forked = {below for pid in found for below in descendants(pid)}
    return [pid for pid in found if pid not in forked]


def templates_in(output: str) -> list[int]:
    """Pids of the processes that task processes were copied from, as they have been announced, the newest last."""
    return [int(pid) for pid in re.findall(r"process (\d+) has imported", output)]


def kill_all_in(folder: Path) -> bool:
    """SIGKILL to all that works in a test's own folder; whether there was anything."""
    living = living_in(folder)
    for pid in living:
        kill(pid)
    return bool(living)


def kill(pid: int) -> None:
    """SIGKILL, if it is still there."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def sockets_of(pid: int) -> set[str]:
    """The sockets that a process holds, as `socket:[inode]`."""
    held = set()
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            held.add(str(descriptor.readlink()))
    return {one for one in held if one.startswith("socket:")}


def can_be_bound(port: int) -> bool:
    """Whether nobody listens there: connections that linger do not count."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
            probe.listen()
        except OSError:
            return False
    return True


def _all() -> Iterator[int]:
    return (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit())


def _works_in(pid: int, folder: Path) -> bool:
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == folder
    except OSError:
        return False


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""
