"""How processes end that this one has started: they are killed, the kernel says so, and they are collected."""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Collection
from dataclasses import dataclass

CAN_WATCH = hasattr(os, "pidfd_open")  # else a process has ended when it has hung up
REAPING_TIME = 0.2  # seconds for a process that was killed to be gone
LOOK = 0.002  # seconds between looks whether one has ended


@dataclass(frozen=True, slots=True)
class Copied:
    """A process that the kernel has made a child of this one when the process that forked it exited."""

    pid: int

    def wait(self, timeout: float) -> int:
        """Its exit status (negative: signal), once it has ended. Raises TimeoutExpired."""
        deadline = time.monotonic() + timeout
        while True:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
            if time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("a copied process", timeout)
            time.sleep(LOOK)


Handle = subprocess.Popen[bytes] | Copied
"""A living or dead child of this process, whose pid is kept until it has been waited for."""


class ExitWatch:
    """Learns of the death of a child of this process from the kernel. Raises OSError when no descriptor is left."""

    def __init__(self, pid: int, selector: selectors.BaseSelector) -> None:
        self._selector = selector
        self._descriptor = os.pidfd_open(pid)
        self._is_open = True
        self.has_ended = False
        selector.register(self._descriptor, selectors.EVENT_READ, self)

    def attend(self) -> None:
        """It is dead."""
        self.has_ended = True
        self.close()

    def close(self) -> None:
        """Watch no more."""
        if self._is_open:
            self._is_open = False
            self._selector.unregister(self._descriptor)
            os.close(self._descriptor)


def kill_group(pid: int) -> None:
    """SIGKILL a session leader and all that is in its group."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # all of it is gone
        return


def exit_status(killed: Handle) -> int:
    """How a process has ended that was killed; one that the kernel does not let go yet counts as killed.

    The kernel ends no process that waits for a disk or a file server that does not answer. It is collected as a stray.
    """
    try:
        return killed.wait(REAPING_TIME)
    except subprocess.TimeoutExpired:
        return -signal.SIGKILL


def reap_orphans(group: int) -> None:
    """Collect what a dead child had started: the runner is their subreaper."""
    try:
        while os.waitpid(-group, os.WNOHANG)[0]:
            continue
    except ChildProcessError:
        return


def reap_strays(known: Collection[int]) -> None:
    """Collect dead children of this process that are not `known`; the known are collected where their end is told.

    A known one that is found first hides others: they are found the next time.
    """
    try:
        while (dead := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) and dead.si_pid not in known:
            os.waitpid(dead.si_pid, 0)
    except ChildProcessError:  # there are none
        return
