"""What belongs to one process: under the same name another process has an object of its own."""

from __future__ import annotations

import array
import asyncio
import functools
import logging
import os
import queue
import threading
from collections import deque
from collections.abc import Mapping, MutableMapping, MutableSequence, MutableSet
from dataclasses import dataclass
from typing import Any

from outlast.events.words import an
from outlast.system.process import this
from outlast.text import is_a, name_of_class

_CONTAINERS = (list, dict, set, bytearray, deque, queue.Queue, queue.SimpleQueue, asyncio.Queue)
_SIGNALS = (asyncio.Event, threading.Event)
_ABSTRACT = (MutableMapping, MutableSequence, MutableSet, array.array)
_OUTSIDE = frozenset({"dbm", "diskcache", "h5py", "pymongo", "redis", "shelve", "sqlitedict", "tinydb", "zarr"})
"""Packages whose objects look like containers, and keep what is in them where all processes find it."""

# By the package and the name of a class that they are made from, which moves between the modules of its package.
_OWN_IN_EACH: Mapping[str, frozenset[str]] = {
    "_asyncio": frozenset({"Future"}),
    "_thread": frozenset({"lock", "RLock"}),
    "aiocache": frozenset({"SimpleMemoryBackend", "SimpleMemoryCache"}),
    "aiolimiter": frozenset({"AsyncLimiter"}),
    "anyio": frozenset(
        {
            *("CapacityLimiter", "Condition", "Event", "Lock", "Semaphore"),
            *("MemoryObjectReceiveStream", "MemoryObjectSendStream"),
        }
    ),
    "apscheduler": frozenset({"BaseScheduler"}),
    "asyncio": frozenset({"Barrier", "Condition", "Future", "Lock", "Semaphore"}),
    "asyncio_throttle": frozenset({"Throttler"}),
    "fastapi_cache": frozenset({"InMemoryBackend"}),
    "janus": frozenset({"Queue"}),
    "limits": frozenset({"MemoryStorage"}),
    "multiprocessing": frozenset(
        {
            *("Barrier", "Condition", "Event", "SemLock"),
            *("BaseProxy", "Queue", "SimpleQueue", "SynchronizedBase"),
        }
    ),
    "threading": frozenset({"Barrier", "Condition", "Semaphore"}),
}
_METRICS: Mapping[str, frozenset[str]] = {
    "aioprometheus": frozenset({"Collector"}),
    "prometheus_client": frozenset({"MetricWrapperBase"}),
}
_METRICS_ARE_SHARED = ("PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir")
_SHOWN_AS = {"_thread.lock": "threading.Lock", "_thread.RLock": "threading.RLock"}


@dataclass(frozen=True, slots=True)
class Made:
    """An object that a function makes when it is first used: not there yet to be looked at.

    `by` tells it from others of its class: who makes it, or keeps it.
    """

    cls: type
    by: object


def are_one(one: object, other: object) -> bool:
    """Whether both are the same object, or will be."""
    return one is other or (is_a(one, Made) and is_a(other, Made) and _are_same_makers(one.by, other.by))


def _are_same_makers(one: object, other: object) -> bool:
    """Also where they are ways to a thing: a name in what holds it."""
    if isinstance(one, tuple) and isinstance(other, tuple):
        return bool(one[1] == other[1]) and are_one(one[0], other[0])
    return one is other


def class_of(value: object) -> type:
    """Its class, also of what is not made yet."""
    return value.cls if is_a(value, Made) else type(value)


def is_container(value: object) -> bool:
    """Whether `value` is of a standard kind that holds or hands over data inside one process."""
    return issubclass(class_of(value), (*_CONTAINERS, *_SIGNALS))


def holds_data(value: object) -> bool:
    """Whether `value` is of any kind that holds or hands over data inside one process, such as a cache or an array."""
    return _holds_data(class_of(value))


@functools.lru_cache(maxsize=4096)  # there are many values of few classes
def _holds_data(cls: type) -> bool:
    if issubclass(cls, (*_CONTAINERS, *_SIGNALS)):
        return True
    return not _is_kept_outside(cls) and (issubclass(cls, _ABSTRACT) or hasattr(cls, "__array__"))


def takes_items(value: object) -> bool:
    """Whether `value[...] = x` changes it, and nothing outside of this process."""
    cls = class_of(value)
    return (hasattr(cls, "__setitem__") or hasattr(cls, "__delitem__")) and not _is_kept_outside(cls)


def is_table(value: object) -> bool:
    """Whether it is an array or table, some methods of which work in place."""
    return hasattr(class_of(value), "__array__")


def is_logger(value: object) -> bool:
    """Whether it is a logger, which a process has for itself with level and handlers."""
    return issubclass(class_of(value), logging.Logger)


def is_cached(value: object) -> bool:
    """Whether it is a function whose results are kept for the calls to come."""
    if is_a(value, functools._lru_cache_wrapper):
        return True
    found = getattr(value, "__dict__", None) if callable(value) and not is_a(value, (type, Made)) else None
    return isinstance(found, dict) and "__wrapped__" in found and not {"cache", "cache_clear"}.isdisjoint(found)


def is_own_in_each(value: object) -> bool:
    """Whether any use of it is one of this process alone: of a lock, a metric, or an iterator that was begun."""
    cls = class_of(value)
    if is_in_memory(value):
        return not this.is_rehearsing
    if _is_one(cls, _METRICS):
        return not any(name in os.environ for name in _METRICS_ARE_SHARED)
    return _is_own_in_each(cls)


@functools.lru_cache(maxsize=4096)
def _is_own_in_each(cls: type) -> bool:
    is_iterator = hasattr(cls, "__next__") and not _is_file(cls)
    return is_iterator or _is_one(cls, _OWN_IN_EACH)


def is_in_memory(value: object) -> bool:
    """Whether it is an engine of SQLAlchemy, or makes sessions of one, whose SQLite database is in this process."""
    if is_a(value, Made) or _package(type(value)) not in ("sqlalchemy", "sqlmodel"):
        return False
    factory = getattr(value, "session_factory", value)
    bound = (getattr(factory, "kw", None) or {}).get("bind", value)
    url = getattr(getattr(bound, "sync_engine", bound), "url", None)
    database = str(getattr(url, "database", None) or ":memory:")
    is_sqlite = str(getattr(url, "drivername", "")).startswith("sqlite")
    return is_sqlite and (":memory:" in database or "mode=memory" in str(url))


def described(value: object) -> str:
    """What it is, such as `an asyncio.Semaphore`."""
    if is_in_memory(value):
        return "a SQLite database in memory"
    cls = class_of(value)
    name = f"{_package(cls)}.{cls.__qualname__}".removeprefix("builtins.")
    return an(_SHOWN_AS.get(name, name if "." in name else name_of_class(cls)))


def _is_one(cls: type, table: Mapping[str, frozenset[str]]) -> bool:
    return any(name_of_class(base) in table.get(_package(base), ()) for base in cls.__mro__)


def _is_kept_outside(cls: type) -> bool:
    return any(_package(base) in _OUTSIDE for base in cls.__mro__)


def _is_file(cls: type) -> bool:
    return any(base.__module__ in ("io", "_io", "tempfile", "csv", "_csv") for base in cls.__mro__)


def _package(cls: Any) -> str:
    return str(cls.__module__).partition(".")[0]
