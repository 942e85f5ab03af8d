"""`python -m tests.fuzz [--seconds N | --requests N] [--seed S]`: odd input, and a check that it hurt nobody."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.fuzz.run import fuzz

SLOWER = 2.0  # times: more than that, and a plain request is not as fast as at the start


def main() -> None:
    """Exits with 1 when anything is wrong; the folder with journal and logs is then kept."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--requests", type=int, default=sys.maxsize)
    parser.add_argument("--seed", type=int, default=random.randrange(1_000_000))  # noqa: S311
    asked = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="outlast-fuzz-"))
    print(f"seed {asked.seed}, in {folder}", flush=True)
    over_at = time.monotonic() + asked.seconds
    report = fuzz(folder, asked.seed, lambda number: number > asked.requests or time.monotonic() > over_at)
    print(f"{report.seconds:.0f} s; answers: {dict(report.answers)}; tasks: {dict(report.ends)}")
    print(f"a plain request: {report.latency_before * 1000:.2f} ms before, {report.latency_after * 1000:.2f} ms after")
    print(f"violations: {len(report.violations)}")
    for sentence in report.violations[:50]:
        print(f"  {sentence}")
    sys.exit(bool(report.violations) or report.latency_after > SLOWER * report.latency_before)


if __name__ == "__main__":
    main()
