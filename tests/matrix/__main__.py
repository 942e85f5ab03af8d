"""`python -m tests.matrix [--only WAY] [--peer APP] [--server KIND]`: what is lost when something is cut.

Writes docs/kill-matrix.md and docs/kill-matrix.json; of a part, only prints the tables.
"""

from __future__ import annotations

import argparse
import os
import platform
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

from tests.matrix.cell import Cell
from tests.matrix.page import Circumstances, as_json, as_page, has_lost, table
from tests.matrix.place import how_memory_is_limited
from tests.matrix.plan import OUTLAST, PEERS, SERVERS
from tests.matrix.run import Run, cells
from tests.matrix.ways import WAYS

DOCS = Path(__file__).parents[2] / "docs"
PACKAGES = ("fastapi", "starlette", "uvicorn", "gunicorn", "uvicorn-worker", "fastapi-taskflow", "outlast")


def main() -> None:
    """Exits with 1 when outlast has lost a task, or a cell could not be measured."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # what runs is then cleaned up, too
    signal.signal(signal.SIGINT, signal.default_int_handler)
    asked = arguments()
    began = time.monotonic()
    planned = cells(asked.only, asked.peer, asked.server)
    measured = Run(planned, asked.python, asked.jobs).results()
    seconds = time.monotonic() - began
    if len(measured) == len(cells([], [], [])):
        write(measured, circumstances(asked.python, seconds))
    for server in dict.fromkeys(cell.server for cell in measured):
        print(f"\n{server}\n{table(measured, server)}")
    print(f"\n{len(measured)} cells in {seconds:.0f} s")
    sys.exit(any(cell.problem or (cell.peer == OUTLAST and has_lost(cell)) for cell in measured))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.matrix", description=__doc__)
    parser.add_argument("--only", action="append", default=[], choices=[way.name for way in WAYS], metavar="WAY")
    parser.add_argument("--peer", action="append", default=[], choices=list(PEERS))
    parser.add_argument("--server", action="append", default=[], choices=SERVERS)
    parser.add_argument(
        "--python", default=sys.executable, type=os.path.abspath, help="of the environment with the apps' packages"
    )
    parser.add_argument("--jobs", type=int, default=3, help="cells at once")
    return parser.parse_args()


def write(measured: list[Cell], where: Circumstances) -> None:
    DOCS.mkdir(exist_ok=True)
    template = Path(__file__).with_name("page.md").read_text()
    (DOCS / "kill-matrix.md").write_text(as_page(measured, where, template))
    (DOCS / "kill-matrix.json").write_text(as_json(measured, where) + "\n")


def circumstances(python: str, seconds: float) -> Circumstances:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    machine = f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()} {platform.release().split('-')[0]}"
    program = f"from importlib.metadata import version\nfor one in {PACKAGES!r}: print(version(one))"
    found = subprocess.run([python, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    versions = {"Python": platform.python_version(), **dict(zip(PACKAGES, found, strict=True))}
    return Circumstances(date.today().isoformat(), machine, how_memory_is_limited(), versions, seconds)


if __name__ == "__main__":
    main()
