"""A figure: what was measured in each round, beside what, and what it should be."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, Literal

HEAD = "| figure | measured | beside | ratio | aim | |\n|---|---|---|---|---|---|"


@dataclass(frozen=True, slots=True)
class Series:
    """One number per round."""

    what: str
    unit: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """The number that counts."""
        return median(self.values)

    def __str__(self) -> str:
        spread = f" ({shown(min(self.values))}-{shown(max(self.values))})" if len(self.values) > 1 else ""
        return f"{shown(self.median)} {self.unit}{spread}".replace(" %", " %")


@dataclass(frozen=True, slots=True)
class Aim:
    """A bound for the value, for its ratio to what it is beside, or for its difference from that."""

    of: Literal["value", "ratio", "difference"]
    at_least: float = -math.inf
    at_most: float = math.inf

    def is_met(self, figure: Figure) -> bool:
        """Whether the figure keeps within the bound."""
        judged = {"value": figure.measured.median, "ratio": figure.ratio, "difference": figure.difference}[self.of]
        return judged is not None and self.at_least <= judged <= self.at_most

    def text(self, unit: str) -> str:
        """The bound as people write it."""
        bound = f"≥ {shown(self.at_least)}" if self.at_least > -math.inf else f"≤ {shown(self.at_most)}"
        return {"value": f"{bound} {unit}", "ratio": bound, "difference": f"{bound} {unit} more"}[self.of]


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table. Of several aims it is enough to meet one."""

    measured: Series
    beside: Series | None = None
    aims: tuple[Aim, ...] = ()
    note: str = ""

    @property
    def ratio(self) -> float | None:
        """The median of the rounds' own ratios: drift between rounds cancels out."""
        if self.beside is None:
            return None
        return median(one / other for one, other in zip(self.measured.values, self.beside.values, strict=True))

    @property
    def difference(self) -> float | None:
        """The median of the rounds' own differences."""
        if self.beside is None:
            return None
        return median(one - other for one, other in zip(self.measured.values, self.beside.values, strict=True))

    @property
    def is_met(self) -> bool | None:
        """Whether it is what it should be; None when nothing is asked."""
        return any(aim.is_met(self) for aim in self.aims) if self.aims else None

    def row(self) -> str:
        """Its line of the markdown table."""
        beside = f"{self.beside.what}: {self.beside}" if self.beside else ""
        ratio = f"{self.ratio:.2f}" if self.ratio is not None else ""
        aim = " or ".join(aim.text(self.measured.unit) for aim in self.aims)
        verdict = {True: "met", False: "**missed**", None: ""}[self.is_met]
        return f"| {self.measured.what} | {self.measured} | {beside} | {ratio} | {aim} | {verdict} |"

    def plain(self) -> dict[str, Any]:
        """For the results file."""
        return {
            "what": self.measured.what,
            "unit": self.measured.unit,
            "measured": self.measured.values,
            "beside": self.beside and {"what": self.beside.what, "values": self.beside.values},
            "ratio": self.ratio,
            "met": self.is_met,
            "note": self.note,
        }


def shown(number: float) -> str:
    """Three significant digits, more only where there are more before the point."""
    if number == 0 or not math.isfinite(number):
        return f"{number:g}"
    digits = max(0, 2 - math.floor(math.log10(abs(number))))
    text = f"{number:,.{digits}f}".replace(",", " ")
    return text.rstrip("0").rstrip(".") if "." in text else text


def percentile(values: Iterable[float], percent: float) -> float:
    """The smallest value that `percent` of all are not above (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


def cpu_note(per: str, rounds: Sequence[Mapping[str, float]]) -> str:
    """Where the time of the processors went, in microseconds `per` task or request."""
    parts = [f"{kind} {median(one[kind] for one in rounds):.0f}" for kind in rounds[0]]
    return f"CPU µs per {per}: {', '.join(parts)}"


def table(figures: Sequence[Figure]) -> str:
    """The markdown table, with the notes below it."""
    notes = [f"- {figure.measured.what}: {figure.note}" for figure in figures if figure.note]
    return "\n".join([HEAD, *(figure.row() for figure in figures), *([""] if notes else []), *notes])


def write(file: Path, about: dict[str, Any], results: dict[str, list[Figure]]) -> None:
    """The results file: all numbers of all rounds, and where they were measured."""
    plain = {name: [figure.plain() for figure in figures] for name, figures in results.items()}
    file.write_text(json.dumps({**about, "results": plain}, indent=2) + "\n", encoding="utf-8")
