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
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


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


def boot_id() -> str:
    """Names this boot of this machine, so that clocks of two boots are not compared; empty where nothing tells."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""


def state_of(pid: int) -> str:
    """The letter for what a process does (proc_pid_stat(5)), such as R, S, Z; empty where nothing tells."""
    return next(iter(stat_of(pid)), "")


def is_stopped(pid: int) -> bool:
    """Whether a process stands still until somebody lets it go on: SIGSTOP, ^Z, a debugger."""
    return state_of(pid) in ("T", "t")


def catches(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal (SigCgt in proc_pid_status(5)); without one it may end of it."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return False
    caught = next((int(line.split()[1], 16) for line in lines if line.startswith("SigCgt:")), 0)
    return bool(caught >> (number - 1) & 1)


def start_of(pid: int) -> int:
    """When a process was started, in ticks since the boot (proc_pid_stat(5)): with its pid it tells it from all others.

    0 where nothing tells, or there is none.
    """
    stat = stat_of(pid)
    return int(stat[19]) if stat else 0


def stat_of(pid: int) -> list[str]:
    """What the kernel tells of a process, from its state on; empty where it tells nothing."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return []
    return text.rpartition(")")[2].split()
