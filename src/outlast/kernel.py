"""What only the kernel can promise: children that die with their parent, orphans that come back to it."""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import socket
import sys
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36


def become_subreaper() -> None:
    """Orphaned grandchildren become children of this process, so that it can end and reap them (Linux)."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_other_end_of(lifeline: socket.socket) -> None:
    """Have the kernel kill this process group when the other end of `lifeline` is closed (Linux: F_SETSIG of fcntl(2)).

    Exits now if that has happened already. Nothing may ever be sent on it: that would kill, too. A parent-death
    signal would reach this process alone, and what user code has forked would run on beside the rerun (measured).
    """
    if sys.platform != "linux":
        return
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, -os.getpgid(0))
    fcntl.fcntl(lifeline, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(lifeline, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
    try:
        lifeline.recv(1)
    except BlockingIOError:  # it is open
        return
    os._exit(1)


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def boot_id() -> str:
    """Names this boot of this machine, so that clocks of two boots are not compared; empty where nothing tells."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


_PF_EXITING = 0x4  # linux/sched.h


def is_exiting(pid: int) -> bool:
    """Whether a process has begun to end, before its parent can be told; True, too, where nothing tells.

    It closes its files on the way, so that its connections are over a moment before it is.
    """
    stat = _stat_of(pid)
    return not stat or stat[0] in ("Z", "X") or bool(int(stat[6]) & _PF_EXITING)


def start_of(pid: int) -> int:
    """When a process was started, in ticks since the boot (proc_pid_stat(5)): with its pid it tells it from all others.

    0 where nothing tells, or there is none.
    """
    stat = _stat_of(pid)
    return int(stat[19]) if stat else 0


def _stat_of(pid: int) -> list[str]:
    """What the kernel tells of a process, from its state on; empty where it tells nothing."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()
