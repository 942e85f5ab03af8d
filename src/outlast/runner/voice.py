"""The log of a runner: written to its stderr, which is the server's, in the format of the server's own lines.

What it says while there is no server waits for the next one.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Mapping
from typing import Any

from outlast.events import hindrances
from outlast.events.event import log
from outlast.logs.lines import formatter_of
from outlast.runner.launching import Generation
from outlast.runner.output import Output
from outlast.text import MOST_NAME, one_line

PATIENCE = 2.0  # seconds in which a server that has started a runner tells what its lines look like
MOST_HELD = 100  # lines that wait for that, or for the next server


class Voice(logging.StreamHandler[Output]):
    """`is_told`: a server will say what lines look like, by `follow`; the first ones wait for it."""

    def __init__(self, output: Output, *, is_told: bool) -> None:
        super().__init__(output)
        self.setFormatter(formatter_of({}))
        self._held: list[logging.LogRecord] = []
        self._until = time.monotonic() + PATIENCE if is_told else 0.0
        self._unlike = ""

    @property
    def is_waiting(self) -> bool:
        """Whether it may be told any moment."""
        return time.monotonic() < self._until

    def fall_mute(self) -> None:
        """Let go of the stderr of a server that has gone: what was to be said before belongs there still."""
        self._write_held()
        if self.stream.move(os.devnull):
            self._until = math.inf

    def emit(self, record: logging.LogRecord) -> None:
        """Write it, if it is known how."""
        if self.is_waiting and len(self._held) < MOST_HELD:
            self._held.append(record)
        else:
            self._write_held()
            super().emit(record)

    def speak_for(self, newest: Generation | None) -> None:
        """From now on it is the log of that server, and not of one that may be there no more; None: as before."""
        if newest is not None:
            self.stream.move(newest.outputs[-1])
            self.follow(newest.environment.lines)

    def follow(self, lines: Mapping[str, Any]) -> None:
        """From now on lines look as `logs.example.told_format` has told, and those below its level are left out."""
        level = int(lines.get("level", logging.INFO))
        log.setLevel(level)
        self.setFormatter(formatter_of(lines))
        self._held = [one for one in self._held if one.levelno >= level]
        self._until = 0.0
        self._write_held()
        before, self._unlike = self._unlike, one_line(str(lines.get("unlike", "")), MOST_NAME)
        if self._unlike not in ("", before):
            hindrances.LinesNotFollowed(self._unlike).tell()

    def finish(self) -> None:
        """Write what waits, if that does not take long."""
        self._write_held()
        self.stream.finish()

    def _write_held(self) -> None:
        held, self._held = self._held, []
        for record in held:
            super().emit(record)
