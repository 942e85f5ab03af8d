"""What a process has besides its folder and its variables, and passes on to nobody that somebody else starts."""

from __future__ import annotations

import locale
import os
import resource
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from outlast.text import in_one_line

Limits = Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Of one process.

    arguments: `sys.argv`. umask: None where it is not known. locale: as `locale.setlocale` takes it, empty if unknown.
    limits: of resources, soft and hard, by the names that they have in `resource`.
    """

    arguments: tuple[str, ...] = ()
    umask: int | None = None
    locale: str = ""
    limits: Limits = field(default_factory=dict)

    @classmethod
    def here(cls) -> Surroundings:
        """Those of this process."""
        return cls(tuple(sys.argv), _umask(), _locale(), _limits())

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Surroundings:
        """From a JSON object."""
        limits = {str(name): (int(soft), int(hard)) for name, (soft, hard) in given.get("limits", {}).items()}
        umask = given.get("umask")
        arguments = tuple(map(str, given.get("arguments", ())))
        return cls(arguments, None if umask is None else int(umask), str(given.get("locale", "")), limits)

    def take_over(self) -> list[str]:
        """Let this process have them; returns a sentence for each that it may not have."""
        if self.arguments:
            sys.argv[:] = self.arguments
        if self.umask is not None:
            os.umask(self.umask)
        return [*self._take_locale(), *self._take_limits()]

    def _take_locale(self) -> Iterator[str]:
        if self.locale and self.locale != _locale():
            try:
                locale.setlocale(locale.LC_ALL, self.locale)
            except locale.Error as error:
                yield f"tasks cannot have the server's locale {self.locale}: {in_one_line(error)}"

    def _take_limits(self) -> Iterator[str]:
        here = _limits()
        for name, (soft, hard) in self.limits.items():
            if name not in here or here[name] == (soft, hard):
                continue
            try:
                _set_limit(name, soft, hard)
            except (OSError, ValueError) as error:  # only root may raise the hard one, which is this process's
                yield f"tasks cannot have the server's limit {name} ({_shown(soft)}): {in_one_line(error)}"


def _set_limit(name: str, soft: int, hard: int) -> None:
    """Both; where the hard one may not be raised, the soft one alone."""
    number = getattr(resource, name)
    with suppress(OSError, ValueError):
        resource.setrlimit(number, (soft, hard))
        return
    resource.setrlimit(number, (soft, resource.getrlimit(number)[1]))


def _shown(limit: int) -> str:
    return "none" if limit == resource.RLIM_INFINITY else str(limit)


def _umask() -> int | None:
    """To ask os.umask would change it, for other threads too."""
    with suppress(OSError, ValueError, IndexError):
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        return int(status.partition("\nUmask:")[2].split(None, 1)[0], 8)
    return None


def _locale() -> str:
    with suppress(locale.Error):
        return locale.setlocale(locale.LC_ALL)
    return ""


def _limits() -> dict[str, tuple[int, int]]:
    names = [name for name in dir(resource) if name.startswith("RLIMIT_")]
    found = {}
    for name in names:
        with suppress(OSError, ValueError):  # of another kernel
            found[name] = resource.getrlimit(getattr(resource, name))
    return found
