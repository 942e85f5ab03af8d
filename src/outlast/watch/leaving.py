"""What is called when this process ends in order, on either way that Python has for that."""

from __future__ import annotations

import atexit
import sys
from collections.abc import Callable


class Leaving:
    """Calls `call` when the interpreter ends, or when a process of multiprocessing's does, which passes atexit over."""

    def __init__(self, call: Callable[[], None]) -> None:
        self._call = call
        atexit.register(call)
        util = sys.modules.get("multiprocessing.util")
        self._finalizer = util.Finalize(None, call, exitpriority=0) if util is not None else None

    def cancel(self) -> None:
        """Do not call it any more."""
        atexit.unregister(self._call)
        if self._finalizer is not None:
            self._finalizer.cancel()
