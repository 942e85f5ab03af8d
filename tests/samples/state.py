"""Functions that share module state with the web process (`shares_*`) and such that do not (`free_*`)."""
# ruff: noqa: PLW0603, ARG002

from __future__ import annotations

import asyncio
import heapq
import logging
from bisect import insort
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import lru_cache, wraps
from types import SimpleNamespace
from typing import Any

from fastapi import FastAPI

from tests.samples import shared
from tests.samples.named import logged
from tests.samples.shared import named, prices, record, registry, results

app = FastAPI()
logger = logging.getLogger(__name__)
jobs: dict[str, Any] = {}
seen: set[str] = set()
recent: deque[str] = deque()
counts: Counter[str] = Counter()
groups: defaultdict[str, list[str]] = defaultdict(list)
items: list[str] = []
queue: asyncio.Queue[str] = asyncio.Queue()
total = 0
client: object | None = None
pool: object | None = None
RATES = {"eur": 1.0}
models: dict[str, Any] = {}
progress: dict[str, int] = {}
agenda: list[str] = []
ordered: OrderedDict[str, int] = OrderedDict()
figures = SimpleNamespace(sent=0, is_paused=False)


@app.post("/progress")
def endpoint(key: str) -> None:
    progress[key] = 0


@app.post("/agenda")
def push(key: str) -> None:
    heapq.heappush(agenda, key)
    figures.is_paused = True


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    models["one"] = object()
    yield
    models.clear()


class Manager:
    """As in FastAPI's documentation of WebSockets."""

    limit = 10
    shared: dict[str, int] = {}  # noqa: RUF012

    def __init__(self) -> None:
        self.active: list[str] = []
        self.fixed: list[str] = ["a"]
        self.shown: list[str] = []
        self._session: object | None = None
        self.sent = 0

    def connect(self, name: str) -> None:
        self.active.append(name)

    def broadcast(self, text: str) -> None:
        for _ in self.active:
            pass

    def show(self) -> int:
        return len(self.shown)

    def rebuild(self) -> None:
        self.shown = []

    def count(self) -> None:
        self.sent += 1

    def session(self) -> object:
        if self._session is None:
            self._session = object()
        return self._session

    def names(self) -> list[str]:
        return self.fixed

    def update(self, key: str) -> str:
        return key

    @staticmethod
    def plain(key: str) -> str:
        return key

    @classmethod
    def remember(cls, key: str) -> None:
        cls.shared[key] = 1


class Bag(list[str]):
    def add(self, key: str) -> str:
        return key


manager = Manager()
bag = Bag()
api = SimpleNamespace(add=len)


def shares_item(key: str) -> None:
    jobs[key] = 1


def shares_inner_item(key: str) -> None:
    jobs[key]["status"] = "done"


def shares_deletion(key: str) -> None:
    del jobs[key]


def shares_augmented_item(key: str) -> None:
    counts[key] += 1


def shares_ordered_item(key: str) -> None:
    ordered.move_to_end(key)


def shares_heap(key: str) -> None:
    heapq.heappush(items, key)


def shares_sorted(key: str) -> None:
    insort(items, key)


def shares_namespace(key: str) -> None:
    figures.sent += 1


@lru_cache
def switches() -> SimpleNamespace:
    return SimpleNamespace(is_on=False)


def shares_cached_namespace(key: str) -> None:
    switches().is_on = True


def shares_namespace_read(key: str) -> bool:
    return bool(figures.is_paused)


def shares_what_others_push(key: str) -> str:
    return agenda[0]


def free_heap_of_its_own(key: str) -> None:
    heap = [key]
    heapq.heappush(heap, key)


def shares_add(key: str) -> None:
    seen.add(key)


def shares_append(key: str) -> None:
    recent.append(key)


def shares_inner_append(key: str) -> None:
    groups[key].append(key)


def shares_pop(key: str) -> None:
    jobs.pop(key, None)


def shares_put(key: str) -> None:
    queue.put_nowait(key)


def shares_global(key: str) -> None:
    global total
    total += 1


def shares_plain_global(key: str) -> None:
    global pool
    pool = key


def shares_tested_global(key: str) -> None:
    global total
    if total is not None:
        total += 1


def shares_rebound_container(key: str) -> None:
    global jobs
    if not jobs:
        jobs = {}
    jobs[key] = 1


def shares_in_nested_function(key: str) -> None:
    def inner() -> None:
        items.append(key)

    inner()


async def shares_async(key: str) -> None:
    await asyncio.sleep(0)
    jobs[key] = 1


def shares_other_module(key: str) -> None:
    shared.results[key] = 1


def shares_other_modules_name(key: str) -> None:
    shared.flag = True


def shares_imported_name(key: str) -> None:
    results[key] = 1


def shares_through_call(key: str) -> None:
    record(key)


def shares_through_calls_in_a_circle(key: str) -> None:
    shared.deep(key)


def shares_through_thread(key: str) -> None:
    asyncio.run(asyncio.to_thread(record, key))


def shares_local_import(key: str) -> None:
    from tests.samples.shared import results as mine

    mine[key] = 1


def shares_what_an_endpoint_changes(key: str) -> int:
    return progress[key]


def shares_what_another_module_changes(key: str) -> int:
    return len(results)


def shares_what_a_module_that_is_not_imported_here_changes(key: str) -> int:
    return shared.remote[key]


def shares_attribute(key: str) -> None:
    manager.sent = 3


def shares_attribute_of_class(key: str) -> None:
    Manager.limit = 3


def shares_method(key: str) -> None:
    manager.count()


def shares_classmethod(key: str) -> None:
    Manager.remember(key)


def shares_connections(key: str) -> None:
    manager.broadcast(key)


def shares_what_a_method_replaces(key: str) -> int:
    return manager.show()


def shares_container_of_object(key: str) -> None:
    manager.active.clear()


def shares_app_state(key: str) -> None:
    app.state.total = 1


def counting(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def wrapper(*args: Any) -> Any:
        counts["calls"] += 1
        return function(*args)

    return wrapper


@counting
def shares_by_decorator(key: str) -> None: ...


@logged
def shares_behind_decorator(key: str) -> None:
    jobs[key] = 1


def free_plain(key: str) -> str:
    return key.upper()


def free_local(key: str) -> None:
    jobs: dict[str, int] = {}
    jobs[key] = 1
    items = [key]
    items.append(key)


def free_parameter(jobs: dict[str, int]) -> None:
    jobs["a"] = 1


def free_constant(key: str) -> float:
    return RATES[key] + prices[key]


def free_logger(key: str) -> None:
    logger.info(key)


def free_lazy(key: str) -> object:
    global client
    if client is None:
        client = object()
    return client


def free_lazy_early_return(key: str) -> object:
    global client
    if client is not None:
        return client
    client = object()
    return client


def free_lazy_attribute(key: str) -> object:
    return manager.session()


def free_constant_of_object(key: str) -> list[str]:
    return manager.names()


def free_method_called_update(key: str) -> str:
    return manager.update(key) + Manager.plain(key)


def free_method_of_own_container(key: str) -> str:
    return bag.add(key)


def free_call_of_library_object(key: str) -> None:
    api.add(key)


def free_circle(key: str) -> None:
    free_circle_back(key)


def free_circle_back(key: str) -> None:
    free_circle(key)


def free_lifespan_models(key: str) -> object:
    return models["one"]


@registry.register
def free_handler() -> None: ...


@named
def free_named_handler() -> None: ...


def free_registry(key: str) -> None:
    registry.call(key)


def free_names(key: str) -> None:
    shared.names[key]()


def free_own_object(key: str) -> None:
    mine = Manager()
    mine.active.append(key)
