"""Pieces that sentences are made of."""

from __future__ import annotations

from collections.abc import Sequence

from outlast.ids import shown

_UNITS = (("day", 86_400), ("hour", 3_600), ("minute", 60))
WEB_WORKER, TASK_PROCESS = "web worker", "task process"  # what `process_kind` is, beside `runner`


def an(name: str) -> str:
    """A name with its article."""
    return f"an {name}" if name[0] in "aeiouAEIO" else f"a {name}"


def mib(size: int) -> str:
    """A number of bytes."""
    return f"{size / (1 << 20):.0f} MiB"


def lasting(seconds: float) -> str:
    """A time that people choose: in days, or less where it is less than one."""
    unit, size = next(((unit, size) for unit, size in _UNITS if seconds >= size), ("second", 1))
    amount = f"{seconds / size:,.1f}".removesuffix(".0").replace(",", " ")
    return f"{amount} {unit}{'s' * (amount != '1')}"


def by_now(times: int) -> str:
    """Behind what is said again."""
    return f" ({times} times by now)" if times > 1 else ""


def tasks(count: int) -> str:
    """So many of them."""
    return f"{count} task{'s' * (count != 1)}"


def named(tasks: Sequence[int], most: int = 5) -> str:
    """The ids of tasks, as far as they are few."""
    if not tasks:
        return "no task"
    shown_ones = ", ".join(shown(one) for one in tasks[:most])
    return shown_ones if len(tasks) <= most else f"{shown_ones} and {len(tasks) - most} more"
