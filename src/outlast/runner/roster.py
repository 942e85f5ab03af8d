"""Who is there of the task processes, by what they do, and who is not needed."""

from __future__ import annotations

from collections.abc import Collection

from outlast.runner.children import Child
from outlast.runner.staff import Counts, Limits, Role

SURPLUS_IDLE = 60.0  # seconds after which a child that is not needed leaves


def in_role(children: Collection[Child], role: Role) -> list[Child]:
    """Those that stay and do this."""
    return [child for child in children if child.role is role and child.stays]


def spares(children: Collection[Child]) -> list[Child]:
    """Those that wait, most of them before the lifespan, which they enter when they are needed."""
    return [child for child in in_role(children, Role.SPARE) if child.has_imported]


def counts(children: Collection[Child], coming: int) -> Counts:
    """How many there are; whoever comes waits at first."""
    shared, alone, spares = (len(in_role(children, role)) for role in (Role.SHARED, Role.ALONE, Role.SPARE))
    return Counts(shared, alone, spares + coming)


def surplus(children: Collection[Child], limits: Limits, now: float) -> list[Child]:
    """Those that are to leave: one shared process and the spares stay however long they are idle.

    Of more than may share, those with least to do finish what they have, since another pool needs their place.
    """
    shared = sorted(in_role(children, Role.SHARED), key=lambda child: len(child.attempts))
    leaving = shared[: max(0, len(shared) - limits.max_children)]
    ready = [child for child in shared if child.accepts(Role.SHARED, now) and child not in leaving]
    for members, kept in ((ready, 1), (spares(children), limits.spares)):
        idle = [one for one in members if not one.attempts and now - one.idle_since > SURPLUS_IDLE]
        leaving += idle[: max(0, len(members) - kept)]
    return leaving
