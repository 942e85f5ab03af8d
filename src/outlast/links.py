"""Folders as they were when the app was made: a link such as `current` leads elsewhere after the next deploy."""

from __future__ import annotations

import os
import sys


class Links:
    """Remembers where the folders from which modules are imported have led to."""

    def __init__(self) -> None:
        self._real: dict[str, str] = {}
        for one in (os.path.dirname(sys.executable), *sys.path):  # noqa: PTH120 - as text
            self.real(one)

    def real(self, folder: str) -> str:
        """The same folder without symbolic links, as it was when it was first asked for. "" is the current one."""
        if folder and folder not in self._real:
            self._real[folder] = os.path.realpath(folder)
        return self._real.get(folder, folder)

    def real_file(self, file: str) -> str:
        """The same file in the folder without links; itself it may be one, as the interpreter of an environment is."""
        return os.path.join(self.real(os.path.dirname(file)), os.path.basename(file)) if file else file  # noqa: PTH118, PTH119, PTH120
