"""A folder on a real disk with a journal of its own, and the processes that belong to it."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outlast.errors import JournalUnusable
from outlast.journal.engines import open_history
from outlast.journal.location import PASSING_FILE_SYSTEMS, file_system_of
from outlast.journal.sqlite.opening import connect
from outlast.system.liveness import Liveness
from outlast.system.place import Place as MeetingPlace

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Place:
    """`environment` leads programs to the journal and to this package."""

    folder: Path

    @property
    def journal(self) -> Path:
        """The journal's file; there is none before the first task."""
        return self.folder / ".outlast" / "journal.db"

    @property
    def environment(self) -> dict[str, str]:
        """Variables for the processes of this place: none of outlast's own but the journal's URL."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("OUTLAST_")}
        return {**inherited, "PYTHONPATH": str(ROOT), "OUTLAST_URL": f"sqlite:///{self.journal}"}

    def unfinished(self) -> int:
        """How many tasks are held, waiting or running."""
        return int(self.ask("SELECT count(*) FROM task WHERE state <= 2"))

    def last_end(self) -> float:
        """When the newest end was settled, in seconds since the epoch."""
        return float(self.ask("SELECT max(ended_at) FROM task"))

    def drain(self, within: float = 120.0) -> None:
        """Wait until no task is unfinished."""
        eventually(lambda: self.unfinished() == 0, "all tasks are finished", within)

    def living(self, kind: str) -> list[int]:
        """Pids of the processes of a kind (`web`, `runner`, `child`) that the kernel says are alive."""
        liveness = Liveness(MeetingPlace.of(self.journal))
        present = open_history(f"sqlite:///{self.journal}").summary(0.0).processes
        return [one.pid for one in present if one.kind == kind and liveness.holder(one.id) is not None]

    def end_processes(self) -> None:
        """Runner and children outlive their server for a while: not here."""
        with suppress(JournalUnusable, FileNotFoundError):
            for kind in ("runner", "child", "web"):
                for pid in self.living(kind):
                    with suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
            eventually(lambda: not self.living("runner") + self.living("child"), "its processes are gone")

    def ask(self, query: str) -> float:
        """The one number that `query` gives, 0 for none."""
        connection = connect(self.journal, 1.0, read_only=True)
        try:
            row: Any = connection.execute(query).fetchone()
        finally:
            connection.close()
        return float(row[0] or 0)


@contextmanager
def place() -> Iterator[Place]:
    """A new folder, which goes with all its processes at the end."""
    base = cache() / "run"
    base.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=base))
    here = Place(folder)
    try:
        yield here
    finally:
        here.end_processes()
        shutil.rmtree(folder, ignore_errors=True)


def cache() -> Path:
    """Where the bench works. In the user's cache: /tmp is often in memory, where fsync costs nothing."""
    folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "outlast-bench"
    folder.mkdir(parents=True, exist_ok=True)
    kind = file_system_of(folder)
    if kind in PASSING_FILE_SYSTEMS - {"overlay"}:
        raise SystemExit(f"{folder} is on {kind}, where fsync costs nothing: set XDG_CACHE_HOME to a disk")
    return folder


def eventually(holds: Callable[[], object], what: str, within: float = 30.0) -> None:
    """Wait until `holds()` is true. Raises TimeoutError after `within` seconds."""
    deadline = time.monotonic() + within
    while not holds():
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {within:g} s: {what}")
        time.sleep(0.02)
