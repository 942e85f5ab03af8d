"""Tasks that change what they are passed: for themselves alone, or what the web process keeps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from starlette.background import BackgroundTasks


class Job:
    def __init__(self) -> None:
        self.uid = 1
        self.status = "new"


jobs: dict[int, Job] = {}
latest: list[Job] = []
progress: dict[str, dict[str, int]] = {}


def shares_kept(job: Job) -> None:
    job.status = "complete"


def shares_listed(n: int, job: Job) -> None:
    job.status = str(n)


def shares_item(steps: dict[str, int]) -> None:
    steps["done"] = 1


def free_own(job: Job) -> None:
    job.status = "complete"


def free_reads(job: Job) -> str:
    return job.status


def free_sorted(rows: list[int]) -> None:
    rows.sort()


def free_bound_anew(job: Job) -> None:
    job = Job()
    job.status = "complete"


def start(tasks: BackgroundTasks) -> Job:
    job, rows, own = Job(), [2, 1], Job()
    jobs[job.uid] = job
    tasks.add_task(shares_kept, job)
    tasks.add_task(free_reads, job)
    tasks.add_task(free_bound_anew, job)
    tasks.add_task(free_sorted, rows)
    tasks.add_task(free_own, own)
    return job


def begin(name: str, tasks: BackgroundTasks) -> None:
    job = Job()
    latest.append(job)
    tasks.add_task(shares_listed, 1, job=job)
    steps = progress.setdefault(name, {"done": 0})
    tasks.add_task(shares_item, steps)


SHARED: dict[Callable[..., Any], str] = {
    shares_kept: "changes its argument `job` (tests/samples/passed.py:23), which start() keeps in `jobs`",
    shares_listed: "begin() keeps in `latest`",
    shares_item: "begin() keeps in `progress`",
}
FREE = (free_own, free_reads, free_sorted, free_bound_anew)
