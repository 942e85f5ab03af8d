"""A place in code, as people look for it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from traceback import walk_tb

from outlast.system.links import working_folder
from outlast.system.whose import is_users
from outlast.text import frames_of


@dataclass(frozen=True, slots=True)
class Site:
    """Where code was. `line` is 0 for a function without source; `call` the piece of source that ran, or empty."""

    function: str
    file: str
    line: int
    call: str = ""

    def __str__(self) -> str:
        return f"{self.function} ({self.file}:{self.line})" if self.line else f"{self.function} ({self.file})"


def site_of(error: BaseException) -> Site | None:
    """The innermost code of the project that an exception came from, else the innermost; None if it has none."""
    sites = [(frame.f_code, line) for frame, line in walk_tb(frames_of(error))]
    for code, line in [*(one for one in reversed(sites) if is_users(one[0].co_filename)), *sites[-1:]]:
        return Site(code.co_qualname, shown_file(code.co_filename), line)
    return None


def shown_file(file: str) -> str:
    """A source file as people look for it: from the working folder on, else its last two parts."""
    try:
        return str(Path(file).relative_to(working_folder()))
    except (ValueError, OSError):
        return str(Path(*Path(file).parts[-2:]))
