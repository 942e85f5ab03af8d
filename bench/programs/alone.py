"""Starts task processes over and over, and has tasks run alone in them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import time
from pathlib import Path
from statistics import median

import uvicorn

import outlast
from bench.harness.lines import lines
from bench.harness.place import Place, eventually
from bench.programs.starting import app, note, note_alone

BURST = 8  # tasks


class Bench:
    """A place, and what its task processes have written there."""

    def __init__(self, folder: Path) -> None:
        self.place = Place(folder)
        self.notes = folder / "notes"
        self.opened = folder / "opened"

    async def run(self, count: int) -> dict[str, float]:
        """Seconds until a new process is up, until a task starts alone; tasks/s of a burst of those; MB of memory."""
        await outlast.enqueue(note, str(self.notes), 0)
        await asyncio.to_thread(self.place.drain)
        await asyncio.sleep(2.0)  # a spare one may be coming
        memory = self.memory()
        return {
            "up": median([await asyncio.to_thread(self.seconds_until_up) for _ in range(count)]),
            "alone": median([await self.seconds_until_alone() for _ in range(count)]),
            "burst": await self.burst(),
            **memory,
        }

    def seconds_until_up(self) -> float:
        """From kill -9 of all task processes to the end of the next one's lifespan start."""
        before = len(lines(self.opened))
        killed_at = time.monotonic_ns()
        for pid in self.place.living("child"):
            os.kill(pid, signal.SIGKILL)
        eventually(lambda: len(lines(self.opened)) > before, "another process is up")
        seconds = (int(lines(self.opened)[before]) - killed_at) / 1e9
        time.sleep(2.0)
        return seconds

    async def seconds_until_alone(self) -> float:
        """From the call of `enqueue` to the start of a task in a process that no task has been in."""
        before = len(lines(self.notes))
        await outlast.enqueue(note_alone, str(self.notes), time.monotonic_ns())
        await asyncio.to_thread(self.place.drain)
        pid, delay = lines(self.notes)[before].split()
        os.kill(int(pid), signal.SIGKILL)
        await asyncio.sleep(2.0)
        return int(delay) / 1e9

    async def burst(self) -> float:
        """Tasks per second of some that run alone, asked for at once, from the first call to the last end."""
        began_at = time.time()
        for _ in range(BURST):
            await outlast.enqueue(note_alone, str(self.notes), time.monotonic_ns())
        await asyncio.to_thread(self.place.drain)
        return BURST / (self.place.last_end() - began_at)

    def memory(self) -> dict[str, float]:
        """Private and proportional memory of a task process that has run a task; that of what it is copied from."""
        child = int(lines(self.notes)[0].split()[0])
        said = re.findall(r"process (\d+) has imported", (self.place.folder / "program.log").read_text())
        template = proportional(int(said[-1]))[1] if said else 0.0
        private, share = proportional(child)
        return {"private": private, "share": share, "template": template}


def proportional(pid: int) -> tuple[float, float]:
    """Private memory in MB, and with it the process's share of what it has in common with others (PSS, proc(5))."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    sizes = {name: int(size) / 1024 for name, size in re.findall(r"^(\w+): +(\d+) kB$", text, re.MULTILINE)}
    return sizes["Private_Clean"] + sizes["Private_Dirty"], sizes["Pss"]


async def main(folder: str, count: int) -> None:
    """Print what was measured: in a server, since no spare process waits for a script."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="warning"))
    serving = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    found = await Bench(Path(folder)).run(count)
    server.should_exit = True
    await serving
    print(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
