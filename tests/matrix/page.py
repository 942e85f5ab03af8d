"""The page of the matrix, and the same as JSON. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from string import Template

from tests.matrix.cell import Cell
from tests.matrix.plan import OUTLAST, PEERS, SERVERS, STOCK, TASKFLOW, Pace
from tests.matrix.verdict import Fate

TITLES = {STOCK: "FastAPI alone", TASKFLOW: "fastapi-taskflow", OUTLAST: "outlast"}
COMMANDS = {
    "uvicorn": "`uvicorn main:app`",
    "gunicorn uvicorn_worker": "`gunicorn -w 1 -t {timeout} -k uvicorn_worker.UvicornWorker main:app`",
    "gunicorn asgi": "`gunicorn -w 1 -t {timeout} -k asgi main:app`",
}


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Where and when it was measured; `versions` by package."""

    day: str
    machine: str
    memory_limit: str
    versions: Mapping[str, str]
    seconds: float


def as_json(cells: Sequence[Cell], circumstances: Circumstances) -> str:
    """Every cell with what was measured in it."""
    pace = asdict(Pace())
    return json.dumps(
        {**asdict(circumstances), "pace": pace, "cells": [_as_json(cell) for cell in cells]},
        indent=1,
        ensure_ascii=False,
    )


def _as_json(cell: Cell) -> dict[str, object]:
    place: dict[str, object] = {"way": cell.way.name, "peer": cell.peer, "server": cell.server, "words": cell.words}
    if cell.evidence is None:
        return place
    seen = {key: _rounded(value) for key, value in asdict(cell.evidence).items() if key != "innocents"}
    fates = {name: fate.value for name, fate in cell.fates}
    innocents = [{**asdict(one), "fate": fates[one.name]} for one in cell.evidence.innocents]
    return {**place, **seen, "innocents": innocents}


def _rounded(value: object) -> object:
    return round(value, 2) if isinstance(value, float) else value


def as_page(cells: Sequence[Cell], circumstances: Circumstances, template: str) -> str:
    """The page for people; `template` has its words."""
    pace = Pace()
    return Template(template).substitute(
        summary=summary(cells),
        tables="\n\n".join(
            f"### {COMMANDS[server].format(timeout=pace.timeout)}\n\n{table(cells, server)}" for server in SERVERS
        ),
        versions=", ".join(f"{package} {version}" for package, version in circumstances.versions.items()),
        day=circumstances.day,
        machine=circumstances.machine,
        minutes=f"{circumstances.seconds / 60:.0f}",
        memory=circumstances.memory_limit,
        blocked_twice=f"{2 * pace.blocked:g}",
        **{name: f"{value:g}" for name, value in asdict(pace).items()},
    )


def table(cells: Sequence[Cell], server: str) -> str:
    """One table with a row for each way and a column for each app."""
    words = {(cell.way.title, cell.peer): cell.words for cell in cells if cell.server == server}
    titles = list(dict.fromkeys(title for title, _ in words))
    peers = [peer for peer in PEERS if any(peer == one for _, one in words)]
    lines = ["| | " + " | ".join(TITLES[peer] for peer in peers) + " |", "|---" * (len(peers) + 1) + "|"]
    lines += [f"| {title} | " + " | ".join(words[title, peer] for peer in peers) + " |" for title in titles]
    return "\n".join(lines)


def summary(cells: Sequence[Cell]) -> str:
    """How many cells of each app lost a task, and in how many the web server hung."""
    lines = ["| | " + " | ".join(TITLES[peer] for peer in PEERS) + " |", "|---" * (len(PEERS) + 1) + "|"]
    of = {peer: [cell for cell in cells if cell.peer == peer and cell.evidence] for peer in PEERS}
    counts = {
        "cells in which it has what is cut": {peer: len(own) for peer, own in of.items()},
        "… and an innocent task was lost": {peer: sum(map(has_lost, own)) for peer, own in of.items()},
        "… and the web server hung": {peer: sum("hung" in cell.words for cell in own) for peer, own in of.items()},
    }
    lines += [f"| {title} | " + " | ".join(str(by[peer]) for peer in PEERS) + " |" for title, by in counts.items()]
    return "\n".join(lines)


def has_lost(cell: Cell) -> bool:
    """Whether an innocent task was lost in it."""
    return any(fate is Fate.LOST for _, fate in cell.fates)
