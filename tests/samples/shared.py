"""State and helpers of a project, used from other modules."""

from __future__ import annotations

from typing import Any

results: dict[str, int] = {}
prices: dict[str, int] = {"a": 1}
remote: dict[str, int] = {}
flag = False


def record(key: str) -> None:
    results[key] = 1


def deep(key: str) -> None:
    deeper(key)


def deeper(key: str) -> None:
    deep(key)
    record(key)


class Registry:
    """Handlers by name, filled while modules are imported."""

    def __init__(self) -> None:
        self.handlers: dict[str, Any] = {}

    def register(self, function: Any) -> Any:
        self.handlers[function.__name__] = function
        return function

    def call(self, name: str) -> None:
        self.handlers[name]()


registry = Registry()
names: dict[str, Any] = {}


def named(function: Any) -> Any:
    names[function.__name__] = function
    return function
