"""A project of many modules: each of its task functions is used for the first time while its event loop is watched.

`python -m bench.programs.first_use FOLDER MODULES`. Prints the longest time in ms that the loop was late, with and
without outlast's looks into the source, and what each first use took.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import ModuleType

from pydantic import BaseModel

from outlast.functions.functions import Functions

FUNCTIONS = 40
STEP = 0.001  # seconds between looks at the clock
MODULE = """
import logging
{other}
from project.tables import PRICES, SEEN

log = logging.getLogger()
LIMIT = 3
ROUTES = {{'a': 1}}
"""
FUNCTION = """
def f{number}(x: int) -> object:
    log.info('x')
    found = {{}}
    found[x] = other
    if x > LIMIT:
        return other.f{next}(x)
    for item in range(x):
        x = x + item
    return {gives}
"""
GIVES = ("ROUTES.get(x)", "x", "PRICES.get(x)", "x + 1", "x + LIMIT")


class Known(BaseModel):
    """Pydantic loads its plugins with the first model, which an app of FastAPI has long before it has a task."""


def lay_out(folder: Path, modules: int) -> None:
    """Modules that call each other, with tables of their own and tables that all of them read."""
    project = folder / "project"
    project.mkdir()
    (project / "__init__.py").touch()
    (project / "tables.py").write_text("PRICES = {'a': 1}\nSEEN = set()\n\n\ndef see(x):\n    SEEN.add(x)\n")
    for number in range(modules):
        other = f"from project import m{number - 1} as other" if number else "import logging as other"
        functions = "\n".join(
            FUNCTION.format(number=one, next=(one * 7 + 1) % FUNCTIONS, gives=GIVES[one % len(GIVES)])
            for one in range(FUNCTIONS)
        )
        (project / f"m{number}.py").write_text(MODULE.format(other=other) + functions)


async def longest_delay(work: Callable[[], Awaitable[None]]) -> float:
    """How late, in ms, the loop was at most for something that was due while `work` was done."""
    longest, over = 0.0, False

    async def watch() -> None:
        nonlocal longest
        while not over:
            due = time.perf_counter() + STEP
            await asyncio.sleep(STEP)
            longest = max(longest, time.perf_counter() - due)

    watching = asyncio.create_task(watch())
    await work()
    over = True
    await watching
    return longest * 1000


async def use(known: Functions, modules: list[ModuleType]) -> list[float]:
    """The first use of each function of the last modules, by one request after the other; ms each."""
    taken = []
    for module in modules:
        for number in range(FUNCTIONS):
            began = time.perf_counter()
            await known.look_into([vars(module)[f"f{number}"]])
            known.describe_now(vars(module)[f"f{number}"])
            taken.append((time.perf_counter() - began) * 1000)
    return taken


async def main(modules: list[ModuleType]) -> None:
    """First nothing for as long, then the looks."""
    gc.collect()  # what the imports have left is not of our making
    known, taken = Functions(), list[float]()

    async def look() -> None:
        known.begin()
        taken.extend(await use(known, modules[-3:]))

    began = time.perf_counter()
    late = await longest_delay(look)
    seconds = time.perf_counter() - began
    idle = await longest_delay(lambda: asyncio.sleep(seconds))
    print(json.dumps({"late": late, "idle": idle, "first": taken[0], "later": max(taken[1:]), "seconds": seconds}))


if __name__ == "__main__":
    lay_out(Path(sys.argv[1]), int(sys.argv[2]))
    sys.path.insert(0, sys.argv[1])
    asyncio.run(main([importlib.import_module(f"project.m{number}") for number in range(int(sys.argv[2]))]))
