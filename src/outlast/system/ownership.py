"""Whose a file or folder is, and who may write to it: what lies beside a journal decides which code is run."""

from __future__ import annotations

import errno
import grp
import os
import pwd
import stat
from collections.abc import Collection
from pathlib import Path

ROOT = 0
NOT_FOLLOWED = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def is_trusted(uid: int) -> bool:
    """Whether a user may decide what this process does: its own, and root, who may do so anyway."""
    return uid in (os.geteuid(), ROOT)


def open_own(path: Path, flags: int, owners: Collection[int] = ()) -> int:
    """Open a regular file of this user's, of root's or of `owners`; with O_CREAT, for this user alone.

    No link is followed, and nothing blocks, whatever lies there. Raises OSError.
    """
    descriptor = os.open(path, flags | NOT_FOLLOWED, 0o600)
    found = os.fstat(descriptor)
    if why := why_not_own(found, owners):
        os.close(descriptor)
        raise PermissionError(errno.EPERM, why, str(path))
    return descriptor


def why_not_own(found: os.stat_result, owners: Collection[int] = ()) -> str:
    """Why something is no file of this user's, of root's or of `owners`, as half a sentence; empty if it is."""
    if not stat.S_ISREG(found.st_mode):
        return f"it is {kind_of(found)}, not a file"
    if not is_trusted(found.st_uid) and found.st_uid not in owners:
        return f"it belongs to {user_named(found.st_uid)}"
    return ""


def others_who_write(found: os.stat_result) -> str:
    """Who, besides this user and root, decides what is in a file or folder, as half a sentence; empty if nobody.

    An access control list counts as far as the mode shows it.
    """
    if not is_trusted(found.st_uid):
        return f"it belongs to {user_named(found.st_uid)}"
    if found.st_mode & stat.S_IWOTH:
        return "everybody may write to it"
    if found.st_mode & stat.S_IWGRP and not _is_private(found.st_gid, found.st_uid):
        return f"group {group_named(found.st_gid)} may write to it"
    return ""


def inode_of(file: str | Path) -> tuple[int, int] | None:
    """Which file is at a path: its device and inode; None if none is, or nobody may look."""
    try:
        found = os.stat(file)  # noqa: PTH116 - in front of every transaction
    except OSError:
        return None
    return found.st_dev, found.st_ino


def kind_of(found: os.stat_result) -> str:
    """What something is that is no regular file."""
    kinds = {
        stat.S_IFLNK: "a symbolic link",
        stat.S_IFDIR: "a folder",
        stat.S_IFIFO: "a named pipe",
        stat.S_IFSOCK: "a socket",
        stat.S_IFREG: "a file",
    }
    return kinds.get(stat.S_IFMT(found.st_mode), "a device")


def user_named(uid: int) -> str:
    """A user as people know them, such as `app (uid 1000)`."""
    try:
        return f"{pwd.getpwuid(uid).pw_name} (uid {uid})"
    except KeyError:
        return f"uid {uid}"


def group_named(gid: int) -> str:
    """A group as people know it, such as `web (gid 33)`."""
    try:
        return f"{grp.getgrgid(gid).gr_name} (gid {gid})"
    except KeyError:
        return f"gid {gid}"


def _is_private(gid: int, uid: int) -> bool:
    """Whether a group is its user's own, as many systems give one to each: named alike, with nobody else in it."""
    try:
        group, user = grp.getgrgid(gid), pwd.getpwuid(uid)
    except KeyError:
        return False
    return group.gr_name == user.pw_name and group.gr_gid == user.pw_gid and not {*group.gr_mem} - {user.pw_name}
