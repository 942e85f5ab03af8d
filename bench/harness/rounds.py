"""How much is measured, and in which order."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Size:
    """`repeat` rounds of each measurement; a quick one is for trying the bench out, not for figures.

    rows: how many finished tasks a journal has in `prune`; 0 is its own number.
    """

    repeat: int
    is_quick: bool
    with_peers: bool = False
    rows: int = 0

    def pick(self, full: T, quick: T) -> T:
        """The one that this size asks for."""
        return quick if self.is_quick else full


def interleaved(rounds: int, measures: Mapping[str, Callable[[], T]]) -> dict[str, list[T]]:
    """Each of `measures` once per round, the order turned in every other one: drift meets them all."""
    found: dict[str, list[T]] = {name: [] for name in measures}
    for number in range(rounds):
        for name in list(measures) if number % 2 == 0 else reversed(list(measures)):
            say(f"  round {number + 1} of {rounds}: {name}")
            found[name].append(measures[name]())
    return found


def say(line: str) -> None:
    """Progress, for whoever waits."""
    print(line, file=sys.stderr, flush=True)
