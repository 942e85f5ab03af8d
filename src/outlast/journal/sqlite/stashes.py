"""Which of the files that are stashed for tasks these still need."""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable
from pathlib import Path

from outlast.journal.read import StashedFiles
from outlast.journal.sqlite import statements as sql
from outlast.journal.sqlite.reading import WITH_STASH, Reading


class SqliteStashedFiles(StashedFiles):
    """The verbs of `read.StashedFiles`."""

    def __init__(self, path: Path) -> None:
        self._file = Reading(path)

    def version(self) -> Hashable:
        return self._file.version_now()

    def needed(self, names: Iterable[str]) -> dict[str, bool]:
        if self._file.version < WITH_STASH:
            return {}
        return {
            name: bool(is_needed) for name, is_needed in self._file.rows(sql.IS_STASHED, (json.dumps(list(names)),))
        }

    def of(self, task: int) -> list[str]:
        if self._file.version < WITH_STASH:
            return []
        return [str(name) for (name,) in self._file.rows(sql.STASHED_FOR, (task,))]
