"""What a web worker tells the runner about itself: all that a child needs to be in the same environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

from outlast.errors import OutlastError
from outlast.settings import Settings

VERSION = version("outlast")


@dataclass(frozen=True, slots=True)
class Environment:
    """Where user code runs: interpreter, folder, import path, variables, and what to import.

    `app` is `module:name`, possibly called (`module:build()`), empty when no app was found. `main` is the file of
    the program when it runs as `__main__`, empty otherwise. Kept in memory only, since variables hold secrets.
    """

    executable: str
    folder: str
    path: tuple[str, ...]
    variables: Mapping[str, str]
    app: str
    main: str
    settings: Settings

    @property
    def roots(self) -> tuple[str, ...]:
        """The folders in which modules are found."""
        return tuple(os.path.join(self.folder, one) for one in self.path)  # noqa: PTH118 - an absolute one stays

    @classmethod
    def here(cls, app: str, settings: Settings) -> Environment:
        """The environment of this process."""
        return cls(sys.executable, os.getcwd(), tuple(sys.path), dict(os.environ), app, main_file(), settings)  # noqa: PTH109


@dataclass(frozen=True, slots=True)
class Hello:
    """The first message on a connection: `process` is the id (row) of the sender in the journal.

    `serves` tells a server from a script that only asks for tasks. `environment` is None where another outlast has
    sent it, since only that one knows what it means.
    """

    process: int
    version: str
    serves: bool
    environment: Environment | None

    def message(self) -> dict[str, Any]:
        """This hello as a JSON object."""
        return {"type": "hello", **asdict(self)}

    @classmethod
    def read(cls, message: Mapping[str, Any]) -> Hello:
        """A hello from another process. Raises OutlastError when it is not one."""
        try:
            version = str(message["version"])
            environment = read_environment(message["environment"]) if version == VERSION else None
            return cls(int(message.get("process", 0)), version, bool(message.get("serves")), environment)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise OutlastError(f"a web worker said hello in a way that this runner does not know: {error!r}") from error


def read_environment(given: Mapping[str, Any]) -> Environment:
    """An Environment from its JSON object. Settings that this version does not know are left out."""
    known = {field.name for field in fields(Settings)}
    settings = Settings(**{name: value for name, value in given["settings"].items() if name in known})
    texts = {name: str(given[name]) for name in ("executable", "folder", "app", "main")}
    variables = {str(name): str(value) for name, value in given["variables"].items()}
    path = tuple(map(str, given["path"]))
    return Environment(path=path, variables=variables, settings=settings, **texts)


def main_file() -> str:
    """The file of `__main__` where it is a program whose functions other processes may need; else empty.

    `python -m package.module` has an importable name and needs no such file.
    """
    main = sys.modules.get("__main__")
    file = getattr(main, "__file__", None)
    if main is None or file is None or getattr(main, "__spec__", None) is not None:
        return ""
    return str(Path(file).absolute()) if file.endswith(".py") else ""
