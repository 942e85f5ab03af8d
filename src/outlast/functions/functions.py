"""What outlast knows of a function before it becomes a task."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from types import CodeType, FunctionType, MethodType
from typing import Any, Generic, ParamSpec, Protocol, TypeVar, Unpack, cast, overload
from weakref import WeakKeyDictionary

from outlast.errors import NotStorable, OptionError
from outlast.events import endings
from outlast.functions.callables import Callables
from outlast.functions.context.carrier import Carrier
from outlast.functions.context.carry import Carry
from outlast.functions.context.reads import NOTHING_READ, Reads, reads_of
from outlast.functions.encoding import Codec
from outlast.functions.names import Held, as_decorated, path_of, runs, runs_nothing, shown
from outlast.functions.parameters import dependencies_of
from outlast.functions.reading import Courtesy, Reading
from outlast.functions.receivers import keeps_state
from outlast.functions.results import ResultsOfAll
from outlast.source.module_state import handed_over, shares_state
from outlast.source.sources import Sources
from outlast.tasks.options import GivenToFunction, check_of_function, flag, nearer, with_options
from outlast.tasks.signature import Task, s, si
from outlast.tasks.task import NO_OPTIONS, Call, Lane, TaskOptions

P = ParamSpec("P")
R = TypeVar("R")
Q = ParamSpec("Q")
S = TypeVar("S")
Found = TypeVar("Found")
Function = Callable[..., Any]

OPTIONS = "__outlast_options__"


class Decorator(Protocol):
    """Gives functions options, and the attributes of a `Task`."""

    def __call__(self, function: Callable[P, R], /) -> Task[P, R]: ...


@overload
def task(function: Callable[P, R], /) -> Task[P, R]: ...
@overload
def task(**options: Unpack[GivenToFunction]) -> Decorator: ...
def task(function: Callable[P, R] | None = None, /, **options: Unpack[GivenToFunction]) -> Task[P, R] | Decorator:
    """Says how a function is to be run when it becomes a task; the function itself stays as it is.

    It has `function.s(...)` and `function.si(...)` then, for `outlast.chain` and its like. Of two such decorators both
    hold, and the upper one where both say something.

    options: those of `outlast.tasks.options.GivenToFunction`, for example `@outlast.task(retries=3, timeout=60)`.
    Without any, `@outlast.task` and `@outlast.task()` are the same.

    A task that runs inline, in the web worker, can neither be stopped nor limited nor tried again. Raises OptionError.
    """
    said: dict[str, Any] = dict(options)
    travels = {"travels": _travels(said.pop("travels"))} if "travels" in said else {}
    check_of_function(said)

    def decorate(function: Callable[Q, S], /) -> Task[Q, S]:
        before = options_of(function)  # of another such decorator
        given = nearer(before.get("given", {}), said)
        asked = with_options(NO_OPTIONS, given)
        if asked.limits.by:
            _refuse_unknown(function, asked.limits.by)
        _mark(function, {"travels": None, **before, **travels, "given": given, "options": asked})
        with suppress(AttributeError):  # an object with slots is named by `outlast.s`
            vars(function).update(s=partial(_called, s, function), si=partial(_called, si, function))
        return cast("Task[Q, S]", function)

    return decorate if function is None else decorate(function)


def _mark(function: Function, known: Mapping[str, Any]) -> None:
    """Raises OptionError for what cannot be called, or takes no attributes."""
    with suppress(AttributeError, TypeError):
        setattr(function, OPTIONS, known)
    if not callable(function) or getattr(function, OPTIONS, None) is not known:
        raise OptionError(
            f"{function!r:.100} cannot be decorated with @outlast.task: decorate a function or method where it is "
            "written with `def`, and give options of any other with the call, outlast.options(...)"
        )


def _called(by: Callable[..., Call], function: Function, /, *args: Any, **kwargs: Any) -> Call:
    return by(as_decorated(function), *args, **kwargs)


def _travels(given: object) -> bool | None:
    return None if given is None else flag("travels", given)


def _refuse_unknown(function: Function, by: str) -> None:
    """Raises OptionError if `limit_by` names no parameter of a function whose signature can be read."""
    try:
        parameters = inspect.signature(function).parameters
    except (ValueError, TypeError):
        return
    if by.partition(".")[0] not in parameters:
        raise OptionError(f"option 'limit_by' is {by!r}, but {shown(function)} has no such parameter")


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
    options: TaskOptions
    code: str


class _Findings(Generic[Found]):
    """What was found out about functions: about each as long as it lives, about other callables by their path.

    A method is bound anew each time it is named, and an object that can be called may have no hash, or a false one.
    """

    def __init__(self, held: Held) -> None:
        self._held = held
        self._functions: WeakKeyDictionary[Function, Found] = WeakKeyDictionary()
        self._others: dict[str, Found] = {}

    def of(self, function: Function) -> Found | None:
        """None when nothing was found out yet. Raises NotStorable for what is no function and has no path."""
        if type(function) is FunctionType:
            return self._functions.get(function)
        return self._others.get(path_of(function, self._held))

    def keep(self, function: Function, found: Found) -> Found:
        """Remember what was found."""
        if type(function) is FunctionType:
            self._functions[function] = found
        else:
            self._others[path_of(function, self._held)] = found
        return found


class Functions:
    """Describes functions and remembers what it found.

    That takes a look into the project's source. Where an event loop runs it is taken in another thread.
    """

    def __init__(self, carry: Carry = True, defaults: TaskOptions = NO_OPTIONS) -> None:
        """carry: which context variables come along with tasks, see `outlast.install`. defaults: setting `options`."""
        self._defaults = defaults
        self._sources = Sources(rest=Courtesy())
        self.carrier = Carrier(self._sources, carry)
        self.held = Held(self._sources)
        self._known: _Findings[TaskFunction | str] = _Findings(self.held)
        self._reasons: _Findings[str] = _Findings(self.held)
        self._reads: _Findings[Reads] = _Findings(self.held)
        self.results = ResultsOfAll()
        self._presumed: set[str] = set()
        self._callables = Callables(self._sources, self.held, self._reason_of_passed)
        self._reading = Reading(self._look, self._read_ahead)

    def begin(self) -> None:
        """The server has started: look at what its modules hand over as tasks, before they do."""
        self._reading.begin()

    def describe(self, function: Function, *passed: Function) -> TaskFunction:
        """What a task of `function` needs, to which those in `passed` are given.

        Raises NotStorable when other processes cannot find it by name.
        """
        for one in passed:
            with suppress(Exception):  # who writes the arguments meets that, too
                self._reason_of(one, path_of(one, self.held))
        known = self._known.of(function)
        if known is None:
            known = self._known.keep(function, self._described_or_refused(function))
        if isinstance(known, str):
            raise NotStorable(known)
        return known

    def describe_now(self, function: Function, *passed: Function) -> TaskFunction:
        """The same without a look into any file where that would stop an event loop.

        What nobody has looked into yet is said to travel, and is looked into from now on.
        """
        if not passed and type(known := self._known.of(function)) is TaskFunction:
            return known
        if not _is_on_event_loop():
            return self.describe(function, *passed)
        unknown = [one for one in (function, *passed) if not self.knows(one)]
        for one in unknown:
            self._reading.ask(one)
        if any(one is function for one in unknown):
            return self._named(function, path_of(function, self.held), "")
        return self.describe(function)

    def presume(self, function: Function) -> None:
        """A task that calls it is stored, with a look or without: if it should not have travelled, that is said."""
        if not self.knows(function):
            self._presumed.add(path_of(function, self.held))
            self._reading.ask(function)

    def knows(self, function: Function) -> bool:
        """Whether no look into a file is needed, since there was one or since it would change nothing."""
        try:
            is_decided = options_of(function).get("travels") is not None
            return is_decided or self._reasons.of(function) is not None or not path_of(function, self.held)
        except Exception:  # noqa: BLE001 - NotStorable, or what an object of the user's raises: so will `describe`
            return True

    async def look_into(self, functions: Iterable[Function]) -> None:
        """Wait until these are known."""
        asked = [asyncio.wrap_future(self._reading.ask(one)) for one in functions if not self.knows(one)]
        if asked:
            await asyncio.gather(*asked)

    def reads(self, function: Function) -> Reads:
        """Which context variables it reads; nothing where that is not known without a look into files."""
        with suppress(NotStorable):
            known = self._reads.of(function)
            if known is None and not _is_on_event_loop():
                is_decided = options_of(function).get("travels") is not None
                found = NOTHING_READ if is_decided else reads_of(runs(function), self._sources)
                return self._reads.keep(function, found)
            return known or NOTHING_READ
        return NOTHING_READ

    def _look(self, function: Function) -> None:
        with suppress(NotStorable):  # it is remembered, or needs no look
            path = path_of(function, self.held)
            reason = self._reason_of(function, path)
            if reason and path in self._presumed:
                endings.PresumedToTravel(reason).tell()
            self._presumed.discard(path)
            self.describe(function)

    def _read_ahead(self) -> Iterator[None]:
        self.held.look()
        yield
        self.carrier.variables.look()
        yield
        for module in self._sources.own_modules():
            self._sources.rest()
            for function in handed_over(module, self._sources):
                with suppress(Exception):  # who adds it meets that, too
                    self.describe(function)
            yield

    def _described_or_refused(self, function: Function) -> TaskFunction | str:
        try:
            path = path_of(function, self.held)
            return self._named(function, path, self._reason_of(function, path))
        except NotStorable as error:
            return str(error)

    def _named(self, function: Function, path: str, reason: str) -> TaskFunction:
        nothing = runs_nothing(function)
        if nothing:
            raise NotStorable(f"{path} {nothing}")
        lane = Lane.LOOP if is_async(function) else Lane.THREAD
        asked = with_options(self._defaults, options_of(function).get("given", {}))
        return TaskFunction(path, lane, Codec(function, self._callables), reason, asked, code_hash(function))

    def _reason_of(self, function: Function, path: str) -> str:
        """Why a function has to stay in this process; found out once, by a look into files."""
        known = self._reasons.of(function)
        if known is None:
            found = self._found_reason(function, path)
            with suppress(Exception):
                self.reads(function)  # before this is known: nobody asks for a look any more then
            known = self._reasons.keep(function, found)
        return known

    def _reason_of_passed(self, function: Function, path: str) -> str:
        """The same for one that is an argument; on an event loop as far as it is known."""
        known = self._reasons.of(function)
        if known is None and not _is_on_event_loop():
            return self._reason_of(function, path)
        return known or ""

    def _found_reason(self, function: Function, path: str) -> str:
        travels = options_of(function).get("travels")
        if travels is None:
            own = shares_state(runs(function), self._sources) or keeps_state(function, path, self._sources)
            return own or _reason_of_dependencies(function, self._sources)
        return "" if travels else f"{path} is decorated with @outlast.task(travels=False)"


def _reason_of_dependencies(function: Function, sources: Sources) -> str:
    """Why what FastAPI fills its parameters with has to be made in this process."""
    depends = dependencies_of(function)
    if depends is not None:
        with suppress(Exception):  # one that FastAPI does not take is refused where the task is added
            own = [one for one in map(runs, depends.functions()) if isinstance(one, (FunctionType, MethodType))]
            return next(filter(None, (shares_state(one, sources) for one in own)), "")
    return ""


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
