"""A place in code, and whose code it is: the project's own, or a library's."""

from __future__ import annotations

import os
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from traceback import walk_tb

from outlast.packages import is_installed
from outlast.text import frames_of

_LIBRARIES = tuple({f"{sysconfig.get_path(name)}{os.sep}" for name in ("stdlib", "platstdlib", "purelib", "platlib")})
_OURS = f"{Path(__file__).parents[1]}{os.sep}"


@dataclass(frozen=True, slots=True)
class Site:
    """Where code was. `line` is 0 for a function without source; `call` the piece of source that ran, or empty."""

    function: str
    file: str
    line: int
    call: str = ""

    def __str__(self) -> str:
        return f"{self.function} ({self.file}:{self.line})" if self.line else f"{self.function} ({self.file})"


def is_library(file: str) -> bool:
    """Whether a source file belongs to Python or an installed package."""
    return file.startswith((*_LIBRARIES, "<frozen")) or is_installed(file)


def is_users(file: str) -> bool:
    """Whether a source file is the project's own."""
    return not is_library(file) and not file.startswith(("<", _OURS))


def place_of(error: BaseException) -> str:
    """The innermost code of the project that an exception came from, else the innermost; empty if it has none."""
    site = site_of(error)
    return str(site) if site else ""


def site_of(error: BaseException) -> Site | None:
    """The same as a record; None if it has none."""
    sites = [(frame.f_code, line) for frame, line in walk_tb(frames_of(error))]
    for code, line in [*(one for one in reversed(sites) if is_users(one[0].co_filename)), *sites[-1:]]:
        return Site(code.co_qualname, shown_file(code.co_filename), line)
    return None


def shown_file(file: str) -> str:
    """A source file as people look for it: from the working folder on, else its last two parts."""
    try:
        return str(Path(file).relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(Path(*Path(file).parts[-2:]))
