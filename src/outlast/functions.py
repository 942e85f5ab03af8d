"""Function to `module:qualname` and back, and what outlast knows of a function before it becomes a task."""

from __future__ import annotations

import asyncio
import importlib
import inspect
import logging
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from importlib.util import find_spec
from types import CodeType, ModuleType
from typing import Any, ParamSpec, TypeVar
from weakref import WeakKeyDictionary, WeakSet

from outlast import events
from outlast.encoding import Codec
from outlast.errors import NotStorable, TargetNotFound
from outlast.module_state import handed_over, shares_state
from outlast.reading import Courtesy, Reading
from outlast.sources import Sources
from outlast.tasks import NO_TERMS, Lane, Terms
from outlast.terms import terms
from outlast.text import LONGEST_PATH, MOST_NAME, one_line, said_by

log = logging.getLogger("outlast")
P = ParamSpec("P")
R = TypeVar("R")
Function = Callable[..., Any]

OPTIONS = "__outlast_options__"
_MODULE_LEVEL = "move it to the top level of a module"
IS_PARTIAL = "cannot be stored: pass the function itself, and the arguments beside it"
IS_LAMBDA = "has no name that other processes could find: write it as a function of a module"
IS_LOCAL = f"is inside another function, where other processes cannot find it: {_MODULE_LEVEL}"


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
    code = getattr(inspect.unwrap(function), "__code__", None)
    return sha256(_code_bytes(code)).hexdigest()[:16] if code is not None else ""


def path_of(function: Function) -> str:
    """The `module:qualname` under which other processes find `function`.

    Raises NotStorable, with what to do instead, when there is no such name or it leads to something else.
    """
    reason = _unnamed(function)
    if reason:
        raise NotStorable(f"{_shown(function)} {reason}")
    path = f"{_module_name(function)}:{function.__qualname__}"
    if not path.isprintable() or len(path) > LONGEST_PATH:
        raise NotStorable(f"{one_line(path, MOST_NAME)} has a name that cannot be stored: {_MODULE_LEVEL}")
    try:
        found = resolve(path)
    except TargetNotFound as error:
        raise NotStorable(f"{path} cannot be found by other processes ({error}): {_MODULE_LEVEL}") from error
    if found != function:
        raise NotStorable(
            f"{path} leads to {_shown(found)}, not to the function that was given, which was decorated or "
            "replaced: pass what that name leads to, or give the function a name of its own"
        )
    return path


def resolve(path: str) -> Function:
    """The function that `path`, `module:qualname`, names. Its module is imported; nothing is evaluated.

    Raises TargetNotFound when there is no such module, no such name in it, or it cannot be called. What the
    module itself raises while it is imported passes through, if it is not an ImportError.
    """
    module_name, _, qualname = path.partition(":")
    if not module_name or not qualname:
        raise TargetNotFound(f"{path!r} is not the path of a function: it has to be `module:name`")
    if "<" in qualname:
        raise TargetNotFound(f"{path} cannot be imported, since it is a lambda or inside a function")
    found: Any = _imported(module_name, path)
    for name in qualname.split("."):
        if not hasattr(found, name):
            raise TargetNotFound(f"{path} does not exist: {_shown(found)} has no {name!r}; was it renamed or moved?")
        found = getattr(found, name)
    if not callable(found):
        raise TargetNotFound(f"{path} is {type(found).__name__}, which cannot be called")
    return found  # type: ignore[no-any-return]


def is_bound_to(cls: str) -> str:
    """Why a method of an instance of the class with this name cannot be stored."""
    remedy = "pass a function of a module, and what it needs to make that object"
    return f"belongs to an instance of {cls}, which cannot be stored: {remedy}"


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
    """Describes functions and remembers what it found, for as long as they live.

    That takes a look into the project's source. Where an event loop runs it is taken in another thread.
    """

    def __init__(self) -> None:
        self._known: WeakKeyDictionary[Function, TaskFunction | str] = WeakKeyDictionary()
        self._presumed: WeakSet[Function] = WeakSet()
        self._sources = Sources(rest=Courtesy())
        self._reading = Reading(self._look, self._read_ahead)

    def begin(self) -> None:
        """The server has started: look at what its modules hand over as tasks, before they do."""
        self._reading.begin()

    def describe(self, function: Function) -> TaskFunction:
        """What a task of `function` needs. Raises NotStorable when other processes cannot find it by name."""
        try:
            known = self._known.get(function)
        except TypeError:  # it cannot be hashed or weakly referenced
            return self._described(function)
        if known is None:
            known = self._known[function] = self._described_or_refused(function)
        if isinstance(known, str):
            raise NotStorable(known)
        return known

    def describe_now(self, function: Function) -> TaskFunction:
        """The same without a look into any file where that would stop an event loop.

        What nobody has looked into yet is said to travel, and is looked into from now on.
        """
        if self.knows(function) or not _is_on_event_loop():
            return self.describe(function)
        self._reading.ask(function)
        return self._named(function, path_of(function), "")

    def presume(self, function: Function) -> None:
        """A task of `function` is stored without a look: if it should not have travelled, that is said."""
        self._presumed.add(function)
        self._reading.ask(function)

    def knows(self, function: Function) -> bool:
        """Whether `describe` needs no look into a file, or what that finds could not be remembered."""
        try:
            if function in self._known:
                return True
        except TypeError:
            return True
        return options_of(function).get("travels") is not None or bool(_unnamed(function))

    async def look_into(self, functions: Iterable[Function]) -> None:
        """Wait until these are known."""
        asked = [asyncio.wrap_future(self._reading.ask(one)) for one in functions if not self.knows(one)]
        if asked:
            await asyncio.gather(*asked)

    def _look(self, function: Function) -> None:
        with suppress(NotStorable):  # it is remembered
            reason = self.describe(function).inline_reason
            if reason and function in self._presumed:
                log.warning("%s", events.presumed_to_travel(reason))
        self._presumed.discard(function)

    def _read_ahead(self) -> Iterator[None]:
        for module in self._sources.own_modules():
            for function in handed_over(module, self._sources):
                with suppress(Exception):  # who adds it meets that, too
                    self.describe(function)
            yield

    def _described_or_refused(self, function: Function) -> TaskFunction | str:
        try:
            return self._described(function)
        except NotStorable as error:
            return str(error)

    def _described(self, function: Function) -> TaskFunction:
        path = path_of(function)
        travels = options_of(function).get("travels")
        return self._named(function, path, shares_state(function, self._sources) if travels is None else "")

    def _named(self, function: Function, path: str, reason: str) -> TaskFunction:
        lane = Lane.LOOP if is_async(function) else Lane.THREAD
        options = options_of(function)
        if options.get("travels") is False:
            reason = f"{path} is decorated with @outlast.task(travels=False)"
        return TaskFunction(path, lane, Codec(function), reason, options.get("terms", NO_TERMS), code_hash(function))


def _is_on_event_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _code_bytes(code: CodeType) -> bytes:
    """Instructions, names and constants, also of the functions inside; not line numbers."""
    constants = [_code_bytes(one) if isinstance(one, CodeType) else repr(one).encode() for one in code.co_consts]
    return b"\0".join([code.co_code, repr(code.co_names).encode(), *constants])


def _unnamed(function: Function) -> str:
    """Why `function` cannot have a name that leads to it; empty when it may have one."""
    if isinstance(function, partial):
        return IS_PARTIAL
    owner = getattr(function, "__self__", None)
    if owner is not None and not isinstance(owner, (type, ModuleType)):
        return is_bound_to(type(owner).__qualname__)
    qualname = getattr(function, "__qualname__", None)
    if qualname is None or getattr(function, "__module__", None) is None:
        return "is an object that can be called, and has no name: pass a function of a module that calls it"
    if "<lambda>" in qualname:
        return IS_LAMBDA
    return IS_LOCAL if "<locals>" in qualname else ""


def _module_name(function: Function) -> str:
    return (_importable_main() or "__main__") if function.__module__ == "__main__" else function.__module__


def _importable_main() -> str:
    """The name under which `python -m package.module` can be imported; empty for a plain script."""
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    if spec is None or spec.name == "__main__" or find_spec(spec.name) is None:
        return ""
    return str(spec.name)


def _imported(name: str, path: str) -> ModuleType:
    main = getattr(sys.modules.get("__main__"), "__spec__", None)
    if main is not None and main.name == name and name == _importable_main():
        return sys.modules["__main__"]  # importing it again would run the program's module a second time
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{name}.".startswith(f"{error.name}."):
            raise TargetNotFound(f"{path} does not exist: there is no module {error.name!r}") from error
        raise TargetNotFound(f"{path} cannot be imported: {said_by(error)}") from error
    except (ImportError, TypeError) as error:  # TypeError: a relative name
        raise TargetNotFound(f"{path} cannot be imported: {said_by(error)}") from error


def _shown(thing: object) -> str:
    if isinstance(thing, ModuleType):
        return f"module {thing.__name__}"
    named: Any = thing if hasattr(thing, "__qualname__") and hasattr(thing, "__module__") else type(thing)
    return f"{named.__module__}:{named.__qualname__}"
