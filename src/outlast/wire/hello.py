"""What a web worker tells the runner about itself: all that a child needs to be in the same environment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from importlib.metadata import version
from typing import Any

from outlast.errors import OutlastError
from outlast.settings.settings import Settings
from outlast.system.deployment import Deployment
from outlast.system.links import real, real_file, working_folder
from outlast.system.place import Address
from outlast.system.program import file_to_run
from outlast.system.surroundings import Surroundings
from outlast.text import MOST_NAME, in_one_line, one_line

VERSION = version("outlast")


@dataclass(frozen=True, slots=True)
class Environment:
    """Where user code runs: interpreter, folder, import path, variables, and what to import.

    `app` is `module:name`, possibly called (`module:build()`), empty when no app was found. `main` is the file of
    the program where its functions can only be had by running it, else empty. `flags` are those of the interpreter,
    such as -O. Kept in memory only, since variables hold secrets. `logging` is how it is set up there (`logs.setup`),
    `lines` how those of outlast look (`logs.example`), `listens` whether callbacks want to be told of ends, `declares`
    whether a task process tells which schedules the code has, since no server does: these may change while the rest is
    the same environment still.
    """

    executable: str
    folder: str
    path: tuple[str, ...]
    variables: Mapping[str, str]
    app: str
    main: str
    settings: Settings
    flags: tuple[str, ...] = ()
    surroundings: Surroundings = field(default_factory=Surroundings)
    logging: Mapping[str, Any] = field(default_factory=dict, compare=False)
    lines: Mapping[str, Any] = field(default_factory=dict, compare=False)
    listens: bool = field(default=False, compare=False)
    declares: bool = field(default=False, compare=False)

    @property
    def roots(self) -> tuple[str, ...]:
        """The folders in which modules are found."""
        return tuple(os.path.join(self.folder, one) for one in self.path)  # noqa: PTH118 - an absolute one stays

    @property
    def lifespan(self) -> str:
        """Whose lifespan a task process enters, such as `main:app`; empty if none."""
        setting = self.settings.child_lifespan
        return {"true": self.app, "false": ""}.get(setting, setting) if self.app else ""

    @classmethod
    def here(cls, app: str, settings: Settings) -> Environment:
        """The environment of this process, without symbolic links on the way to its code."""
        folder, path, variables = working_folder(), tuple(map(real, sys.path)), dict(os.environ)
        executable, main = real_file(sys.executable), real_file(file_to_run())
        flags, surroundings = interpreter_flags(), Surroundings.here()
        return cls(executable, folder, path, variables, app, main, settings, flags, surroundings)


@dataclass(frozen=True, slots=True)
class Hello:
    """The first message on a connection: `process` is the id (row) of the sender in the journal.

    `serves` tells a server from a script that only asks for tasks. `environment` is None where another outlast has
    sent it, since only that one knows what it means. journal: the one it means, where it has been told. deployment:
    which app it runs, and which release of it.
    """

    process: int
    version: str
    serves: bool
    environment: Environment | None
    journal: Address = field(default_factory=Address)
    deployment: Deployment = field(default_factory=Deployment)

    def message(self) -> dict[str, Any]:
        """This hello as a JSON object."""
        return {"type": "hello", **asdict(self)}

    @classmethod
    def read(cls, message: Mapping[str, Any]) -> Hello:
        """A hello from another process. Raises OutlastError when it is not one."""
        try:
            version = one_line(str(message["version"]), MOST_NAME)
            environment = read_environment(message["environment"]) if version == VERSION else None
            deployment = Deployment.read(message.get("deployment")) if environment else Deployment()
            told = (environment, _address(message.get("journal")), deployment)
            return cls(int(message.get("process", 0)), version, bool(message.get("serves")), *told)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            why = in_one_line(error)
            raise OutlastError(f"a web worker said hello in a way that this runner does not know: {why}") from error


def _address(given: Mapping[str, Any] | None) -> Address:
    """That of the journal; empty from an outlast that did not tell it yet."""
    return Address(str(given["path"]), int(given["device"]), int(given["inode"])) if given else Address()


def read_environment(given: Mapping[str, Any]) -> Environment:
    """An Environment from its JSON object. Settings that this version does not know are left out."""
    known = {field.name for field in fields(Settings)}
    settings = Settings(**{name: value for name, value in given["settings"].items() if name in known})
    variables = {str(name): str(value) for name, value in given["variables"].items()}
    path, flags = (tuple(map(str, given.get(name, ()))) for name in ("path", "flags"))
    logging, lines = (dict(given.get(name, {})) for name in ("logging", "lines"))
    executable, folder, app, main = (str(given[name]) for name in ("executable", "folder", "app", "main"))
    around = Surroundings.read(given.get("surroundings", {}))
    told = (bool(given.get("listens")), bool(given.get("declares")))
    return Environment(executable, folder, path, variables, app, main, settings, flags, around, logging, lines, *told)


def interpreter_flags() -> tuple[str, ...]:
    """With which this interpreter was started: those that multiprocessing passes on, and all of `-X`."""
    flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    options = (name if value is True else f"{name}={value}" for name, value in sys._xoptions.items())
    return (*flags, *(word for option in options if option not in flags for word in ("-X", option)))
