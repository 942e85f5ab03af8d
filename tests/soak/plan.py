"""What is asked for, and who is killed: all of it follows from one seed."""

from __future__ import annotations

import random
from dataclasses import dataclass

KILLERS = ("is_killed", "exits", "crashes")
SHARES = {"plain": 48.4, "awaits": 48.4, "alone": 2.0, "raises": 1.0, "blocks": 0.1}
KILLERS_SHARE = 0.1  # per cent, of all three
LONGEST = 0.05  # seconds


@dataclass(frozen=True, slots=True)
class Asked:
    """One task: `kind` is a function of the app, `seconds` how long it takes at least."""

    number: int
    kind: str
    seconds: float


def planned(count: int, seed: int) -> list[Asked]:
    """`count` tasks, numbered from 0."""
    chance = random.Random(seed)  # noqa: S311 - nothing is secret here
    kinds, weights = [*SHARES, *KILLERS], [*SHARES.values(), *[KILLERS_SHARE / len(KILLERS)] * len(KILLERS)]
    return [
        Asked(number, kind, round(chance.uniform(0, LONGEST), 4))
        for number, kind in enumerate(chance.choices(kinds, weights, k=count))
    ]
