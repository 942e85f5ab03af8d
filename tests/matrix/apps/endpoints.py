"""What the three apps of the matrix are asked for. Written as for FastAPI alone. Copied beside main.py."""

import os

from fastapi import APIRouter, BackgroundTasks, HTTPException
from work import TASKS, awaits, fails, sleeps  # type: ignore[import-not-found]

router = APIRouter()


@router.get("/ping")
async def ping() -> int:
    return os.getpid()


@router.get("/add/{task}/{name}")
async def add(task: str, name: str, amount: float, background_tasks: BackgroundTasks) -> int:
    background_tasks.add_task(TASKS[task], name, amount)
    return os.getpid()


@router.get("/behind-a-failure")
async def behind_a_failure(amount: float, background_tasks: BackgroundTasks) -> int:
    """Both innocent tasks in one response, behind one that raises."""
    background_tasks.add_task(fails, "culprit", 0.0)
    background_tasks.add_task(sleeps, "def", amount)
    background_tasks.add_task(awaits, "async", amount)
    return os.getpid()


@router.get("/refused")
async def refused(amount: float, background_tasks: BackgroundTasks) -> None:
    """Both innocent tasks of a request that fails after they were added."""
    background_tasks.add_task(sleeps, "def", amount)
    background_tasks.add_task(awaits, "async", amount)
    raise HTTPException(409)
