"""No-op tasks through Huey on SQLite with fsync: one process submits, its consumer runs them in two threads."""

# mypy: disable-error-code="import-not-found, untyped-decorator"

from __future__ import annotations

import json
import subprocess
import sys
import time

from huey import SqliteHuey
from huey.consumer import Consumer

LONGEST = 120.0  # seconds
huey = SqliteHuey(filename="huey.db", fsync=True, results=False)


@huey.task()
def noop(text: str, number: int) -> None:
    """Nothing."""


def main(count: int) -> None:
    """Print the seconds from the first submit until nothing is pending."""
    with subprocess.Popen([sys.executable, __file__, "consume"]) as consumer:
        try:
            run(10)
            print(json.dumps({"seconds": run(count)}))
        finally:
            consumer.kill()


def run(count: int) -> float:
    """Submit tasks, wait until all have been taken. Raises TimeoutError when they are not."""
    began = time.perf_counter()
    for number in range(count):
        noop("x" * 100, number)
    while huey.pending_count():
        time.sleep(0.005)
        if time.perf_counter() - began > LONGEST:
            raise TimeoutError("the consumer does not take them")
    return time.perf_counter() - began


if __name__ == "__main__":
    if sys.argv[1] == "consume":
        Consumer(huey, workers=2, initial_delay=0.002, max_delay=0.01).run()
    else:
        main(int(sys.argv[1]))
