"""All cells that are asked for, some at once."""

from __future__ import annotations

import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from tests.matrix.cell import Cell, measured
from tests.matrix.plan import PEERS, SERVERS, Pace
from tests.matrix.ways import WAYS, letters_for

TRIES = 2  # a server that did not start, since the machine was busy, is started once more


def cells(ways: Sequence[str], peers: Sequence[str], servers: Sequence[str]) -> list[Cell]:
    """By row, then server, then app; none named: all."""
    return [
        Cell(way, peer, server)
        for way in WAYS
        for server in servers or SERVERS
        for peer in peers or PEERS
        if not ways or way.name in ways
    ]


class Run:
    """Measures `cells` with the apps' interpreter `python`, `jobs` at once, and says how far it is."""

    def __init__(self, cells: Sequence[Cell], python: str, jobs: int) -> None:
        self._cells = cells
        self._python = python
        self._jobs = jobs
        self._done = 0
        self._lock = threading.Lock()
        self._pace = Pace()

    def results(self) -> list[Cell]:
        """In the order of the cells."""
        letters_for(self._pace.blocked)  # while nothing else runs
        with tempfile.TemporaryDirectory(prefix="outlast-matrix-") as name, ThreadPoolExecutor(self._jobs) as pool:
            try:
                return list(pool.map(lambda number: self._one(number, Path(name)), range(len(self._cells))))
            except BaseException:
                pool.shutdown(wait=True, cancel_futures=True)  # what runs cleans up behind itself
                raise

    def _one(self, number: int, folder: Path) -> Cell:
        began = time.monotonic()
        cell = self._measured(self._cells[number], folder / str(number))
        with self._lock:
            self._done += 1
            how_far = f"[{self._done:3}/{len(self._cells)}]"
            seconds = time.monotonic() - began
            print(
                f"{how_far} {cell.way.name} · {cell.server} · {cell.peer}: {cell.words} ({seconds:.0f} s)", flush=True
            )
        return cell

    def _measured(self, cell: Cell, folder: Path) -> Cell:
        if cell.peer not in cell.way.peers:
            return cell
        problem = ""
        for attempt in range(TRIES):
            place = folder / str(attempt)
            place.mkdir(parents=True)
            try:
                return replace(cell, evidence=measured(cell, place, self._pace, self._python))
            except (AssertionError, OSError) as error:
                problem = f"not measured: {str(error).splitlines()[0][:200]}"
        return replace(cell, problem=problem)
