"""Where a SQLite journal lies: its path, its folder, and what is wrong with the file system below it."""

from __future__ import annotations

import os
from pathlib import Path

from outlast.errors import JournalUnusable, SettingsError

SCHEME = "sqlite:///"
NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ncpfs", "9p", "ceph", "glusterfs", "lustre", "beegfs"}
    | {"fuse.sshfs", "fuse.glusterfs", "fuse.s3fs", "fuse.rclone"}
)
PASSING_FILE_SYSTEMS = frozenset({"tmpfs", "ramfs", "overlay"})
SERVERLESS_VARIABLES = ("AWS_LAMBDA_FUNCTION_NAME", "FUNCTION_TARGET", "K_SERVICE", "VERCEL")


def journal_path(url: str) -> Path:
    """The absolute path in `url`, `sqlite:///relative` or `sqlite:////absolute`.

    Raises SettingsError for another scheme or an empty path.
    """
    if not url.startswith(SCHEME) or url == SCHEME:
        raise SettingsError(f"setting 'url' is {url!r}, but it has to look like sqlite:///folder/journal.db")
    return Path(url.removeprefix(SCHEME)).absolute()


def prepare_folder(path: Path) -> None:
    """Make the journal's folder, readable by its owner only and ignored by git.

    Raises JournalUnusable when it cannot be made or lies on a network file system, where locks do not hold.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _ignore_in_git(path.parent)
    except OSError as error:
        raise JournalUnusable(f"the journal's folder {path.parent} cannot be made: {error}") from error
    kind = file_system_of(path.parent)
    if kind in NETWORK_FILE_SYSTEMS:
        raise JournalUnusable(
            f"the journal {path} is on a network file system ({kind}), where SQLite's locks do not hold: "
            "set OUTLAST_URL to a path on a local disk"
        )


def doubts_about(path: Path) -> list[str]:
    """One sentence for each reason why this place may not outlast the machine."""
    kind = file_system_of(path.parent)
    doubts = []
    if kind in PASSING_FILE_SYSTEMS:
        doubts.append(f"the journal {path} is on {kind}: it is gone when the machine or the container is")
    found = [name for name in SERVERLESS_VARIABLES if name in os.environ]
    if found:
        doubts.append(f"{found[0]} is set: a serverless host freezes or ends processes, so tasks may wait there")
    return doubts


def file_system_of(folder: Path) -> str:
    """The type of the file system that `folder` is on, such as `ext4`; empty where the kernel does not tell."""
    try:
        mounts = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    place = folder.resolve()
    kinds = {_mount_point(line): line.split(" - ", 1)[1].split()[0] for line in mounts if " - " in line}
    holders = [point for point in kinds if place.is_relative_to(point)]
    return kinds[max(holders, key=lambda point: len(point.parts))] if holders else ""


def _mount_point(line: str) -> Path:
    return Path(line.split()[4].replace("\\040", " "))


def _ignore_in_git(folder: Path) -> None:
    ignore = folder / ".gitignore"
    if folder.name.startswith(".") and not ignore.exists():
        ignore.write_text("*\n", encoding="utf-8")
