"""What this process is: the one piece of process-wide state, besides the context variable of the current request.

It has to be known before user code is imported, and must not travel to processes that user code starts, so it is
neither a setting nor an environment variable.
"""

from __future__ import annotations

import time
import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from outlast.system.deployment import NO_HOME, Home
from outlast.system.forks import Forks

MAIN_NAME = "__outlast_main__"
"""What a program that runs as `__main__` in its web worker is called in a task process."""

Mode = Literal["", "inline", "manual", "real"]


def _nobody() -> None:
    return


@dataclass(frozen=True, slots=True)
class ProcessRole:
    """What a process is there for.

    is_child: user code runs here for the sake of tasks only: `install` then only makes `enqueue` work. child_id: the id
    (row) of this task process, 0 in others. home: in a task process, the app and the release that it runs. stash:
    there, the folder with the files that are kept for its tasks.
    """

    is_child: bool = False
    child_id: int = 0
    home: Home = NO_HOME
    wake_runner: Callable[[], None] = _nobody
    stash: Any = None


@dataclass(slots=True)
class Apps:
    """Those of this process that have outlast.

    newest: the last of the `installed`, kept whether its app is or not, so that no answer depends on when garbage is
    collected. serving: the journals of those whose lifespan is open. services: what is open for them. callbacks: whom
    they have registered for tasks that end in these states. schedules: the functions that are decorated with
    `outlast.every`, and when they run. scheduling: the app that tells of them.
    """

    installed: weakref.WeakSet[Any] = field(default_factory=weakref.WeakSet)
    newest: Any = None
    serving: list[Any] = field(default_factory=list)
    callbacks: list[tuple[Any, frozenset[Any]]] = field(default_factory=list)
    services: weakref.WeakSet[Any] = field(default_factory=weakref.WeakSet)
    schedules: list[tuple[Any, Any]] = field(default_factory=list)
    scheduling: Any = None


@dataclass(slots=True)
class Rehearsal:
    """What a test without a journal has seen so far.

    collected: the tasks that are kept to be run, in order. tasks: what is known of all, by number. sequels: what waits
    for the end of others. stashed: its files, by name, as long as somebody has them. ahead: how many seconds its clock
    is ahead.
    """

    collected: list[Any] = field(default_factory=list)
    tasks: dict[int, Any] = field(default_factory=dict)
    sequels: list[Any] = field(default_factory=list)
    stashed: weakref.WeakValueDictionary[str, Any] = field(default_factory=weakref.WeakValueDictionary)
    ahead: float = 0.0


@dataclass(slots=True)
class Files:
    """What must not be opened twice, or closed by the way, since POSIX locks are the process's.

    locks: by the file they are in. others: databases that were named as a journal and are none, with their inodes.
    """

    locks: weakref.WeakValueDictionary[Path, Any] = field(default_factory=weakref.WeakValueDictionary)
    others: list[tuple[Any, Any]] = field(default_factory=list)


@dataclass(slots=True)
class ThisProcess:
    """`mode` is how tests want tasks to run.

    real_folders: by `links`, what folders have led to. rehearsal: what a test without a journal has seen. overrides:
    settings that a test puts in place of those of the apps, by name. unguarded_line: where its program has asked for
    tasks, and would again if it was imported; 0 for nowhere. forks: who is told when this process forks. files: what it
    has open.
    """

    role: ProcessRole = ProcessRole()
    apps: Apps = field(default_factory=Apps)
    mode: Mode = ""
    real_folders: dict[str, str] = field(default_factory=dict)
    rehearsal: Rehearsal = field(default_factory=Rehearsal)
    overrides: Mapping[str, Any] = field(default_factory=dict)
    unguarded_line: int = 0
    forks: Forks = field(default_factory=Forks)
    files: Files = field(default_factory=Files)

    @property
    def is_rehearsing(self) -> bool:
        """Whether it is a test's, and tasks run in it, with what the test has put in the place of other things."""
        return self.mode in ("inline", "manual")


this = ThisProcess()


def now() -> float:
    """The time, in seconds since the epoch; in a test that has moved its clock, what that says."""
    return time.time() + this.rehearsal.ahead


def in_task_process() -> bool:
    """Whether this is a process of outlast's in which tasks run, not a web worker or a script.

    It is known before the app's module is imported there, so that `if not outlast.in_task_process():` keeps what has to
    be there only once, such as a scheduler, in the web worker: at the top of a module, and in the lifespan.
    """
    return this.role.is_child


def become_template() -> None:
    """From now on this is what task processes are copied from: what is imported here sees itself in one of them."""
    this.role = ProcessRole(is_child=True)


def become_child(process_id: int, home: Home, wake_runner: Callable[[], None], stash: object = None) -> None:
    """From now on this is the task process `process_id` (row). `wake_runner` tells of new tasks of `home`."""
    this.role = ProcessRole(is_child=True, child_id=process_id, home=home, wake_runner=wake_runner, stash=stash)


def adopt(app: object) -> None:
    """From now on `enqueue` outside of a request means this app, whichever was installed last."""
    this.apps.newest = getattr(getattr(app, "state", None), "outlast", None) or this.apps.newest
