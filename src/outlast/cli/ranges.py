"""Numbers on a command line, as far as they mean something."""

from __future__ import annotations

import math
from typing import Any

import click

MOST = 10**9
DAY = 86_400.0  # seconds
count_from_1 = click.IntRange(1, MOST)
count_from_0 = click.IntRange(0, MOST)


class Seconds(click.FloatRange):
    """A time that has an end: `nan` is none, and `inf` is said by leaving it out."""

    name = "seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """As click calls it."""
        found = float(super().convert(value, param, ctx))
        if not math.isfinite(found):
            self.fail(f"{value!r} is not a number of seconds.", param, ctx)
        return found
