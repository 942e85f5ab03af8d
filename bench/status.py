"""The wall time of `outlast status` and `top` in a fresh process, with few tasks and with many."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.harness.figures import Aim, Figure, Series
from bench.harness.place import Place, place
from bench.harness.processes import run_program
from bench.harness.rounds import Size, interleaved
from bench.programs.board import fill

OUTLAST = str(Path(sys.executable).with_name("outlast"))
TOP = ("top", "--once")


def measure(size: Size) -> list[Figure]:
    """Ten times at least: one start of a process says little."""
    rows = size.rows or size.pick(1_000_000, 50_000)
    with place() as here, place() as large:
        run_program(here, "bench.programs.submit", str(here.folder), "100", OUTLAST_RUNNER="off")
        large.journal.parent.mkdir()
        fill(large.journal, rows, time.time())
        measures = {
            "status": lambda: _milliseconds(here, [OUTLAST, "status"]),
            "large": lambda: _milliseconds(large, [OUTLAST, "status"]),
            "top": lambda: _milliseconds(large, [OUTLAST, *TOP]),
            "python": lambda: _milliseconds(here, [sys.executable, "-c", "pass"]),
        }
        found = {name: tuple(values) for name, values in interleaved(max(10, size.repeat), measures).items()}
    kept, python = f"{rows:,} finished tasks".replace(",", " "), Series("python -c pass", "ms", found["python"])
    few = Series("outlast status", "ms", found["status"])
    return [
        Figure(Series("`status`: outlast status", "ms", found["status"]), python, (Aim("value", at_most=150),)),
        Figure(
            Series(f"`status`: outlast status, {kept}", "ms", found["large"]), few, (Aim("difference", at_most=150),)
        ),
        Figure(Series(f"`status`: outlast top, {kept}", "ms", found["top"]), few, (Aim("difference", at_most=50),)),
    ]


def _milliseconds(here: Place, command: Sequence[str]) -> float:
    began = time.perf_counter()
    subprocess.run(
        command, cwd=here.folder, env=here.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True
    )
    return (time.perf_counter() - began) * 1000
