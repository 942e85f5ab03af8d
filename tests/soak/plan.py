"""What is asked for, and who is killed: all of it follows from one seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

CHAIN, LAST_LINK = "chain", 1_000_000  # of two tasks: the number of the second one is so much larger
KILLERS = ("is_killed", "exits", "segfaults")
SHARES = {
    "sleeps": 46.4,
    "awaits": 46.4,
    CHAIN: 2.0,
    "retried": 1.0,
    "resumes": 1.0,
    "limited": 2.0,
    "alone": 2.0,
    "fails": 1.0,
    "blocks": 0.1,
}
KILLERS_SHARE = 0.1  # per cent, of all three
LONGEST = 0.05  # seconds
BLOCKED = 1.2  # seconds, for so much longer: it is seen then


@dataclass(frozen=True, slots=True)
class Asked:
    """One task: `kind` is a function of the app, `seconds` how long it takes at least."""

    number: int
    kind: str
    seconds: float


def with_links(plan: Sequence[Asked]) -> list[Asked]:
    """All tasks that come of a plan: a chain has two."""
    return [
        *plan,
        *(replace(one, number=one.number + LAST_LINK, kind="last link") for one in plan if one.kind == CHAIN),
    ]


def planned(count: int, seed: int) -> list[Asked]:
    """`count` tasks, numbered from 0."""
    chance = random.Random(seed)  # noqa: S311 - nothing is secret here
    kinds, weights = [*SHARES, *KILLERS], [*SHARES.values(), *[KILLERS_SHARE / len(KILLERS)] * len(KILLERS)]
    return [
        Asked(number, kind, round(chance.uniform(0, LONGEST) + BLOCKED * (kind == "blocks"), 4))
        for number, kind in enumerate(chance.choices(kinds, weights, k=count))
    ]
