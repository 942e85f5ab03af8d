"""Where a SQLite journal lies: its path, whose its folder is, and what is wrong with the file system below it."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from outlast.errors import JournalUnusable, SettingsError
from outlast.ownership import NOT_FOLLOWED, is_trusted, others_who_write, why_not_own
from outlast.place import Place
from outlast.settings import Settings

SCHEME = "sqlite:///"
NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ncpfs", "9p", "ceph", "glusterfs", "lustre", "beegfs"}
    | {"fuse.sshfs", "fuse.glusterfs", "fuse.s3fs", "fuse.rclone"}
)
PASSING_FILE_SYSTEMS = frozenset({"tmpfs", "ramfs", "overlay"})
SIDES = ("", "-wal", "-shm")  # SQLite's names: the file, its write-ahead log, the index of that
SERVERLESS_VARIABLES = ("AWS_LAMBDA_FUNCTION_NAME", "FUNCTION_TARGET", "K_SERVICE", "VERCEL")


def journal_path(url: str) -> Path:
    """The absolute path in `url`, `sqlite:///relative` or `sqlite:////absolute`.

    Raises SettingsError for another scheme or an empty path.
    """
    if not url.startswith(SCHEME) or url == SCHEME:
        raise SettingsError(f"setting 'url' is {url!r}, but it has to look like sqlite:///folder/journal.db")
    return Path(url.removeprefix(SCHEME)).absolute()


def place_of(settings: Settings) -> Place:
    """Where the journal of an app is. Raises SettingsError, as `journal_path` does."""
    return Place.of(journal_path(settings.url), is_shared=settings.shared_folder)


def prepare_folder(place: Place) -> None:
    """Make the journal's folder, readable by its owner only and ignored by git.

    Raises JournalUnusable when it cannot be made, when others may write to it or to what is in it, or when it lies on a
    network file system, where locks do not hold.
    """
    folder = place.folder
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise JournalUnusable(f"the journal's folder {folder} cannot be made: {error}") from error
    if refused := refusal_of(place):
        raise JournalUnusable(refused)
    kind = file_system_of(folder)
    if kind in NETWORK_FILE_SYSTEMS:
        raise JournalUnusable(
            f"the journal {place.journal} is on a network file system ({kind}), where SQLite's locks do not hold: "
            "set OUTLAST_URL to a path on a local disk"
        )
    _ignore_in_git(folder)


def refusal_of(place: Place) -> str:
    """Why a journal is not used there, in one sentence that ends with the remedy; empty if it is, or nothing is there.

    A row of the journal names the function that is run, and to a runner a web worker tells its environment: so nobody
    else may write to the folder, nor to the files in it. Setting `shared_folder` allows the former.
    """
    try:
        folder = place.folder.stat()
    except OSError:  # it is not there yet, or whoever opens the journal finds out
        return ""
    who = "" if place.is_shared else others_who_write(folder)
    if who:
        return _folder_refused(place, folder, who)
    return next(_files_refused(place), "")


def why_not_written(place: Place) -> str:
    """Why this process cannot write a journal there, in one sentence that ends with the remedy; empty if it can.

    For a folder that is not there yet, whether it can be made.
    """
    there = [one for one in (place.journal, place.folder, *place.folder.parents) if os.access(one, os.F_OK)]
    needed = there[: 2 if there[0] == place.journal else 1]
    kept_from = next((one for one in needed if not os.access(one, _all_of(one), effective_ids=True)), None)
    return _not_written(place, kept_from) if kept_from else ""


def _all_of(path: Path) -> int:
    """What this process has to be allowed there."""
    return os.W_OK | os.R_OK | (os.X_OK if path.is_dir() else 0)


def _not_written(place: Place, kept_from: Path) -> str:
    is_read_only = bool(os.statvfs(kept_from).f_flag & os.ST_RDONLY)
    why = "is on a file system that can only be read" if is_read_only else f"is not writable for user {os.geteuid()}"
    return (
        f"the journal {place.journal} cannot be written, since {kept_from} {why}: no background task can be stored, "
        "and requests with one are answered 503 (or run it inline: `on_store_error`), until that can be written or "
        "another folder is named: set OUTLAST_URL to one that is kept, such as sqlite:////var/lib/app/journal.db"
    )


def _folder_refused(place: Place, folder: os.stat_result, who: str) -> str:
    own = f"set OUTLAST_URL to a folder of its own, such as sqlite:///{place.folder / 'outlast' / place.name}"
    is_ours = folder.st_uid == os.geteuid() and not folder.st_mode & stat.S_ISVTX
    chmod = f", or `chmod go-w {place.folder}`" if is_ours else ""
    return (
        f"the journal's folder {place.folder} is not for this user alone ({who}), and whoever can write there decides "
        f"what code is run here, and may be told passwords: {own}{chmod}, or OUTLAST_SHARED_FOLDER=true if you know "
        "who that is (see SECURITY.md)"
    )


def _files_refused(place: Place) -> Iterator[str]:
    owners = place.owners()
    files = [Path(f"{place.journal}{side}") for side in SIDES]
    for file in (*files, place.presence, place.turns, place.locks):
        with suppress(FileNotFoundError):
            found = file.lstat()
            why = why_not_own(found, owners) or ("" if place.is_shared else others_who_write(found))
            if why:
                yield _file_refused(place.journal, file, found, why)


def _file_refused(journal: Path, file: Path, found: os.stat_result, why: str) -> str:
    if stat.S_ISLNK(found.st_mode):
        remedy = "remove it, or set OUTLAST_URL to the path that it leads to"
    elif not is_trusted(found.st_uid):
        remedy = "run this as that user, or remove it if nobody needs it"
    else:
        remedy = f"`chmod go-w {file}`" if stat.S_ISREG(found.st_mode) else "remove it"
    return f"the journal {journal} is not used, since its file {file.name} is not this user's alone ({why}): {remedy}"


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
    """Into a hidden folder, if that can be written. What lies there already stays, whatever it is."""
    if not folder.name.startswith("."):
        return
    with suppress(OSError):
        descriptor = os.open(folder / ".gitignore", os.O_WRONLY | os.O_CREAT | os.O_EXCL | NOT_FOLLOWED, 0o644)
        with os.fdopen(descriptor, "wb") as ignore:
            ignore.write(b"*\n")
