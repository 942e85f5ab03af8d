"""A wall clock that a test can set, in every Python process that has this folder in PYTHONPATH.

It is as many seconds off as the symbolic link SET_CLOCK says; a link, since it is replaced and read in one step.
"""

import os
import time

_time, _time_ns = time.time, time.time_ns


def _offset() -> int:
    return int(os.readlink(os.environ["SET_CLOCK"]))  # noqa: PTH115 - pathlib takes long to import


time.time = lambda: _time() + _offset()
time.time_ns = lambda: _time_ns() + _offset() * 1_000_000_000
