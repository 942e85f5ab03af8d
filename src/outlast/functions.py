"""What outlast knows of a function before it becomes a task."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from types import CodeType
from typing import Any, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from outlast.callables import Callables
from outlast.encoding import Codec
from outlast.errors import NotStorable
from outlast.module_state import shares_state
from outlast.names import Held, is_bound, path_of, runs, runs_nothing
from outlast.receivers import keeps_state
from outlast.sources import Sources
from outlast.tasks import NO_TERMS, Lane, Terms
from outlast.terms import terms

P = ParamSpec("P")
R = TypeVar("R")
Function = Callable[..., Any]

OPTIONS = "__outlast_options__"


def task(
    *,
    travels: bool | None = None,
    isolate: bool = False,
    timeout: float | None = None,
    memory: int | str | None = None,
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Says how a function is to be run when it becomes a task; the function itself stays as it is.

    travels: True runs it in a task process even when it seems to share module state with the web process,
    False always runs it in the web process, None finds out.
    isolate: True runs each task of it in a process with nothing else in it (lane `alone`).
    timeout: seconds that an attempt may take; then it is stopped, and its process ended if it does not listen.
    memory: bytes, or text such as "512M", that an attempt may take beyond what its process has when it begins; such
        a task runs in lane `alone`, and gets a MemoryError when it wants more.

    A task that runs inline, in the web worker, can neither be stopped nor limited. Raises OptionError.
    """
    asked = terms(NO_TERMS, isolate=isolate, timeout=timeout, memory=memory)
    options = {"travels": travels, "terms": asked}

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        setattr(function, OPTIONS, options)
        return function

    return decorate


def options_of(function: Function) -> Mapping[str, Any]:
    """What `task` has said about a function, by option."""
    options: Mapping[str, Any] = getattr(function, OPTIONS, {})
    return options


def code_hash(function: Function) -> str:
    """A hash of what a function does, the same in every process of one interpreter; empty when it has no code."""
    code = getattr(inspect.unwrap(runs(function)), "__code__", None)
    return sha256(_code_bytes(code)).hexdigest()[:16] if code is not None else ""


def is_async(function: Function) -> bool:
    """Whether a call gives a coroutine: of an `async def`, a partial of one, or an async `__call__`."""
    while isinstance(function, partial):
        function = function.func
    called = inspect.getattr_static(type(function), "__call__", None)
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called)


@dataclass(frozen=True, slots=True)
class TaskFunction:
    """A function that has a name; `inline_reason` is empty when it may run in another process."""

    path: str
    lane: Lane
    codec: Codec
    inline_reason: str
    terms: Terms
    code: str


class Functions:
    """Describes functions and remembers what it found, for as long as they live."""

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[Function, TaskFunction | str] = WeakKeyDictionary()
        self._methods: dict[str, TaskFunction] = {}
        self._reasons: dict[str, str] = {}
        self._sources = Sources()
        self.held = Held(self._sources)
        self._callables = Callables(self._sources, self.held, self._reason_of)

    def describe(self, function: Function) -> TaskFunction:
        """What a task of `function` needs. Raises NotStorable when other processes cannot find it by name."""
        if is_bound(function):
            return self._described_method(function)
        try:
            known = self._known.get(function)
        except TypeError:  # it cannot be hashed or weakly referenced
            return self._described(function)
        if known is None:
            known = self._known[function] = self._described_or_refused(function)
        if isinstance(known, str):
            raise NotStorable(known)
        return known

    def _described_method(self, function: Function) -> TaskFunction:
        """A method is bound anew each time it is named, so it is known by its path."""
        path = path_of(function, self.held)
        known = self._methods.get(path)
        if known is None:
            known = self._methods[path] = self._described(function)
        return known

    def _described_or_refused(self, function: Function) -> TaskFunction | str:
        try:
            return self._described(function)
        except NotStorable as error:
            return str(error)

    def _described(self, function: Function) -> TaskFunction:
        path = path_of(function, self.held)
        nothing = runs_nothing(function)
        if nothing:
            raise NotStorable(f"{path} {nothing}")
        lane = Lane.LOOP if is_async(function) else Lane.THREAD
        asked = options_of(function).get("terms", NO_TERMS)
        reason = self._inline_reason(function, path)
        return TaskFunction(path, lane, Codec(function, self._callables), reason, asked, code_hash(function))

    def _inline_reason(self, function: Function, path: str) -> str:
        travels = options_of(function).get("travels")
        if travels is None:
            return shares_state(runs(function), self._sources) or keeps_state(function, path, self._sources)
        return "" if travels else f"{path} is decorated with @outlast.task(travels=False)"

    def _reason_of(self, function: Function, path: str) -> str:
        """Why a function that is passed to a task has to stay in this process; found out once."""
        if path not in self._reasons:
            self._reasons[path] = self._inline_reason(function, path)
        return self._reasons[path]


def _code_bytes(code: CodeType) -> bytes:
    """Instructions, names and constants, also of the functions inside; not line numbers."""
    constants = [_code_bytes(one) if isinstance(one, CodeType) else repr(one).encode() for one in code.co_consts]
    return b"\0".join([code.co_code, repr(code.co_names).encode(), *constants])
