"""outlast: background tasks for FastAPI that finish.

The names are looked up when they are used, so that the command line and the runner start without a web framework.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from outlast.app import Outlast, cancel, cancel_sync, enqueue, enqueue_sync, install, retry, retry_sync
    from outlast.attempt import Attempt, Stopped, current
    from outlast.callbacks import TaskEnd, on_end, on_failure
    from outlast.errors import NotInstalled, NotStorable, OptionError, OutlastError, StoreFailed
    from outlast.functions import task
    from outlast.process import in_task_process
    from outlast.request.handle import Handle
    from outlast.request.tasks import BackgroundTasks

__all__ = [
    "Attempt",
    "BackgroundTasks",
    "Handle",
    "NotInstalled",
    "NotStorable",
    "OptionError",
    "Outlast",
    "OutlastError",
    "Stopped",
    "StoreFailed",
    "TaskEnd",
    "cancel",
    "cancel_sync",
    "current",
    "enqueue",
    "enqueue_sync",
    "in_task_process",
    "install",
    "on_end",
    "on_failure",
    "retry",
    "retry_sync",
    "task",
]

_HOMES = {
    "Attempt": "outlast.attempt",
    "BackgroundTasks": "outlast.request.tasks",
    "Handle": "outlast.request.handle",
    "NotInstalled": "outlast.errors",
    "NotStorable": "outlast.errors",
    "OptionError": "outlast.errors",
    "Outlast": "outlast.app",
    "OutlastError": "outlast.errors",
    "Stopped": "outlast.attempt",
    "StoreFailed": "outlast.errors",
    "TaskEnd": "outlast.callbacks",
    "cancel": "outlast.app",
    "cancel_sync": "outlast.app",
    "current": "outlast.attempt",
    "enqueue": "outlast.app",
    "enqueue_sync": "outlast.app",
    "in_task_process": "outlast.process",
    "install": "outlast.app",
    "on_end": "outlast.callbacks",
    "on_failure": "outlast.callbacks",
    "retry": "outlast.app",
    "retry_sync": "outlast.app",
    "task": "outlast.functions",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'outlast' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
