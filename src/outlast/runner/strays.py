"""Processes that the kernel gives to the runner when their parents die, and that nobody else would collect."""

from __future__ import annotations

import os
from collections.abc import Collection


def reap_strays(known: Collection[int]) -> None:
    """Collect dead children of this process that are not `known`; the known are collected where their end is told.

    A known one that is found first hides others: they are found the next time.
    """
    try:
        while (dead := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) and dead.si_pid not in known:
            os.waitpid(dead.si_pid, 0)
    except ChildProcessError:  # there are none
        return
