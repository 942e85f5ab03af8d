"""Where a journal lies and its processes meet: its path, whose the folder is, and what is wrong with the disk."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from outlast.errors import JournalUnusable, SettingsError, StoreFailed
from outlast.events import journal as words
from outlast.settings.settings import Settings
from outlast.system.links import working_folder
from outlast.system.ownership import NOT_FOLLOWED, is_trusted, others_who_write, why_not_own
from outlast.system.place import Place

SCHEME = "sqlite:///"
NETWORK_FILE_SYSTEMS = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ncpfs", "9p", "ceph", "glusterfs", "lustre", "beegfs"}
    | {"fuse.sshfs", "fuse.glusterfs", "fuse.s3fs", "fuse.rclone"}
)
PASSING_FILE_SYSTEMS = frozenset({"tmpfs", "ramfs", "overlay"})
_LOGIN = re.compile(r"//.*@|\?.*", re.DOTALL)  # of the url of a server: a password may be in either
SIDES = ("", "-wal", "-shm")  # SQLite's names: the file, its write-ahead log, the index of that
SERVERLESS_VARIABLES = ("AWS_LAMBDA_FUNCTION_NAME", "FUNCTION_TARGET", "K_SERVICE", "VERCEL")


def journal_path(url: str) -> Path:
    """The absolute path in `url`, `sqlite:///relative` or `sqlite:////absolute`.

    Raises SettingsError for another scheme, for a path that names no file, and for one that others take for none.
    """
    if why := _names_no_file(url):
        raise SettingsError(f"setting 'url' is {_shown(url)!r}, but {why}")
    return Path(working_folder(), url.removeprefix(SCHEME))


def _shown(url: str) -> str:
    """Without the login and the options of a server's."""
    return url if url.startswith(SCHEME) else _LOGIN.sub("…", url)


def _names_no_file(url: str) -> str:
    """Why it is hardly meant to name a file; empty if it may be. Others who read such urls take some otherwise."""
    path = url.removeprefix(SCHEME)
    name = path.rpartition("/")[2]
    if path == url or not name:
        return "it has to look like sqlite:///folder/journal.db"
    if name == ":memory:":
        return "what is in memory outlasts nothing: name a file, such as sqlite:///folder/journal.db"
    if path.startswith("~"):
        return "`~` is a home to shells alone: write the whole path, such as sqlite:////home/me/folder/journal.db"
    return "it takes no options behind a `?`" if "?" in name else ""


def url_at(place: Place) -> str:
    """The url of the journal that is a file at `place`, for `open_journal` and `open_history`."""
    return f"{SCHEME}{place.journal}"


def place_of(settings: Settings) -> Place:
    """Where the journal of an app is. Raises SettingsError, as `journal_path` does."""
    state = Path(working_folder(), settings.state_folder) if settings.state_folder else None
    return Place.of(journal_path(settings.url), is_shared=settings.shared_folder, state=state)


@contextmanager
def reached(path: Path) -> Iterator[None]:
    """The same for what the system says of files and folders."""
    try:
        yield
    except PermissionError as error:
        raise JournalUnusable(words.journal_closed(path, error)) from error
    except OSError as error:
        raise StoreFailed(words.journal_not_written(path, error)) from error


def prepare_folder(place: Place) -> None:
    """Make the journal's folder, and that of its state, readable by their owner only and ignored by git.

    Raises JournalUnusable when one cannot be made, when others may write to it or to what is in it, or when the journal
    lies on a network file system, where locks do not hold.
    """
    for folder in place.folders:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise JournalUnusable(f"{_called(place, folder)} cannot be made: {error}") from error
    if refused := refusal_of(place):
        raise JournalUnusable(refused)
    kind = file_system_of(place.folder)
    if kind in NETWORK_FILE_SYSTEMS:
        raise JournalUnusable(
            f"the journal {place.journal} is on a network file system ({kind}), where SQLite's locks do not hold: "
            "set OUTLAST_URL to a path on a local disk"
        )
    for folder in place.folders:
        _ignore_in_git(folder)


def refusal_of(place: Place) -> str:
    """Why a journal is not used there, in one sentence that ends with the remedy; empty if it is, or nothing is there.

    A row of the journal names the function that is run, and to a runner a web worker tells its environment: so nobody
    else may write to the folder, nor to the files in it. Setting `shared_folder` allows the former.
    """
    try:
        folders = {one: one.stat() for one in place.folders if one.exists()}
    except OSError:  # whoever opens the journal finds out
        return ""
    for folder, found in folders.items():
        who = "" if place.is_shared else others_who_write(found)
        if who:
            return _folder_refused(place, folder, found, who)
    return next(_files_refused(place), "")


def why_not_written(place: Place) -> str:
    """Why this process cannot write a journal there, in one sentence that ends with the remedy; empty if it can.

    For a folder that is not there yet, whether it can be made.
    """
    for one in (place.journal, *place.folders):
        nearest = next(there for there in (one, *one.parents) if os.access(there, os.F_OK))
        is_way = nearest == place.journal or nearest.is_dir()
        if not (is_way and os.access(nearest, _all_of(nearest), effective_ids=True)):
            return (_state_not_written if one not in (place.journal, place.folder) else _not_written)(place, nearest)
    return ""


def _all_of(path: Path) -> int:
    """What this process has to be allowed there."""
    return os.W_OK | os.R_OK | (os.X_OK if path.is_dir() else 0)


def _not_written(place: Place, kept_from: Path) -> str:
    return (
        f"the journal {place.journal} cannot be written, since {kept_from} {_why(kept_from)}: no background task can "
        "be stored, and requests with one are answered 503 (or run it inline: `on_store_error`), until that can be "
        "written or another folder is named: set OUTLAST_URL to one that is kept, such as "
        "sqlite:////var/lib/app/journal.db"
    )


def _state_not_written(place: Place, kept_from: Path) -> str:
    return (
        f"the state folder {place.state} cannot be used, since {kept_from} {_why(kept_from)}: background tasks are "
        "stored, but no runner can be reached there, so none runs, until that can be written or "
        "OUTLAST_STATE_FOLDER names another one"
    )


def _why(kept_from: Path) -> str:
    if os.access(kept_from, _all_of(kept_from), effective_ids=True):
        return "is a file, not a folder"
    is_read_only = bool(os.statvfs(kept_from).f_flag & os.ST_RDONLY)
    return "is on a file system that can only be read" if is_read_only else f"is not writable for user {os.geteuid()}"


def _called(place: Place, folder: Path) -> str:
    return f"the journal's folder {folder}" if folder == place.folder else f"the state folder {folder}"


def _folder_refused(place: Place, folder: Path, found: os.stat_result, who: str) -> str:
    own, example = "OUTLAST_URL to a folder of its own", f"sqlite:///{folder / 'outlast' / place.name}"
    if folder != place.folder:
        own, example = "OUTLAST_STATE_FOLDER to one of its own", f"{folder / 'outlast'}"
    is_ours = found.st_uid == os.geteuid() and not found.st_mode & stat.S_ISVTX
    chmod = f", or `chmod go-w {folder}`" if is_ours else ""
    return (
        f"{_called(place, folder)} is not for this user alone ({who}), and whoever can write there decides what code "
        f"is run here, and may be told passwords: set {own}, such as {example}{chmod}, or OUTLAST_SHARED_FOLDER=true "
        "if you know who that is (see SECURITY.md)"
    )


def _files_refused(place: Place) -> Iterator[str]:
    owners = place.owners()
    files = [Path(f"{place.journal}{side}") for side in SIDES]
    for file in (*files, place.presence, place.turns, place.locks):
        with suppress(OSError):  # it is not there, or nobody may look: whoever opens the journal finds out
            found = file.lstat()
            why = why_not_own(found, owners) or ("" if place.is_shared else others_who_write(found))
            if why:
                yield _file_refused(place.journal, file, found, why)


def _file_refused(journal: Path, file: Path, found: os.stat_result, why: str) -> str:
    if stat.S_ISLNK(found.st_mode):
        remedy = "remove it, or set OUTLAST_URL to the path that it leads to"
    elif not is_trusted(found.st_uid):
        remedy = "run this as that user, or remove it if nobody needs it"
    elif stat.S_ISREG(found.st_mode):
        remedy = f"`chmod go-w {file}`"
    elif stat.S_ISFIFO(found.st_mode) or stat.S_ISSOCK(found.st_mode):
        remedy = "remove it"
    else:  # a folder or a device is somebody's: nobody shall remove it for this
        folder = file if stat.S_ISDIR(found.st_mode) else file.parent
        remedy = f"set OUTLAST_URL to a file, such as sqlite:///{folder / 'journal.db'}"
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
