"""To end the runner of a journal from outside, and to wait until it has gone."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress

from outlast.system.liveness import living_runner
from outlast.system.place import Place

LOOK = 0.05  # seconds


def end_runner(place: Place, runner: int, *, now: bool) -> None:
    """One signal lets it drain, another one ends it at once. It may already be about to leave."""
    with suppress(ProcessLookupError):
        for _ in range(1 + now):
            os.kill(runner, signal.SIGTERM)
            time.sleep(LOOK)  # two that come together count as one
    while living_runner(place) == runner:
        time.sleep(LOOK)
