"""Folders as they were when the app was made.

A link such as `current` leads elsewhere after the next deploy, and the working folder may be removed by it.
"""

from __future__ import annotations

import os
import sys
from contextlib import suppress

from outlast.system.process import this


def remember_folders() -> None:
    """Where the folders from which modules are imported lead to now, and the interpreter's own."""
    with suppress(FileNotFoundError):
        this.real_folders[os.curdir] = os.getcwd()  # noqa: PTH109 - as text
    for one in (os.path.dirname(sys.executable), *sys.path):  # noqa: PTH120 - as text
        real(one)


def working_folder() -> str:
    """The path of this process's; where that was removed, as it was: another one may be there by now.

    Raises FileNotFoundError where it was gone before an app was made.
    """
    try:
        return os.getcwd()  # noqa: PTH109 - as text
    except FileNotFoundError:
        if os.curdir in this.real_folders:
            return this.real_folders[os.curdir]
        raise


def from_here(path: str) -> str:
    """An absolute path as people look for it, from the working folder on."""
    return os.path.relpath(path, working_folder())


def real(folder: str) -> str:
    """A folder without symbolic links, as it was when this process first asked for it; "" is the current one."""
    if folder and folder not in this.real_folders:
        this.real_folders[folder] = os.path.realpath(folder)
    return this.real_folders.get(folder, folder)


def real_file(file: str) -> str:
    """A file in its folder without links; itself it may be one, as the interpreter of an environment is."""
    return os.path.join(real(os.path.dirname(file)), os.path.basename(file)) if file else file  # noqa: PTH118, PTH119, PTH120
