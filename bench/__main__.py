"""`python -m bench [names…]`: measure, print a table, write results.json."""

from __future__ import annotations

import argparse
import os
import platform
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import apsw

from bench.harness.figures import Figure, table, write
from bench.harness.place import cache
from bench.harness.rounds import Size, say
from outlast.journal.location import file_system_of

NAMES = (
    *("accept", "submit", "throughput", "pickup", "quiet", "rerun", "idle", "status", "doorway"),
    *("startup", "watch", "alarms", "first_use", "prune", "followers", "claim", "board", "due"),
)
RESULTS = Path(__file__).with_name("results.json")


def main() -> None:
    """Run what is asked for. One that fails ends the run; what was measured before it is written."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of {', '.join(NAMES)}; default: all")
    parser.add_argument("--quick", action="store_true", help="try it out; not for figures")
    parser.add_argument("--repeat", type=int, help="rounds of each measurement; default 5, 1 with --quick")
    parser.add_argument("--peers", action="store_true", help="`throughput` of Huey and DBOS too (installs them)")
    parser.add_argument(
        "--rows",
        type=int,
        default=0,
        help="of `prune` and `board`: finished tasks in the journal",
    )
    asked = parser.parse_args()
    unknown = sorted(set(asked.names) - set(NAMES))
    if unknown:
        parser.error(f"no measurement {', '.join(unknown)}: there are {', '.join(NAMES)}")
    size = Size(asked.repeat or (1 if asked.quick else 5), asked.quick, asked.peers, asked.rows)
    run([name for name in NAMES if name in (asked.names or NAMES)], size)


def run(names: list[str], size: Size) -> None:
    """Measure, print and write."""
    where, results = about(size), dict[str, list[Figure]]()
    try:
        for name in names:
            say(f"{name} …")
            results[name] = import_module(f"bench.{name}").measure(size)
    finally:
        write(RESULTS, where | {"load_after": os.getloadavg()[0]}, results)
        print(", ".join(f"{key} {value}" for key, value in where.items()))
        print()
        print(table([figure for figures in results.values() for figure in figures]))


def about(size: Size) -> dict[str, Any]:
    """When and where this was measured."""
    return {
        "at": time.strftime("%Y-%m-%d %H:%M %z"),
        "cores": os.cpu_count(),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.release()}",
        "sqlite": apsw.sqlite_lib_version(),
        "disk": file_system_of(cache()),
        "rounds": size.repeat,
        "quick": size.is_quick,
    }


if __name__ == "__main__":
    main()
