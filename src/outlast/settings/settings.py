"""One frozen Settings: arguments of `install`, then OUTLAST_* variables, then [tool.outlast], then defaults."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from difflib import get_close_matches
from typing import Any

from outlast.errors import OptionError, SettingsError
from outlast.settings.layers import layers
from outlast.settings.values import APP, BY_TYPE, LIFESPAN, SIZE
from outlast.tasks.limits import QueueSettings
from outlast.tasks.log import MOST_LOG
from outlast.tasks.options import DEFAULTS, by_default
from outlast.tasks.outcome import MOST_RESULT
from outlast.tasks.policy import MOST_DELAY
from outlast.tasks.task import TaskOptions

_MODES = {
    "runner": ("auto", "external", "off"),
    "on_store_error": ("refuse", "inline"),
    "child_start": ("spawn", "fork"),
}


def _default_children() -> int:
    return max(2, os.cpu_count() or 2)


_RANGES = (
    (1, 10**6, "from 1 to 1000000", ("max_children", "max_alone", "loop_slots", "thread_slots", "max_crashes")),
    (0, 10**6, "from 0 to 1000000", ("spares",)),
    (0, 10**12, "from 0 to 1000000000000", ("keep_done_count",)),
    (0, MOST_RESULT, "from 0 to 1 MiB", ("max_result",)),
    (0, MOST_LOG, "from 0 to 1 MiB", ("max_log",)),
    (0.01, MOST_DELAY, "at least 0.01 seconds, at most 100 years", ("stall_after", "stall_limit", "store_deadline")),
    (0, MOST_DELAY, "0 or more seconds, at most 100 years", ("drain", "stop_wait", "linger", "grace")),
    (0, float("inf"), "0 or more seconds", ("keep_done", "keep_failed")),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set. Durations are seconds; true may be `yes`, `on` or `1`, false `no`, `off` or `0`.

    url: where the journal is; `sqlite:///relative/path` or `sqlite:////absolute/path`.
    shared_folder: `true` uses a journal in a folder that others may write to, who may do there what the app may do.
    state_folder: where the runner's socket and the black boxes are, in a folder for each journal; empty means: beside
        the journal. All processes of a journal need the same one, and have to find the journal at the same path.
    app: the app that children import, `module:name`; empty means: ask the server, then look for it.
    release: how this release of the app's code is called; empty means: by what stands in the files of the project that
        are imported when the server has started.
    runner: `auto` starts a runner when there is none, `external` leaves that to `outlast worker`, `off` only stores.
    drain: how long running tasks may go on after the last web worker has left.
    stop_wait: how long the stop of the last web worker waits until the tasks that run have ended; at most `drain`. Has
        to be shorter than what the server, or what stops it, allows for a graceful stop.
    linger: how long a runner stays for the next web worker.
    max_children: how many task processes there may be. Default: one per core, at least 2.
    loop_slots, thread_slots: how many tasks of each lane run at once in one child.
    max_crashes: a task that has ended its process that many times is not run again.
    max_alone: how many processes there may be, beside those, for tasks that run alone.
    spares: how many processes wait, ready, for tasks that run alone and for those of a process that dies.
    stall_after: an event loop that is silent for that long counts as blocked; 0.01 at least.
    stall_limit: a task that blocks it for that long, and has no timeout, is interrupted and runs alone next. A task
        process whose import or lifespan takes that long (10 s at least) is ended, and the next one has twice the time.
    grace: how long others may go on in the process of a task that does not stop when it is told, and how long a
        cancelled coroutine may clean up, before that process is ended.
    max_rss: bytes of memory, also as text such as `512M`, beyond which a task process takes no more work and is
        replaced; 0 is no limit.
    store_deadline: how long a response waits for its tasks to be stored before it is answered 503.
    on_store_error: `refuse` answers 503, `inline` runs the tasks in the web worker as FastAPI alone would.
    watch: `true` watches the event loop of web workers and keeps a black box of each, as always of task processes.
    gc_freeze: `true` leaves what a web worker has when it has started out of Python's garbage collections, which are
        shorter by that; what of it becomes garbage later, in a circle, stays. `false` changes nothing.
    child_start: `spawn` starts each task process as a fresh interpreter; `fork` copies it from one that has imported
        the app, which takes milliseconds and shares what is made at import (on Linux, for an app that starts no
        thread at import; else it is `spawn`).
    child_lifespan: `true` enters the app's lifespan in each child, `false` does not, `module:context` enters that
        async context manager instead.
    redact: more names, of parameters, keys, fields and context variables, whose values people are not shown; as text
        with commas between them, too. The usual ones (password, token, api_key …) are known.
    keep_done, keep_done_count, keep_failed: for how long, and how many of the newest, done tasks are kept in the
        journal, and for how long failed, cancelled and dropped ones, incidents, and processes that have ended.
    max_result: bytes of JSON, also as text such as `64K`, that the journal keeps of what a task returns; 0 keeps none.
        At most 1 MiB.
    max_log: the same of what an attempt prints and logs: the end of it.
    max_stash: bytes, also as text such as `200M`, that a file may have which is stashed for tasks; 0 is no limit.
    queues: by name, the limits of all tasks of a queue: `{"mail": {"concurrency": 4, "rate": "10/s", "max_waiting":
        1000}}`; as a variable in JSON. How many run at once, in all processes, how often one begins, and how many may
        wait before more are refused.
    options: those of all functions that do not say otherwise, `{"retries": 3, "timeout": 60}`; as a variable in JSON.
    """

    url: str = "sqlite:///.outlast/journal.db"
    shared_folder: bool = False
    state_folder: str = ""
    app: str = ""
    release: str = ""
    runner: str = "auto"
    drain: float = 25.0
    stop_wait: float = 0.0
    linger: float = 10.0
    max_children: int = _default_children()
    max_alone: int = _default_children()
    spares: int = 1
    loop_slots: int = 1000
    thread_slots: int = 40
    max_crashes: int = 2
    stall_after: float = 1.0
    stall_limit: float = 60.0
    grace: float = 10.0
    max_rss: int = 0
    store_deadline: float = 2.0
    on_store_error: str = "refuse"
    watch: bool = True
    gc_freeze: bool = True
    child_start: str = "spawn"
    child_lifespan: str = "true"
    redact: tuple[str, ...] = ()
    keep_done: float = 86_400.0
    keep_done_count: int = 100_000
    keep_failed: float = 14 * 86_400.0
    max_result: int = 64 << 10
    max_log: int = 64 << 10
    max_stash: int = 1 << 30
    queues: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "redact", tuple(self.redact))  # a list where it comes from another process
        for name, modes in _MODES.items():
            _require(getattr(self, name) in modes, name, getattr(self, name), f"one of {', '.join(modes)}")
        for least, most, wanted, names in _RANGES:
            for name in names:
                _require(least <= getattr(self, name) <= most, name, getattr(self, name), wanted)
        for name in self.queues:
            self.queue(name)
        self.default_options()

    def default_options(self) -> TaskOptions:
        """Those of functions that do not say otherwise. Raises SettingsError."""
        try:
            return by_default(self.options)
        except OptionError as error:
            raise SettingsError(f"setting 'options': {error}") from None

    @property
    def max_waiting(self) -> dict[str, int]:
        """How many tasks may wait in a queue, of those that say so."""
        said = {name: self.queue(name).max_waiting for name in self.queues}
        return {name: most for name, most in said.items() if most is not None}

    def queue(self, name: str) -> QueueSettings:
        """What is set for a queue. Raises SettingsError."""
        try:
            return QueueSettings.read(name, self.queues.get(name, {}))
        except OptionError as error:
            raise SettingsError(f"setting 'queues': {error}") from None

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None, **arguments: Any) -> Settings:
        """Settings from `arguments` (None means not given), the environment, pyproject.toml and the defaults.

        environ: the variables, empty for none; None stands for those of this process.
        Raises SettingsError for a name or value that is not known, with the nearest known name, and for a
        pyproject.toml that cannot be read.
        """
        merged: dict[str, Any] = {}
        for layer in layers(NAMES, environ, arguments).values():
            merged.update({_known(name): _converted(name, value) for name, value in layer.items()})
        return cls(**merged)


def origins(**arguments: Any) -> dict[str, str]:
    """Where each setting that `Settings.load` gives has its value from: what is not among them has its default."""
    return {
        name: origin.format(name.upper()) for origin, layer in layers(NAMES, None, arguments).items() for name in layer
    }


NAMES = tuple(field.name for field in fields(Settings))
_KINDS = {field.name: BY_TYPE[str(field.type)] for field in fields(Settings)} | {
    "app": APP,
    "child_lifespan": LIFESPAN,
    **dict.fromkeys(("max_rss", "max_result", "max_log", "max_stash"), SIZE),
}


def _require(holds: bool, name: str, value: object, wanted: str) -> None:  # noqa: FBT001
    if not holds:
        raise SettingsError(f"setting {name!r} is {value!r:.100}, but it has to be {wanted}")


def _known(name: str) -> str:
    if name in NAMES:
        return name
    raise SettingsError(f"outlast has no setting {name!r}{hint(name)}")


def hint(name: str) -> str:
    """What may have been meant by a name that no setting has, to be put behind a sentence; else empty."""
    near = get_close_matches(name, NAMES, n=1)
    of_tasks = f"; of tasks it is an option: options={{{name!r}: ...}}" if name in DEFAULTS else ""
    return of_tasks or (f"; did you mean {near[0]!r}?" if near else "")


def _converted(name: str, value: Any) -> Any:
    kind = _KINDS[_known(name)]
    try:
        return kind.read(value)
    except (TypeError, ValueError, OverflowError):
        raise SettingsError(f"setting {name!r} is {value!r:.100}, but it has to be {kind.wanted}") from None
