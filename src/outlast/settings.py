"""One frozen Settings: arguments of `install`, then OUTLAST_* variables, then [tool.outlast], then defaults."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, TypedDict

from outlast.errors import SettingsError
from outlast.terms import size_of

PREFIX = "OUTLAST_"
RUNNER_MODES = ("auto", "external", "off")
STORE_ERROR_MODES = ("refuse", "inline")
CHILD_STARTS = ("spawn", "fork")
_MODES = {
    "runner": RUNNER_MODES,
    "on_store_error": STORE_ERROR_MODES,
    "child_start": CHILD_STARTS,
}
_SPELLINGS: Mapping[str, bool] = {
    **dict.fromkeys(("true", "yes", "on", "1", "t", "y"), True),
    **dict.fromkeys(("false", "no", "off", "0", "f", "n"), False),
}


def _default_children() -> int:
    return max(2, os.cpu_count() or 2)


_DURATIONS = (
    *("drain", "stop_wait", "linger", "grace", "stall_after", "stall_limit", "store_deadline"),
    *("keep_done", "keep_failed"),
)


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set. Durations are seconds; true may be `yes`, `on` or `1`, false `no`, `off` or `0`.

    url: where the journal is; `sqlite:///relative/path` or `sqlite:////absolute/path`.
    shared_folder: `true` uses a journal in a folder that others may write to, who may do there what the app may do.
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
    stall_after: an event loop that is silent for that long counts as blocked.
    stall_limit: a task that blocks it for that long, and has no timeout, is interrupted and runs alone next.
    grace: how long others may go on in the process of a task that does not stop when it is told, and how long a
        cancelled coroutine may clean up, before that process is ended.
    max_rss: bytes of memory, also as text such as `512M`, beyond which a task process takes no more work and is
        replaced; 0 is no limit.
    store_deadline: how long a response waits for its tasks to be stored before it is answered 503.
    on_store_error: `refuse` answers 503, `inline` runs the tasks in the web worker as FastAPI alone would.
    watch: `true` watches the event loop of web workers and keeps a black box of each, `false` does not. Task processes
        are always watched.
    child_start: `spawn` starts each task process as a fresh interpreter; `fork` copies it from one that has imported
        the app, which takes milliseconds and shares what is made at import (on Linux, for an app that starts no
        thread at import; else it is `spawn`).
    child_lifespan: `true` enters the app's lifespan in each child, `false` does not, `module:context` enters that
        async context manager instead.
    keep_done, keep_done_count, keep_failed: for how long, and how many of the newest, done tasks are kept in the
        journal, and for how long failed, cancelled and dropped ones, incidents, and processes that have ended.
    """

    url: str = "sqlite:///.outlast/journal.db"
    shared_folder: bool = False
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
    child_start: str = "spawn"
    child_lifespan: str = "true"
    keep_done: float = 86_400.0
    keep_done_count: int = 100_000
    keep_failed: float = 14 * 86_400.0

    def __post_init__(self) -> None:
        for name, modes in _MODES.items():
            _require(getattr(self, name) in modes, name, getattr(self, name), f"one of {', '.join(modes)}")
        for name in ("max_children", "loop_slots", "thread_slots", "max_crashes"):
            _require(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        for name in ("spares", "max_alone", "max_rss"):
            _require(getattr(self, name) >= 0, name, getattr(self, name), "0 or more")
        for name in _DURATIONS:
            _require(getattr(self, name) >= 0, name, getattr(self, name), "0 or more seconds")

    @classmethod
    def load(cls, environ: Mapping[str, str] | None = None, **arguments: Any) -> Settings:
        """Settings from `arguments` (None means not given), the environment, pyproject.toml and the defaults.

        environ: the variables, empty for none; None stands for those of this process.
        Raises SettingsError for a name or value that is not known, with the nearest known name, and for a
        pyproject.toml that cannot be read.
        """
        given = {name: value for name, value in arguments.items() if value is not None}
        layers = (
            _from_pyproject(Path("pyproject.toml")),
            _from_environment(os.environ if environ is None else environ),
            given,
        )
        merged: dict[str, Any] = {}
        for layer in layers:
            merged.update({_known(name): _converted(name, value) for name, value in layer.items()})
        return cls(**merged)


class GivenSettings(TypedDict, total=False):
    """What `install` takes, so that type checkers know each name; `Settings` says what they mean."""

    url: str
    shared_folder: bool
    app: str
    release: str
    runner: Literal["auto", "external", "off"]
    drain: float
    stop_wait: float
    linger: float
    max_children: int
    max_alone: int
    spares: int
    loop_slots: int
    thread_slots: int
    max_crashes: int
    stall_after: float
    stall_limit: float
    grace: float
    max_rss: int | str
    store_deadline: float
    on_store_error: Literal["refuse", "inline"]
    watch: bool
    child_start: Literal["spawn", "fork"]
    child_lifespan: bool | str
    keep_done: float
    keep_done_count: int
    keep_failed: float


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """One sentence for each OUTLAST_ variable that names no setting: a typo there would otherwise be silent."""
    return [
        f"{variable} is set but outlast has no such setting{_hint(variable.removeprefix(PREFIX).lower())}"
        for variable in sorted(environ)
        if variable.startswith(PREFIX) and variable.removeprefix(PREFIX).lower() not in _NAMES
    ]


def unread_variables(environ: Mapping[str, str]) -> list[str]:
    """One sentence for each setting that stands in a `.env` here and nowhere else: nobody reads it from there."""
    path = Path(".env")
    try:
        names = _VARIABLE.findall(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return []
    return [
        f"{name} stands in {path.absolute()}, which outlast does not read: give that file to the server "
        "(`uvicorn --env-file .env`), load it before outlast.install(app), or write it into pyproject.toml"
        for name in dict.fromkeys(names)
        if name not in environ
    ]


_VARIABLE = re.compile(rf"^\s*(?:export\s+)?({PREFIX}\w+)\s*=", re.MULTILINE)
_NAMES = tuple(field.name for field in fields(Settings))


def _truth(value: Any) -> bool:
    """What a yes or no in any of the common spellings means. Raises ValueError for anything else."""
    meant = _SPELLINGS.get(str(value).strip().lower())
    if meant is None:
        raise ValueError(value)
    return meant


def _truth_or_text(value: Any) -> str:
    """The same as `true` or `false`, for a setting that may also be something else."""
    meant = _SPELLINGS.get(str(value).strip().lower())
    return str(value) if meant is None else str(meant).lower()


_BY_TYPE: Mapping[str, Callable[[Any], Any]] = {"str": str, "int": int, "float": float, "bool": _truth}
_CONVERTERS = {field.name: _BY_TYPE[str(field.type)] for field in fields(Settings)} | {
    "max_rss": size_of,
    "child_lifespan": _truth_or_text,
}
_WANTED = {
    str: "text",
    int: "a whole number",
    float: "a number",
    size_of: "a size, in bytes or such as 512M",
    _truth: "true or false",
}


def _require(holds: bool, name: str, value: object, wanted: str) -> None:  # noqa: FBT001
    if not holds:
        raise SettingsError(f"setting {name!r} is {value!r}, but it has to be {wanted}")


def _known(name: str) -> str:
    if name in _NAMES:
        return name
    raise SettingsError(f"outlast has no setting {name!r}{_hint(name)}")


def _hint(name: str) -> str:
    near = get_close_matches(name, _NAMES, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _converted(name: str, value: Any) -> Any:
    try:
        return _CONVERTERS[_known(name)](value)
    except (TypeError, ValueError):
        wanted = _WANTED[_CONVERTERS[name]]
        raise SettingsError(f"setting {name!r} is {value!r}, but it has to be {wanted}") from None


def _from_environment(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: environ[PREFIX + name.upper()] for name in _NAMES if PREFIX + name.upper() in environ}


def _from_pyproject(path: Path) -> dict[str, Any]:
    """What [tool.outlast] says. Where a file is that cannot be read, another journal would be used without a word."""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(
            f"{path.absolute()} cannot be read, so it is not known which settings of outlast it has: {error}"
        ) from None
    return _table(_table(content, "tool", path), "outlast", path)


def _table(content: dict[str, Any], name: str, path: Path) -> dict[str, Any]:
    found = content.get(name, {})
    if not isinstance(found, dict):
        raise SettingsError(f"{name!r} in {path.absolute()} is {found!r}, but it has to be a table: [tool.outlast]")
    return found
