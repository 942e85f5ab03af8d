"""What `install` takes, for type checkers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict

from outlast.tasks.options import GivenByDefault


class QueueGiven(TypedDict, total=False):
    """What may be said of a queue, see `Settings.queues`."""

    concurrency: int
    rate: str
    max_waiting: int


class GivenSettings(TypedDict, total=False):
    """What `install` takes, so that type checkers know each name; `Settings` says what they mean."""

    url: str
    shared_folder: bool
    state_folder: str
    app: str
    release: str
    runner: Literal["auto", "external", "off"]
    drain: float
    stop_wait: float
    linger: float
    max_children: int
    max_alone: int
    spares: int
    loop_slots: int
    thread_slots: int
    max_crashes: int
    stall_after: float
    stall_limit: float
    grace: float
    max_rss: int | str
    store_deadline: float
    on_store_error: Literal["refuse", "inline"]
    watch: bool
    gc_freeze: bool
    child_start: Literal["spawn", "fork"]
    child_lifespan: bool | str
    redact: Sequence[str]
    keep_done: float
    keep_done_count: int
    keep_failed: float
    max_result: int | str
    max_log: int | str
    max_stash: int | str
    queues: Mapping[str, QueueGiven]
    options: GivenByDefault
