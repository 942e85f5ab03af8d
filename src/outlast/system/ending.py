"""To end the runner of a journal from outside, and to wait until it has gone."""

from __future__ import annotations

import math
import os
import signal
import time
from contextlib import suppress

from outlast.system.liveness import living_runner
from outlast.system.place import Place

LOOK = 0.05  # seconds
AGAIN = 1.0  # seconds until it is told once more to end at once


def end_runner(place: Place, runner: int, *, now: bool) -> None:
    """One signal lets it drain, another one ends it at once. It may already be about to leave."""
    _tell(runner)
    again = time.monotonic() + LOOK if now else math.inf
    while living_runner(place) == runner:
        time.sleep(LOOK)
        if time.monotonic() > again:  # and again: two that come together count as one
            _tell(runner)
            again = time.monotonic() + AGAIN


def _tell(runner: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(runner, signal.SIGTERM)
