"""outlast: background tasks for FastAPI that finish.

The names are looked up when they are used, so that the command line and the runner start without a web framework.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from outlast.app import (
        Outlast,
        cancel,
        cancel_sync,
        enqueue,
        enqueue_sync,
        find,
        find_sync,
        get,
        get_sync,
        install,
        options,
        retry,
        retry_sync,
        schedule,
        schedule_sync,
        stash,
        unschedule,
        unschedule_sync,
    )
    from outlast.board.board import dashboard
    from outlast.errors import (
        NoResult,
        NotInstalled,
        NotStorable,
        OptionError,
        OutlastError,
        QueueFull,
        StashGone,
        StoreFailed,
        TaskFailed,
        TaskNotFound,
    )
    from outlast.functions.functions import task
    from outlast.functions.stashed import StashedFile
    from outlast.journal.read import TaskRecord
    from outlast.sequences import chain, chain_sync, group, group_sync
    from outlast.status.accepted import ACCEPTED, accepted
    from outlast.status.resource import TaskStatus
    from outlast.status.router import router
    from outlast.system.process import in_task_process
    from outlast.tasks.attempt import Attempt, Stopped, current
    from outlast.tasks.callbacks import TaskEnd, on_end, on_failure
    from outlast.tasks.every import Every, every
    from outlast.tasks.policy import backoff
    from outlast.tasks.signature import Ready, Signature, s, si
    from outlast.tasks.steering import Discard, Retry, Snooze
    from outlast.tasks.track import track
    from outlast.web.handle import Handle
    from outlast.web.idempotency import idempotency_key
    from outlast.web.tasks import BackgroundTasks

__all__ = [
    "ACCEPTED",
    "Attempt",
    "BackgroundTasks",
    "Discard",
    "Every",
    "Handle",
    "NoResult",
    "NotInstalled",
    "NotStorable",
    "OptionError",
    "Outlast",
    "OutlastError",
    "QueueFull",
    "Ready",
    "Retry",
    "Signature",
    "Snooze",
    "StashGone",
    "StashedFile",
    "Stopped",
    "StoreFailed",
    "TaskEnd",
    "TaskFailed",
    "TaskNotFound",
    "TaskRecord",
    "TaskStatus",
    "accepted",
    "backoff",
    "cancel",
    "cancel_sync",
    "chain",
    "chain_sync",
    "current",
    "dashboard",
    "enqueue",
    "enqueue_sync",
    "every",
    "find",
    "find_sync",
    "get",
    "get_sync",
    "group",
    "group_sync",
    "idempotency_key",
    "in_task_process",
    "install",
    "on_end",
    "on_failure",
    "options",
    "retry",
    "retry_sync",
    "router",
    "s",
    "schedule",
    "schedule_sync",
    "si",
    "stash",
    "task",
    "track",
    "unschedule",
    "unschedule_sync",
]

_HOMES = {
    "outlast.app": (
        "Outlast cancel cancel_sync enqueue enqueue_sync find find_sync get get_sync install options retry retry_sync "
        "schedule schedule_sync stash unschedule unschedule_sync"
    ),
    "outlast.errors": (
        "NoResult NotInstalled NotStorable OptionError OutlastError QueueFull StashGone StoreFailed TaskFailed "
        "TaskNotFound"
    ),
    "outlast.board.board": "dashboard",
    "outlast.functions.functions": "task",
    "outlast.functions.stashed": "StashedFile",
    "outlast.journal.read": "TaskRecord",
    "outlast.status.accepted": "ACCEPTED accepted",
    "outlast.status.resource": "TaskStatus",
    "outlast.status.router": "router",
    "outlast.system.process": "in_task_process",
    "outlast.sequences": "chain chain_sync group group_sync",
    "outlast.tasks.signature": "Ready Signature s si",
    "outlast.tasks.attempt": "Attempt Stopped current",
    "outlast.tasks.policy": "backoff",
    "outlast.tasks.steering": "Discard Retry Snooze",
    "outlast.tasks.track": "track",
    "outlast.tasks.every": "Every every",
    "outlast.tasks.callbacks": "TaskEnd on_end on_failure",
    "outlast.web.handle": "Handle",
    "outlast.web.idempotency": "idempotency_key",
    "outlast.web.tasks": "BackgroundTasks",
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names.split()}


def __getattr__(name: str) -> Any:
    if name in _HOME_OF:
        return getattr(import_module(_HOME_OF[name]), name)
    raise AttributeError(f"module 'outlast' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
