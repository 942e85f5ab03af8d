"""What is set where nobody reads it, a sentence each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from outlast.settings.layers import PREFIX
from outlast.settings.settings import NAMES, Settings, hint

_VARIABLE = re.compile(rf"^\s*(?:export\s+)?({PREFIX}\w+)\s*=", re.MULTILINE)


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """One sentence for each OUTLAST_ variable that names no setting: a typo there would otherwise be silent."""
    return [
        f"{variable} is set but outlast has no such setting{hint(variable.removeprefix(PREFIX).lower())}"
        for variable in sorted(environ)
        if variable.startswith(PREFIX) and variable.removeprefix(PREFIX).lower() not in NAMES
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


def names_given_to_one_app(asked: Settings) -> list[str]:
    """A sentence if the command line, which imports no app, does not know all the names of `redact` that one has."""
    alone = [name for name in asked.redact if name not in Settings.load().redact]
    if not alone:
        return []
    return [
        f"redact={alone} is given to install(app) alone, so `outlast list` and `show`, which import no app, show what "
        "has these names: write it into pyproject.toml, or set OUTLAST_REDACT"
    ]
