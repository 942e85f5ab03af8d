"""The same of what is kept elsewhere than in a container of a module: behind getters, in caches, by locks."""
# ruff: noqa: PLW0603

from __future__ import annotations

import asyncio
import dataclasses
import functools
import itertools
import logging
import os
import queue
import sys
import threading
from collections import UserDict, defaultdict
from collections.abc import Awaitable, Callable
from typing import Any, ClassVar

import anyio
import cachetools
import numpy
import pandas
from fastapi import FastAPI
from prometheus_client import Counter, Gauge, Histogram

app = FastAPI()
app.state.jobs = {}
jobs: dict[str, Any] = {}
stops: dict[str, threading.Event] = {}
recent: cachetools.TTLCache[str, int] = cachetools.TTLCache(10, 60)
session: UserDict[str, int] = UserDict()
lock = threading.Lock()
once = threading.Lock()
alock = asyncio.Lock()
slots = asyncio.Semaphore(2)
limiter = anyio.CapacityLimiter(1)
locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
event = threading.Event()
aevent = asyncio.Event()
done = Counter("outlast_done", "tasks", ["kind"])
busy = Gauge("outlast_busy", "tasks")
latency = Histogram("outlast_latency", "seconds")
numbers = itertools.count()
names = iter("abc")
array = numpy.zeros(3)
table = pandas.DataFrame({"a": [1]})
logger = logging.getLogger(__name__)
factor = 1
DEFAULTS = {"a": {"b": 1}}


class Flags:
    maintenance = False
    level = 1


class Status:
    done = 0


status = Status()


class Store:
    limit = 5

    def __init__(self) -> None:
        self.items: list[str] = []
        self.seen: set[str] = set()
        self.hits = 0
        self._client: object | None = None
        self._lock = threading.Lock()

    def put(self, item: str) -> None:
        self.items.append(item)

    def hit(self) -> None:
        self.hits += 1

    def guarded(self) -> None:
        with self._lock:
            return

    def client(self) -> object:
        with self._lock:
            if self._client is None:
                self._client = object()
        return self._client

    def size(self) -> int:
        return self.limit

    @property
    def all(self) -> list[str]:
        return self.items

    @functools.cached_property
    def index(self) -> dict[str, int]:
        return {}


class Only:
    """One object, however often it is asked for."""

    _instance: Only | None = None
    made: ClassVar[dict[str, Only]] = {}

    def __new__(cls) -> Only:
        if cls._instance is None:
            cls._instance = super().__new__(cls)
        return cls._instance

    def remember(self, key: str) -> None:
        self.last = key

    @classmethod
    def shared(cls) -> Only:
        if cls._instance is None:
            cls._instance = cls()
        return cls._instance


service = Store()
_store: Store | None = None
_client: object | None = None
_made: dict[str, int] | None = None


def get_store() -> Store:
    global _store
    if _store is None:
        _store = Store()
    return _store


async def get_store_soon() -> Store:
    return get_store()


def get_made() -> dict[str, int]:
    global _made
    if not _made:
        _made = {}
    return _made


@functools.lru_cache
def get_cached_store() -> Store:
    store = Store()
    store.limit = 6
    return store


@functools.lru_cache
def get_settings() -> Store:
    return Store()


@functools.cache
def get_table() -> dict[str, int]:
    return {}


@functools.cache
def get_lock() -> threading.Lock:
    return threading.Lock()


@functools.lru_cache
def prices() -> dict[str, float]:
    return {}


@cachetools.cached(recent)
def quotes(key: str) -> dict[str, float]:
    return {}


@dataclasses.dataclass
class Book:
    pages: dict[str, int] = dataclasses.field(default_factory=dict)


@functools.cache
def get_book() -> Book:
    return Book()


def get_client() -> object:
    global _client
    with once:
        if _client is None:
            _client = object()
    return _client


def new_store() -> Store:
    return Store()


def get_jobs() -> dict[str, Any]:
    return jobs


def lock_of(key: str) -> asyncio.Lock:
    return locks[key]


def get_logger(name: str) -> logging.Logger:
    log = logging.getLogger(name)
    log.setLevel(10)
    return log


# What endpoints do


@app.post("/flags")
def set_flag(on: bool) -> None:
    global factor
    Flags.maintenance = on
    factor = 2


@app.post("/reload")
def reload() -> None:
    prices.cache_clear()


@app.post("/stop")
def stop(key: str) -> None:
    stops[key].set()


@app.post("/array")
def count_in_array() -> None:
    array[0] += 1


# Shared


def shares_lock(key: str) -> None:
    with lock:
        pass


def shares_acquired_lock(key: str) -> None:
    if lock.acquire(blocking=False):
        lock.release()


async def shares_async_lock(key: str) -> None:
    async with alock:
        pass


async def shares_semaphore(key: str) -> None:
    async with slots:
        pass


async def shares_limiter(key: str) -> None:
    async with limiter:
        pass


async def shares_lock_of_a_key(key: str) -> None:
    async with locks[key]:
        pass


async def shares_lock_behind_a_function(key: str) -> None:
    async with lock_of(key):
        pass


def shares_cached_lock(key: str) -> None:
    with get_lock():
        pass


def shares_lock_of_an_object(key: str) -> None:
    service.guarded()


def shares_event(key: str) -> None:
    event.set()


async def shares_async_event(key: str) -> None:
    await aevent.wait()
    aevent.clear()


def shares_stop_flag(key: str) -> None:
    if stops[key].is_set():
        return


def shares_ttl_cache(key: str) -> None:
    recent[key] = 1


def shares_mapping_of_a_library(key: str) -> None:
    session.update(a=1)


def shares_cached_function(key: str) -> None:
    quotes(key)


def shares_filled_cache(key: str) -> None:
    prices()


def shares_cleared_cache(key: str) -> None:
    prices.cache_clear()


def shares_cache_that_an_endpoint_clears(key: str) -> float:
    return prices()[key]


def shares_metric(key: str) -> None:
    done.labels(kind=key).inc()


def shares_gauge(key: str) -> None:
    with busy.track_inprogress():
        pass


@latency.time()
def shares_metric_in_a_decorator(key: str) -> None: ...


def shares_count(key: str) -> int:
    return next(numbers)


def shares_iterator(key: str) -> str:
    return next(names)


def shares_array(key: str) -> None:
    array[0] = 1


def shares_array_in_place(key: str) -> None:
    array.fill(0)


def shares_array_that_an_endpoint_changes(key: str) -> float:
    return float(array.sum())


def shares_table(key: str) -> None:
    table.loc[0, "a"] = 2


def shares_table_in_place(key: str) -> None:
    table.dropna(inplace=True)


def shares_setattr(key: str) -> None:
    setattr(status, key, 2)


def shares_dict_of_an_object(key: str) -> None:
    vars(status)[key] = 1
    status.__dict__.update(done=2)


def shares_environment(key: str) -> None:
    os.environ["OUTLAST_SAMPLE"] = key


def shares_environment_by_call(key: str) -> None:
    os.environ.setdefault("OUTLAST_SAMPLE", key)


def shares_globals(key: str) -> None:
    globals()["ready"] = True


def shares_module(key: str) -> None:
    sys.modules[__name__].ready = True  # type: ignore[attr-defined]


def shares_log_level(key: str) -> None:
    logging.getLogger(key).setLevel(10)


def shares_disabled_logger(key: str) -> None:
    logger.disabled = True


def shares_getter(key: str) -> None:
    get_store().put(key)


async def shares_async_getter(key: str) -> None:
    (await get_store_soon()).put(key)


def shares_getter_of_a_container(key: str) -> None:
    get_made()[key] = 1


def shares_cached_getter(key: str) -> None:
    get_cached_store().put(key)


def shares_getter_in_a_name(key: str) -> None:
    store = get_cached_store()
    store.hit()


def shares_attribute_behind_a_getter(key: str) -> None:
    get_cached_store().hits = 3


def shares_cached_container(key: str) -> None:
    get_table().update(a=1)


def shares_returned_global(key: str) -> None:
    get_jobs()[key] = 1


def shares_property(key: str) -> None:
    service.all.append(key)


def shares_cached_property(key: str) -> None:
    service.index[key] = 1


def shares_singleton(key: str) -> None:
    Only().remember(key)


def shares_singleton_by_classmethod(key: str) -> None:
    Only.shared().remember(key)


def shares_alias(key: str) -> None:
    mine = jobs
    mine[key] = 1


def shares_item_in_a_name(key: str) -> None:
    job = jobs[key]
    job["state"] = "done"


def shares_gotten_item(key: str) -> None:
    job = jobs.get(key)
    if job:
        job.update(state="done")


def shares_app_state(key: str) -> None:
    app.state.jobs[key] = 1


def shares_flag_that_is_read(key: str) -> bool:
    return Flags.maintenance


def shares_global_that_is_read(key: str) -> int:
    return factor + 1


def shares_flag_that_it_resets(key: str) -> None:
    if Flags.maintenance:
        Flags.maintenance = False


def shares_default(key: str, known: list[str] = []) -> None:  # noqa: B006
    known.append(key)


def shares_field_of_a_dataclass(key: str) -> None:
    if book := get_book():
        book.pages.update(a=1)


def shares_queue_in_a_name(key: str) -> None:
    waiting = queues["one"]
    waiting.put(key)


queues: dict[str, queue.Queue[str]] = {"one": queue.Queue()}


# Not shared


def free_lock_for_first_use(key: str) -> object:
    return get_client()


def free_lock_for_first_use_of_an_object(key: str) -> object:
    return service.client()


def free_settings(key: str) -> int:
    return get_settings().limit


def free_flag_that_nobody_sets(key: str) -> int:
    return Flags.level + service.size()


def free_new_object(key: str) -> None:
    new_store().put(key)


def free_new_object_in_a_name(key: str) -> None:
    store = Store()
    store.put(key)


def free_copy(key: str) -> None:
    other = DEFAULTS["a"].copy()
    other["b"] = 2


def free_read_array(key: str) -> float:
    return float(array_of_constants[0])


def free_logger_that_it_hands_out(key: str) -> None:
    get_logger(key).info("hello")


def free_environment_that_is_read(key: str) -> str:
    return os.environ["HOME"]


def free_iterator_of_its_own(key: str) -> int:
    mine = itertools.count()
    return next(mine)


def remembered(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper(*args: Any) -> Any:
        return function(*args)

    return wrapper


@remembered
def free_decorated(key: str) -> None: ...


async def free_awaited(key: str) -> None:
    work: Awaitable[None] = asyncio.sleep(0)
    await work


array_of_constants = numpy.ones(2)
