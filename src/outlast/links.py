"""Folders as they were when the app was made: a link such as `current` leads elsewhere after the next deploy."""

from __future__ import annotations

import os
import sys

from outlast.process import this


def remember_folders() -> None:
    """Where the folders from which modules are imported lead to now, and the interpreter's own."""
    for one in (os.path.dirname(sys.executable), *sys.path):  # noqa: PTH120 - as text
        real(one)


def real(folder: str) -> str:
    """A folder without symbolic links, as it was when this process first asked for it; "" is the current one."""
    if folder and folder not in this.real_folders:
        this.real_folders[folder] = os.path.realpath(folder)
    return this.real_folders.get(folder, folder)


def real_file(file: str) -> str:
    """A file in its folder without links; itself it may be one, as the interpreter of an environment is."""
    return os.path.join(real(os.path.dirname(file)), os.path.basename(file)) if file else file  # noqa: PTH118, PTH119, PTH120
