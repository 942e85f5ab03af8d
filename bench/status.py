"""The wall time of `outlast status` in a fresh process, beside an interpreter that does nothing."""

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

OUTLAST = str(Path(sys.executable).with_name("outlast"))


def measure(size: Size) -> list[Figure]:
    """Ten times at least: one start of a process says little."""
    with place() as here:
        run_program(here, "bench.programs.submit", str(here.folder), "100", OUTLAST_RUNNER="off")
        measures = {
            "status": lambda: _milliseconds(here, [OUTLAST, "status"]),
            "python": lambda: _milliseconds(here, [sys.executable, "-c", "pass"]),
        }
        found = interleaved(max(10, size.repeat), measures)
    return [
        Figure(
            Series("`status`: outlast status", "ms", tuple(found["status"])),
            Series("python -c pass", "ms", tuple(found["python"])),
            (Aim("value", at_most=150),),
        )
    ]


def _milliseconds(here: Place, command: Sequence[str]) -> float:
    began = time.perf_counter()
    subprocess.run(
        command, cwd=here.folder, env=here.environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True
    )
    return (time.perf_counter() - began) * 1000
