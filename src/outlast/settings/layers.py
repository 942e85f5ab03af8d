"""Where settings stand: in pyproject.toml, in variables, in the arguments of a call."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from outlast.errors import SettingsError

PREFIX = "OUTLAST_"


def layers(
    names: Iterable[str], environ: Mapping[str, str] | None, arguments: Mapping[str, Any]
) -> dict[str, Mapping[str, Any]]:
    """What is set, by where that is done; the nearer ones come later.

    names: of the settings there are.
    environ: the variables, empty for none; None stands for those of this process.
    Raises SettingsError for a pyproject.toml that cannot be read.
    """
    return {
        "pyproject.toml": _from_pyproject(Path("pyproject.toml")),
        f"{PREFIX}{{}}": _from_environment(names, os.environ if environ is None else environ),
        "argument": {name: value for name, value in arguments.items() if value is not None},
    }


def _from_environment(names: Iterable[str], environ: Mapping[str, str]) -> dict[str, str]:
    return {name: environ[PREFIX + name.upper()] for name in names if PREFIX + name.upper() in environ}


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
