"""What this process is: the one piece of process-wide state, besides the context variable of the current request.

It has to be known before user code is imported, and must not travel to processes that user code starts, so it is
neither a setting nor an environment variable.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from outlast.deployments import NO_HOME, Home
from outlast.forks import Forks

if TYPE_CHECKING:
    from outlast.app import Outlast
    from outlast.callbacks import Callback
    from outlast.liveness import Liveness
    from outlast.request.boxed import BoxedTask
    from outlast.request.store import Store
    from outlast.service import Service
    from outlast.tasks import State

MAIN_NAME = "__outlast_main__"
"""What a program that runs as `__main__` in its web worker is called in a task process."""

Mode = Literal["", "inline", "manual", "real"]


def _nobody() -> None:
    return


@dataclass(frozen=True, slots=True, eq=False)
class Served:
    """An app whose lifespan is open, and how its tasks run meanwhile."""

    outlast: Store
    mode: Mode


@dataclass(slots=True)
class ThisProcess:
    """`child_id` is this task process's id (row), 0 in a web worker. `mode` is how tests want tasks to run.

    is_child: user code runs here for the sake of tasks only: `install` then only makes `enqueue` work.
    home: in a task process, the app and the release that it runs. real_folders: by `links`, what folders have led to.
    collected: the tasks that mode `manual` has kept for the test, in order.
    unguarded_line: where its program has asked for tasks, and would again if it was imported; 0 for nowhere.
    overrides: settings that a test puts in place of those of the apps, by name.
    installed: the apps that have outlast. newest: the last of them, kept whether its app is or not, so that no answer
    depends on when garbage is collected. serving: those whose lifespan is open. services: what is open for them.
    forks: who is told when this process forks. callbacks: whom the app has registered for tasks that end in these
    states. locks: by the file that they are in.
    """

    child_id: int = 0
    is_child: bool = False
    wake_runner: Callable[[], None] = _nobody
    mode: Mode = ""
    home: Home = NO_HOME
    real_folders: dict[str, str] = field(default_factory=dict)
    collected: list[BoxedTask] = field(default_factory=list)
    overrides: Mapping[str, Any] = field(default_factory=dict)
    unguarded_line: int = 0
    installed: weakref.WeakSet[Outlast] = field(default_factory=weakref.WeakSet)
    newest: Outlast | None = None
    serving: list[Served] = field(default_factory=list)
    services: weakref.WeakSet[Service] = field(default_factory=weakref.WeakSet)
    forks: Forks = field(default_factory=Forks)
    callbacks: list[tuple[Callback, frozenset[State]]] = field(default_factory=list)
    locks: weakref.WeakValueDictionary[Path, Liveness] = field(default_factory=weakref.WeakValueDictionary)


this = ThisProcess()


def in_task_process() -> bool:
    """Whether this is a process of outlast's in which tasks run, not a web worker or a script.

    It is known before the app's module is imported there, so that `if not outlast.in_task_process():` keeps what has to
    be there only once, such as a scheduler, in the web worker: at the top of a module, and in the lifespan.
    """
    return this.is_child


def become_template() -> None:
    """From now on this is what task processes are copied from: what is imported here sees itself in one of them."""
    this.is_child = True


def become_child(process: int, home: Home, wake_runner: Callable[[], None]) -> None:
    """From now on this is the task process with the id (row) `process`. `wake_runner` tells of new tasks of `home`."""
    this.is_child = True
    this.home = home
    this.child_id = process
    this.wake_runner = wake_runner


def adopt(app: object) -> None:
    """From now on `enqueue` outside of a request means this app, whichever was installed last."""
    this.newest = getattr(getattr(app, "state", None), "outlast", None) or this.newest
