"""Whether a function shares module state with the web process: a help, not a proof.

A task that changes `jobs[job_id]`, or reads it while an endpoint changes it, works only in the process of
that endpoint. This is read from the source: local names, getters and properties are followed to what they stand for.
Not seen: state in an object of a library that is neither a container, a cache, an array, a lock, a metric nor an
iterator, in functions that only a library calls, and in text that is executed unless it stands there in quotes.
"""

from __future__ import annotations

import inspect
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from types import CellType, FunctionType, MethodType, ModuleType, SimpleNamespace
from typing import Any

from starlette.datastructures import State

from outlast.source.anew import Anew
from outlast.source.arguments import Arguments
from outlast.source.belongings import Made, are_one, class_of, described, holds_data, is_cached, is_own_in_each
from outlast.source.bodies import Body, Change, Use
from outlast.source.globals import Globals
from outlast.source.meanings import WRAPPERS, Meaning
from outlast.source.sources import Source, Sources
from outlast.source.syntax import FunctionNode, User, binds_anew, sets_up
from outlast.source.tracing import Tracer
from outlast.system.links import from_here
from outlast.text import is_a

FOLLOWED = 100  # how many functions of the project are looked into, at most, for one function
OVERRIDE = "decorate it with @outlast.task(travels=True) if it may run in another process all the same"
_STEPS = 3  # callers of callers
_CONSTRUCTION = frozenset({"__init__", "__new__", "__post_init__", "__set_name__"})
_HANDED_OVER = re.compile(r"\b(?:add_task|enqueue|enqueue_sync|BackgroundTask)\(\s*([A-Za-z_][\w.]*)")
_Call = tuple[object, object, frozenset[str]]
"""A function, the object whose method it is or None, and for want of what it is called."""
_Other = tuple[Body, object]
"""A function, and what modules hold that call it."""


@dataclass(frozen=True, slots=True)
class SharedState:
    """Which state a function shares with the web process, in one sentence, and the line that changes or reads it."""

    sentence: str
    file: str
    line: int


def shares_state(function: Callable[..., Any], sources: Sources | None = None) -> str:
    """Which state `function` shares with the web process and where, in one sentence; empty when none is seen.

    `sources` remembers parsed files between calls.
    """
    shared = shared_state(function, sources)
    return f"{shared.sentence}; {OVERRIDE}" if shared else ""


def shared_state(function: Callable[..., Any], sources: Sources | None = None) -> SharedState | None:
    """The same as a record, without what to do about it."""
    search = _Search(sources or Sources())
    name = f"{function.__module__}:{function.__qualname__}"
    for body in search.bodies(function):
        found = search.shared_in(body)
        if found is not None:
            what, line = found
            through = "" if body.name == function.__name__ else f", through {body.name}(),"
            return SharedState(f"{name}{through} {what}", body.file, line)
    kept = search.arguments.changed_and_kept(function)
    if kept is None:
        return None
    where = f"which {kept.caller}() keeps in `{kept.container}` ({from_here(kept.caller_file)}:{kept.caller_line}"
    what = f"changes its argument `{kept.parameter}` ({from_here(kept.file)}:{kept.line}), {where}) in the web process"
    return SharedState(f"{name} {what}", kept.file, kept.line)


def bodies_of(function: Callable[..., Any], sources: Sources) -> Iterator[Body]:
    """The function and those of the project that it calls, as far as they are followed."""
    return _Search(sources).bodies(function)


def handed_over(module: ModuleType, sources: Sources) -> Iterator[FunctionType | MethodType]:
    """The functions and methods that a module of the project names where it adds or enqueues tasks."""
    source = sources.module(module)
    for path in dict.fromkeys(_HANDED_OVER.findall(source.text if source else "")):
        first, *names = path.split(".")
        owner: object = module
        found: object = vars(module).get(first)
        for name in names:
            owner, found = found, inspect.getattr_static(found, name, None)
        if isinstance(found, FunctionType):
            yield found if is_a(owner, (type, ModuleType)) else MethodType(found, owner)


class _Search:
    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._globals = Globals(sources)
        self._tracer = Tracer(sources)
        self.arguments = Arguments(sources, self._tracer)
        self._anew = Anew(sources)
        self._set_up = SetUp(sources)
        self._bodies: dict[int, Body] = {}
        self._changers: dict[tuple[int, int, int, str], tuple[Body, Change] | None] = {}
        self._holding: dict[tuple[int, str], list[_Other]] = {}  # by what modules hold, and its name

    def bodies(self, function: Callable[..., Any]) -> Iterator[Body]:
        """The function itself, then those of the project that it calls or names, nearest first."""
        waiting = deque(_calls_of(function, None, frozenset()))
        looked_at: set[tuple[int, int, frozenset[str]]] = set()
        followed = 0
        while waiting and followed < FOLLOWED:
            self._sources.rest()
            called, receiver, missing = waiting.popleft()
            if (id(called), id(receiver), missing) in looked_at:
                continue
            looked_at.add((id(called), id(receiver), missing))
            body = self._body(called, receiver, missing)
            if body is not None:
                followed += 1
                yield body
                for use in body.uses:
                    waiting.extend(_calls_of(use.meaning.value, use.meaning.owner, use.missing))

    def shared_in(self, body: Body) -> tuple[str, int] | None:
        """What `body` changes or reads of the state that it shares, and on which line."""
        for change in body.changes():
            what = f"changes {change.text} ({_place(body, change)}), and the web process would not see it"
            return what, change.line
        for use in (*body.guards(), *body.decorated_with(), *body.uses):
            found = self._shared_by(body, use)
            if found:
                return found, use.line
        return None

    def _shared_by(self, body: Body, use: Use) -> str:
        meaning = use.meaning
        if is_own_in_each(meaning.value) or not meaning.exact:
            what = f"`{meaning.text}` ({_place(body, use)}), {described(meaning.value)}"
            return f"uses {what}, which each process has for itself"
        made = self._anew.made(meaning, body.name)
        if made is not None:
            call, file, line = made
            what = f"`{meaning.text}` ({_place(body, use)})"
            return f"reads {what}, which each process makes anew at its import: `{call}` ({from_here(file)}:{line})"
        changer = self._known_changer(meaning) if self._may_be_changed(meaning) else None
        if changer is None:
            return ""
        other, change = changer
        where = f"{_place(body, use)}), which {other.name}() changes ({_place(other, change)}"
        return f"reads `{meaning.text}` ({where}) in the web process"

    def _may_be_changed(self, meaning: Meaning) -> bool:
        """Whether it is worth asking who changes it: what holds data, a cache, or a flag that is bound anew."""
        value = meaning.value
        if holds_data(value) or is_cached(value):
            return True
        if meaning.owner is None or callable(value) or is_a(value, (ModuleType, Made)):
            return False
        owner = meaning.owner
        if is_a(owner, CellType):
            return True
        if is_a(owner, ModuleType):
            return self._sources.is_own_module(owner)
        if is_a(owner, (SimpleNamespace, State)):
            return True
        return self._sources.is_own_class(owner if is_a(owner, type) else class_of(owner))

    def _body(self, function: object, receiver: object, missing: frozenset[str]) -> Body | None:
        found = self._sources.function(function)
        if found is None or not isinstance(function, FunctionType):
            return None
        source, node = found
        return Body(source.file, self._tracer.names_of(function, node, receiver), self._sources, missing)

    def _body_of_node(self, source: Source, node: FunctionNode, module: ModuleType) -> Body:
        if id(node) not in self._bodies:
            self._bodies[id(node)] = Body(source.file, self._tracer.names(node, vars(module)), self._sources)
        return self._bodies[id(node)]

    def _known_changer(self, meaning: Meaning) -> tuple[Body, Change] | None:
        key = (id(meaning.value), id(meaning.root), id(meaning.owner), meaning.text)
        if key not in self._changers:
            self._changers[key] = self._changer(meaning)
        return self._changers[key]

    def _changer(self, meaning: Meaning) -> tuple[Body, Change] | None:
        """The first function that changes what `meaning` leads to, other than at set-up or import."""
        for body, known_as in self._others(meaning):
            change = next((change for change in body.changes() if _concerns(change, meaning)), None)
            if change is not None and not self._is_set_up(body.name, known_as):
                return body, change
        return None

    def _others(self, meaning: Meaning) -> Iterator[_Other]:
        """The functions that may change it, each with what modules hold that call it."""
        is_flag = not holds_data(meaning.value) and not is_cached(meaning.value)
        yield from self._in_modules(meaning, is_flag=is_flag)
        for function in self._globals.closing_over(meaning.owner):
            body = self._body(function, None, frozenset())
            yield from [(body, function)] if body else ()
        for name, method in _methods(meaning.owner):
            found = self._sources.function(method) if name not in _CONSTRUCTION else None
            if found is not None and (not is_flag or binds_anew(found[1], meaning.name)):
                body = self._body(method, meaning.owner, frozenset())
                yield from [(body, meaning.root)] if body else ()

    def _in_modules(self, meaning: Meaning, *, is_flag: bool) -> Iterable[_Other]:
        """Those in modules: of what these hold they are looked for once, through whichever module it is reached."""
        if is_flag or meaning.value is not meaning.root:
            return self._found_in_modules(meaning, is_flag=is_flag)
        key = id(meaning.value), meaning.name
        if key not in self._holding:
            self._holding[key] = list(self._found_in_modules(meaning, is_flag=False))
        return self._holding[key]

    def _found_in_modules(self, meaning: Meaning, *, is_flag: bool) -> Iterator[_Other]:
        names = {meaning.name, *(() if is_flag else self._globals.names_of(meaning.value))}
        home = [meaning.owner] if self._sources.is_own_module(meaning.owner) else []
        reached_by = meaning.owner if is_flag and home else meaning.root  # a flag of a module is assigned through that
        for module in dict.fromkeys((*home, *self._globals.holders_of(reached_by))):
            source = self._sources.module(module)
            for node in source.changing(names) if source else ():
                if source and (not is_flag or binds_anew(node, meaning.name)):
                    yield self._body_of_node(source, node, module), vars(module).get(node.name)

    def _is_set_up(self, name: str, thing: object) -> bool:
        """Whether it is called while modules with `thing` are imported, as registries do, or the app is set up."""
        sources = map(self._sources.module, self._globals.holders_of(thing))
        return any(source.calls_at_import(name) for source in sources if source) or self._set_up.only_runs_then(name)


def _calls_of(value: object, owner: object, missing: frozenset[str]) -> Iterator[_Call]:
    """What a call of `value` would run: a function and what it wraps, or the making of an object."""
    function: object = value
    if is_a(value, MethodType):
        function, owner = value.__func__, value.__self__
    if is_a(value, type):
        function, owner = vars(value).get("__init__"), None
    for _ in range(WRAPPERS):
        if not callable(function):
            return
        yield function, None if is_a(owner, ModuleType) else owner, missing
        function = inspect.getattr_static(function, "__wrapped__", None)


def _concerns(change: Change, meaning: Meaning) -> bool:
    if change.attribute and not holds_data(change.value):
        return change.attribute == meaning.name and are_one(change.value, meaning.owner)
    return change.value is not None and are_one(change.value, meaning.value)


def _methods(owner: object) -> Iterator[tuple[str, object]]:
    cls = owner if is_a(owner, type) else class_of(owner)
    return ((name, member) for base in cls.__mro__ for name, member in list(vars(base).items()))


def _place(body: Body, at: Change | Use) -> str:
    return f"{from_here(body.file)}:{at.line}"


class SetUp:
    """Which functions run only while an app is set up: what they fill is there in a task process as well.

    Asks who calls a function, by its name alone: one that others share counts as called by all who call those.
    """

    def __init__(self, sources: Sources) -> None:
        self._sources = sources
        self._known: dict[str, bool] = {}

    def only_runs_then(self, name: str, steps: int = _STEPS) -> bool:
        """Whether somebody calls the function, and all who do only set the app up."""
        if name not in self._known:
            self._known[name] = False  # while its callers are asked
            self._known[name] = self._is_for_set_up(name, steps)
        return self._known[name]

    def _is_for_set_up(self, name: str, steps: int) -> bool:
        is_used = False
        for module in self._sources.own_modules():
            source = self._sources.module(module)
            for user in source.users_of(name) if source else ():
                is_used = True
                if not self._sets_up(user, steps):
                    return False
        return is_used

    def _sets_up(self, user: User, steps: int) -> bool:
        if not user.is_call:
            return False
        function = user.function
        return function is None or sets_up(function) or (steps > 0 and self.only_runs_then(function.name, steps - 1))
