"""What the kernel says of processes, whoever started them: who is in a folder, who holds which socket."""

from __future__ import annotations

import os
import re
import signal
import socket
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import apsw

from outlast.journal.sqlite.opening import connect
from outlast.system.kernel import is_stopped
from tests.support.servers import Server, descendants, eventually, is_alive

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


def web_workers_of(server: Server) -> list[int]:
    """What the server's main process has started, but for multiprocessing's own helper."""
    helpers = living_in(server.folder, "multiprocessing.resource_tracker")
    return [pid for pid in descendants(server.process.pid) if pid not in helpers]


def renew_web_workers(server: Server) -> None:
    """By SIGHUP; once more where uvicorn gives that up, since a new one was not ready in time."""
    old, asked = web_workers_of(server), 0

    def are_others() -> bool:
        nonlocal asked
        if server.output.count("aborting the restart") >= asked:
            server.process.send_signal(signal.SIGHUP)
            asked += 1
        return not any(map(is_alive, old)) and server.answers()

    eventually(are_others, f"others answer than {old}; {server.log}", within=30)


def given_a_task_that_it_cannot_read(server: Server, name: str) -> int:
    """The pid of the only task process, which has run another task, stands still, and was given this one."""
    server.add("ok", "before")
    still = int(server.wait_for("ran", "before")[2])
    eventually(server.all_settled, "its end is known")
    hold_still(still)
    server.add("ok", name)
    eventually(lambda: "running" in [one.state for one in server.records()], "it was given to that process")
    return still


def hold_still(pid: int) -> None:
    """SIGSTOP, until none of its threads goes on: the one that is told first may have to wait for a processor."""
    os.kill(pid, signal.SIGSTOP)
    threads = Path(f"/proc/{pid}/task")
    eventually(lambda: all(is_stopped(int(one.name)) for one in threads.iterdir()), f"{pid} is stopped")


def stop_between_transactions(server: Server, pid: int) -> None:
    """As `hold_still`, not while it has the journal's write lock."""
    eventually(lambda: _is_stopped_without_the_lock(server, pid), f"{pid} is stopped")


def _is_stopped_without_the_lock(server: Server, pid: int) -> bool:
    hold_still(pid)
    connection = connect(server.journal, patience=0.5)
    try:
        connection.execute("BEGIN IMMEDIATE; ROLLBACK")
    except apsw.BusyError:
        os.kill(pid, signal.SIGCONT)
        return False
    finally:
        connection.close()
    return True


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


def give_processor(pid: int) -> None:
    """Let the main thread of a process come first on a busy machine, and its session, if that is allowed (sched(7))."""
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, pid, -15)
    with suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text("-15")


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
