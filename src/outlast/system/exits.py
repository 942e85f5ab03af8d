"""How a process ended that is not our child: the kernel keeps that for whoever holds a pidfd of it (Linux 6.15)."""

from __future__ import annotations

import fcntl
import os
import struct
from contextlib import suppress

from outlast.system.kernel import stat_of

_GET_INFO = (3 << 30) | (64 << 16) | (0xFF << 8) | 11  # PIDFD_GET_INFO, linux/pidfd.h
_EXIT = 1 << 3  # PIDFD_INFO_EXIT
_REQUEST = struct.Struct("<Q56x")
_MASK, _EXIT_CODE = struct.Struct("<Q"), struct.Struct("<i")
_EXIT_CODE_AT = 60


def watch_exit(pid: int) -> int | None:
    """A descriptor that outlives the process; None where the kernel has none, or the process is gone."""
    if not hasattr(os, "pidfd_open"):
        return None
    try:
        return os.pidfd_open(pid)
    except OSError:
        return None


def exit_status(pid: int, descriptor: int) -> int | None:
    """The exit status of a process that has ended, negative for a signal; None while it lives, or if nobody tells.

    Until its parent has reaped it, it is a zombie, of which proc_pid_stat(5) tells; from then on its pidfd does.
    """
    info = bytearray(_REQUEST.pack(_EXIT))
    with suppress(OSError):
        fcntl.ioctl(descriptor, _GET_INFO, info)
        if _MASK.unpack_from(info)[0] & _EXIT:
            return os.waitstatus_to_exitcode(_EXIT_CODE.unpack_from(info, _EXIT_CODE_AT)[0])
    return _status_of_zombie(pid)


def _status_of_zombie(pid: int) -> int | None:
    """The pid is not given to another process as long as it is one."""
    stat = stat_of(pid)
    return os.waitstatus_to_exitcode(int(stat[-1])) if stat[:1] == ["Z"] else None
