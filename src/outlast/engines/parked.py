"""Tasks that the code of their last try did not know: what keeps them, and their way back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import apsw

from outlast import waits
from outlast.engines import statements as sql
from outlast.engines.contract import CLAIM_BYTES, Parked
from outlast.engines.incidents import as_text
from outlast.engines.moves import note
from outlast.engines.rows import claimed

MOST_GROUPS = 200  # of tasks that are parked for one reason; more show themselves when these have gone


def groups(rows: Iterable[Sequence[Any]]) -> list[Parked]:
    """Of the rows of `sql.PARKED`, as many as are not too large together; what cannot be read stays where it is."""
    found: list[Parked] = []
    size = 0
    for *attempt, reason, count, _ in rows:
        try:
            example = claimed(attempt)
        except ValueError:
            continue
        size += len(example.arguments)
        if size > CLAIM_BYTES:
            break
        found.append(Parked(example, as_text(reason), count))
    return found


def unpark(connection: apsw.Connection, group: Parked, before: float, now: float) -> int:
    """Let a group wait again, those of it that were parked before `before`; returns how many it were."""
    old, new = group.example.home, group.home or group.example.home
    values = (old.app, old.release, group.example.function, group.reason, before, new.app, new.release)
    moved: list[Any] = connection.execute(sql.UNPARK, values).fetchall()
    note(connection, ((one, "unparked", attempt, waits.KNOWN_AGAIN, None) for one, attempt in moved), now)
    return len(moved)
