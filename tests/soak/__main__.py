"""`python -m tests.soak [--tasks N] [--seed S]`: many tasks, random deaths, and a check that nothing was lost."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from pathlib import Path

from tests.soak.run import soak


def main() -> None:
    """Exits with 1 when anything is wrong; the folder with journal and logs is then kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--tasks", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))  # noqa: S311
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="outlast-soak-"))
    print(f"{asked.tasks} tasks, seed {asked.seed}, in {folder}", flush=True)
    report = soak(folder, asked.tasks, asked.seed)
    kills = ", ".join(f"{kind} {count}" for kind, count in sorted(report.kills.items()))
    print(f"{report.seconds:.0f} s; killed: {kills}; answered: {report.answered}; run again: {report.repeated}")
    print(f"violations: {len(report.violations)}")
    for sentence in report.violations[:50]:
        print(f"  {sentence}")
    sys.exit(bool(report.violations))


if __name__ == "__main__":
    main()
