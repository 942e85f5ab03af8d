"""False alarms: short handlers at full CPU of all cores for a long time, and nobody blocks anything."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bench.harness.figures import Aim, Figure, Series
from bench.harness.place import place
from bench.harness.processes import serving
from bench.harness.rounds import Size, say

BLAMED = re.compile(r"event loop of .* blocked for .*")
STARVED = re.compile(r"since the machine had no processor for it")
GUNICORN = ("gunicorn", "-b", "127.0.0.1:{port}", "-k", "uvicorn_worker.UvicornWorker", "--log-level", "warning")


def measure(size: Size) -> list[Figure]:
    """As many web workers as cores, clients that never pause, and as many busy processes beside them."""
    cores = os.cpu_count() or 2
    seconds = size.pick(600.0, 20.0)
    command = (*GUNICORN, "-w", str(cores), "bench.programs.app:app")
    say(f"  {seconds:g} s with {cores} web workers and {cores} busy processes")
    with place() as here, busy_processes(cores), serving(here, command) as server:
        report = server.load("/", "--seconds", str(seconds), "--connections", "64")
        log = (here.folder / "server.log").read_text(errors="replace")
    starved = len(STARVED.findall(log))
    note = f"{report['per_second']:.0f} requests/s for {seconds:g} s; said to be starved: {starved} times"
    alarms = Series("`alarms`: innocent handlers that were blamed", "", (float(len(BLAMED.findall(log))),))
    return [Figure(alarms, None, (Aim("value", at_most=0),), note)]


@contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """Processes that compute until the block ends."""
    running = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for one in running:
            one.kill()
            one.wait()
