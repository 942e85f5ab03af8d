"""FastAPI with fastapi-taskflow, with the settings that lose the least of all that were tried."""

import inspect
import os

from fastapi import FastAPI
from fastapi_taskflow import QueueConfig, TaskAdmin, TaskManager  # type: ignore[import-not-found]

app = FastAPI()
manager = TaskManager(
    snapshot_db=os.environ.get("TASKFLOW_DB", "tasks.db"),
    snapshot_interval=1.0,
    requeue_pending=True,
    queues={"default": QueueConfig()},  # tasks then no longer belong to their request, which a client can cut
    max_process_workers=4,
    process_shutdown_timeout=1.0,  # less than the shortest graceful timeout
)
TaskAdmin(app, manager, auto_install=True)

from endpoints import router  # type: ignore[import-not-found]  # noqa: E402 - its routes need what was installed
from work import TASKS  # type: ignore[import-not-found]  # noqa: E402

for task in TASKS.values():
    manager.task(
        executor=None if inspect.iscoroutinefunction(task) else "process",
        retries=3,
        delay=0.2,
        persist=True,
        requeue_on_interrupt=True,
    )(task)
app.include_router(router)
