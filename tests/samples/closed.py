"""State behind closures, in modules that are asked for by name, and in text that is executed (as in `state.py`)."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from functools import wraps
from typing import Any

box: dict[str, int] = {}
THIS: Any = sys.modules[__name__]


def container() -> tuple[Callable[[str], None], Callable[[str], int | None]]:
    kept: dict[str, int] = {}

    def put(key: str) -> None:
        kept[key] = 1

    def get(key: str) -> int | None:
        return kept.get(key)

    return put, get


def counter() -> tuple[Callable[[], None], Callable[[], int]]:
    number = 0

    def count() -> None:
        nonlocal number
        number += 1

    def counted() -> int:
        return number

    return count, counted


def constant(factor: int) -> Callable[[int], int]:
    def times(number: int) -> int:
        return factor * number

    return times


def connected() -> Callable[[], object]:
    connection: object | None = None

    def connect() -> object:
        nonlocal connection
        if connection is None:
            connection = object()
        return connection

    return connect


def logged(function: Callable[[str], None]) -> Callable[[str], None]:
    @wraps(function)
    def wrapper(key: str) -> None:
        function(key)

    return wrapper


put, get = container()
count, counted = counter()
double = constant(2)
connect = connected()


def shares_put(key: str) -> None:
    put(key)


def shares_get(key: str) -> int | None:
    return get(key)


def shares_count(key: str) -> None:
    count()


def shares_counted(key: str) -> int:
    return counted()


def shares_by_sys_modules(key: str) -> None:
    sys.modules[__name__].box = {}  # type: ignore[attr-defined]


def shares_item_by_sys_modules(key: str) -> None:
    here = sys.modules["tests.samples.closed"]
    here.box[key] = 1


def shares_by_import_module(key: str) -> None:
    importlib.import_module("tests.samples.closed").box[key] = 1


def shares_by_exec(key: str) -> None:
    exec("box['a'] = 1")  # noqa: S102


def shares_by_eval(key: str) -> None:
    eval("box.update(a=1)")  # noqa: S307


def free_exec(key: str) -> None:
    exec("box = {}")  # noqa: S102
    exec("box['a'] = 1", {"box": {}})  # noqa: S102
    exec(key)  # noqa: S102


def free_double(key: str) -> int:
    return double(len(key))


def free_connected(key: str) -> object:
    return connect()


@logged
def free_logged(key: str) -> None: ...


def free_own_counter(key: str) -> int:
    number = 0

    def count() -> None:
        nonlocal number
        number += 1

    count()
    return number


def free_own_container(key: str) -> None:
    mine, _ = container()
    mine(key)
