"""outlast: background tasks for FastAPI that finish.

The names are looked up when they are used, so that the command line and the runner start without a web framework.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from outlast.app import Outlast, enqueue, enqueue_sync, install
    from outlast.errors import NotInstalled, NotStorable, OutlastError, StoreFailed
    from outlast.functions import task
    from outlast.request.handle import Handle
    from outlast.request.tasks import BackgroundTasks

__all__ = [
    "BackgroundTasks",
    "Handle",
    "NotInstalled",
    "NotStorable",
    "Outlast",
    "OutlastError",
    "StoreFailed",
    "enqueue",
    "enqueue_sync",
    "install",
    "task",
]

_HOMES = {
    "BackgroundTasks": "outlast.request.tasks",
    "Handle": "outlast.request.handle",
    "NotInstalled": "outlast.errors",
    "NotStorable": "outlast.errors",
    "Outlast": "outlast.app",
    "OutlastError": "outlast.errors",
    "StoreFailed": "outlast.errors",
    "enqueue": "outlast.app",
    "enqueue_sync": "outlast.app",
    "install": "outlast.app",
    "task": "outlast.functions",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'outlast' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
