"""`python -m outlast.child.template CONTROL LIFELINE`: imports the app, then is copied into task processes.

It runs no task, no event loop and no thread, and opens neither the journal nor a lock: none of these survives a fork.
"""

from __future__ import annotations

import gc
import os
import socket
import sys
import threading
from contextlib import suppress
from pathlib import Path

from outlast.child.code import ImportedCode
from outlast.child.life import why_not_imported
from outlast.child.main import main as live_as_child
from outlast.child.main import prepare
from outlast.events import processes
from outlast.system import process
from outlast.system.kernel import die_with_other_end_of
from outlast.wire.frames import Message, packed
from outlast.wire.hello import Environment, read_environment
from outlast.wire.sockets import Requests, owned


def main(control: socket.socket, lifeline: socket.socket) -> None:
    """Serve until the runner is gone or lets go. Returns only in a copy, when its life as a task process is over."""
    die_with_other_end_of(lifeline)
    code, requests = ImportedCode(), Requests(control)
    given = _serve(control, code, requests)
    requests.close()
    lifeline.close()
    if given is None:
        _flush()
        os._exit(0)  # what user code has registered for the end of a process is for the copies to do
    channel, interrupts, own_lifeline = given
    live_as_child(channel, interrupts, own_lifeline, code)


def _serve(control: socket.socket, code: ImportedCode, requests: Requests) -> list[socket.socket] | None:
    """Do what the runner asks for. Returns in a copy the sockets that are for it, in the template None at its end."""
    what = ""
    for request in requests:
        answer: Message = {}
        match request.get("type"):
            case "start":
                environment = read_environment(request["environment"])
                what = environment.app or environment.main
                answer = _imported(environment, code)
            case "check":
                answer = {"type": "stale"} if code.has_changed() else {}
            case "copy":
                sockets = requests.take_sockets()
                answer = _unfit(what) or _copy()
                if not answer:
                    return sockets
                for one in sockets:
                    one.close()
        if answer:
            control.sendall(packed(answer))
        if answer.get("type") in ("broken", "stale", "unfit"):
            return None
    return None


def _imported(environment: Environment, code: ImportedCode) -> Message:
    process.become_template()
    prepare(environment)
    try:
        code.load(environment)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - what user code raises at import is reported, not handled
        return {"type": "broken", "why": why_not_imported(error, environment)}
    gc.collect()
    gc.freeze()  # a collection in a copy would write to pages that it shares with us
    return _unfit(environment.app or environment.main) or {"type": "ready"}


def _unfit(what: str) -> Message:
    """Why this process cannot be copied safely, empty if it can: what another thread has locked stays so in a copy."""
    count = len(list(Path("/proc/self/task").iterdir())) - 1
    names = [one.name for one in threading.enumerate() if one is not threading.main_thread()]
    return {"type": "unfit", "why": processes.has_threads(what, names, count)} if count else {}


def _copy() -> Message:
    """Copy this process; returns the answer for the runner, and nothing in the copy.

    A process in between forks the copy and exits, so that the kernel gives the copy to the runner, which is the next
    subreaper: it can wait for it as for one that it has started itself.
    """
    _flush()  # or both would write it
    reader, writer = os.pipe()
    try:
        between = os.fork()
    except OSError as error:
        os.close(reader)
        os.close(writer)
        return {"type": "failed", "why": f"{sys.executable} could not be copied: {error}"}
    if between == 0:
        _go_between(writer)
        os.close(reader)
        return {}
    os.close(writer)
    with open(reader, "rb") as pipe:  # noqa: PTH123 - a descriptor
        pid = pipe.read()
    with suppress(ChildProcessError):  # user code ignores SIGCHLD
        os.waitpid(between, 0)
    return {"type": "copied", "pid": int(pid)} if pid else {"type": "failed", "why": "a copy died at its birth"}


def _go_between(writer: int) -> None:
    """Returns in the copy only, which leads a session of its own by then and has told its pid."""
    try:
        is_copy = os.fork() == 0
    except OSError:
        os._exit(1)
    if not is_copy:
        os._exit(0)
    os.setsid()
    os.write(writer, str(os.getpid()).encode())
    os.close(writer)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # full, or closed by user code
            stream.flush()


if __name__ == "__main__":
    main(*map(owned, sys.argv[1:]))
