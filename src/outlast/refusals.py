"""Why an argument cannot travel to another process: which one, what it is, and what to pass instead."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import ValidationError
from pydantic_core import to_json

from outlast.errors import NotStorable
from outlast.text import in_brief
from outlast.values import Place, follow, parts, shown_place, walk

FAILURES = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RuntimeError)
"""What the user's own validators, serializers and comparisons may raise on the way to JSON and back."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of value that cannot travel: what it is called, and what to do instead of passing it."""

    what: str
    remedy: str


_LIVE_SESSION = "open one inside the function and pass primary keys"
_MAKE_INSIDE = "make it inside the function"
_IMPORT_INSIDE = "import it inside the function"
_LOCK = Kind("a lock or event of this process", "guard what is shared where it is stored, for example in the database")
_FUTURE = Kind("work under way in this process", "wait for it before and pass its result")
_QUEUE = Kind("a queue of this process", "pass what the function needs from it, or use a queue that processes share")
_SESSION = Kind("a SQLAlchemy session", _LIVE_SESSION)
_CONNECTION = Kind("a SQLAlchemy connection", _LIVE_SESSION)
_ENGINE = Kind("a SQLAlchemy engine", _IMPORT_INSIDE)
_UPLOAD = Kind("an uploaded file", "read it and pass the bytes, or save it first and pass its path")

# By name, so that nothing is imported to look at a value.
_KINDS: Mapping[str, Kind] = {
    "starlette.requests.HTTPConnection": Kind("a connection", "pass the fields of it that the function needs"),
    "starlette.requests.Request": Kind("a request", "pass the fields of it that the function needs"),
    "starlette.websockets.WebSocket": Kind("a WebSocket", "pass the fields of it that the function needs"),
    "starlette.responses.Response": Kind("a response", "pass the data that it was made from"),
    "starlette.applications.Starlette": Kind("an application", _IMPORT_INSIDE),
    "starlette.background.BackgroundTask": Kind("a background task", "add its function and arguments as a task"),
    "starlette.datastructures.UploadFile": _UPLOAD,
    "starlette.datastructures.State": Kind("the state of an application", "pass the values that the function needs"),
    "sqlalchemy.orm.session.Session": _SESSION,
    "sqlalchemy.orm.scoping.scoped_session": _SESSION,
    "sqlalchemy.ext.asyncio.session.AsyncSession": _SESSION,
    "sqlalchemy.ext.asyncio.scoping.async_scoped_session": _SESSION,
    "sqlalchemy.engine.base.Connection": _CONNECTION,
    "sqlalchemy.ext.asyncio.engine.AsyncConnection": _CONNECTION,
    "sqlalchemy.engine.base.Engine": _ENGINE,
    "sqlalchemy.ext.asyncio.engine.AsyncEngine": _ENGINE,
    "sqlalchemy.orm.session.sessionmaker": Kind("a SQLAlchemy session factory", _IMPORT_INSIDE),
    "sqlalchemy.ext.asyncio.session.async_sessionmaker": Kind("a SQLAlchemy session factory", _IMPORT_INSIDE),
    "sqlalchemy.engine.row.Row": Kind("a SQLAlchemy result row", "pass the values that the function needs"),
    "_io.BytesIO": Kind("a file in memory", "pass its content, `getvalue()`"),
    "_io.StringIO": Kind("a file in memory", "pass its content, `getvalue()`"),
    "_io._IOBase": Kind("an open file", "pass its path and open it inside the function, or pass its content"),
    "tempfile._TemporaryFileWrapper": Kind("a temporary file", "pass its content: the file goes when it is closed"),
    "tempfile.SpooledTemporaryFile": Kind("a temporary file", "pass its content: the file goes when it is closed"),
    "_socket.socket": Kind("a socket", "pass the address and connect inside the function"),
    "_thread.lock": _LOCK,
    "_thread.RLock": _LOCK,
    "threading.Condition": _LOCK,
    "threading.Event": _LOCK,
    "threading.Semaphore": _LOCK,
    "asyncio.locks.Lock": _LOCK,
    "asyncio.locks.Event": _LOCK,
    "asyncio.locks.Condition": _LOCK,
    "asyncio.locks.Semaphore": _LOCK,
    "queue.Queue": _QUEUE,
    "_queue.SimpleQueue": _QUEUE,
    "asyncio.queues.Queue": _QUEUE,
    "threading.Thread": Kind("a thread", "start it inside the function"),
    "multiprocessing.process.BaseProcess": Kind("a process", "start it inside the function"),
    "subprocess.Popen": Kind("a process", "start it inside the function"),
    "concurrent.futures._base.Executor": Kind("an executor", _MAKE_INSIDE),
    "concurrent.futures._base.Future": _FUTURE,
    "_asyncio.Future": _FUTURE,
    "asyncio.events.AbstractEventLoop": Kind("an event loop", "ask for the running loop inside the function"),
    "logging.Logger": Kind("a logger", "call logging.getLogger inside the function"),
    "logging.LoggerAdapter": Kind("a logger", "call logging.getLogger inside the function"),
    "pydantic.types._SecretBase": Kind("a secret", "pass what tells the function where to find it"),
    "builtins.BaseException": Kind("an exception", "pass its text, `str(error)`"),
}
GENERATOR = Kind("a generator or iterator", "pass a list of what it gives")
AWAITABLE = Kind("a coroutine or awaitable", "await it before and pass its result")
CALLABLE = Kind("a function or other callable", "pass what tells the function which one to call")
_CLASS = Kind("a class", "pass what tells the function which one to use")
_MODULE = Kind("a module", _IMPORT_INSIDE)
_ORM_ROW = Kind("a SQLAlchemy object", "pass its primary key and load it inside the function")
_BYTES = Kind(
    "bytes that are not UTF-8 text",
    "pass them as a `bytes` parameter, or give the model ser_json_bytes='base64' and val_json_bytes='base64'",
)


def kind_of(value: object) -> Kind | None:
    """The kind of things that cannot travel which `value` belongs to, if any."""
    if isinstance(value, type):
        return _CLASS
    if inspect.isroutine(value) or isinstance(value, partial):
        return CALLABLE
    return kind_of_class(type(value))


def kind_of_class(cls: type) -> Kind | None:
    """The kind of things that cannot travel which the instances of `cls` belong to, if any."""
    kind = kind_named(f"{base.__module__}.{base.__qualname__}" for base in cls.__mro__)
    if kind is not None:
        return kind
    return _ORM_ROW if hasattr(cls, "_sa_class_manager") else _kind_by_ability(cls)


def kind_named(names: Iterable[str]) -> Kind | None:
    """The kind of the first of these classes, by their full names, whose instances cannot travel."""
    return next((_KINDS[name] for name in names if name in _KINDS), None)


def _kind_by_ability(cls: type) -> Kind | None:
    if issubclass(cls, (Iterator, AsyncIterator)):
        return GENERATOR
    if issubclass(cls, Awaitable):
        return AWAITABLE
    return _MODULE if issubclass(cls, ModuleType) else None


def _culprit(value: object) -> tuple[Place, Kind] | None:
    """The first thing inside `value` that cannot be written as JSON, and the way to it."""
    for place, inner in walk(value):
        kind = kind_of(inner) or _kind_of_leaf(inner)
        if kind is not None:
            return place, kind
    return None


def _kind_of_leaf(value: object) -> Kind | None:
    if isinstance(value, (str, int, float)) or parts(value) is not None:
        return None
    try:
        to_json(value)
    except FAILURES:
        return _BYTES if isinstance(value, bytes) else _instance(value)
    return None


def _instance(value: object) -> Kind:
    cls = type(value)
    name = f"an instance of {cls.__module__}.{cls.__qualname__}"
    return Kind(name, "pass the values that it is made of and make it inside the function")


class Refusals:
    """The refusals of one function. Each method returns the error to raise. No argument's value is shown."""

    def __init__(self, function: str, hints: Mapping[str, Any]) -> None:
        self._function = function
        self._hints = hints

    def unbindable(self, signature: inspect.Signature, error: TypeError) -> NotStorable:
        """The call has an argument too many or too few."""
        return self._because(f"{error}; call it as its signature says: {signature}")

    def too_large(self, size: int, limit: int) -> NotStorable:
        """The arguments are more bytes of JSON than a journal should hold."""
        return self._because(
            f"its arguments are {size / 1024**2:.2f} MiB of JSON, more than the {limit / 1024**2:.0f} MiB "
            "that a task may have: store the data and pass its key or path"
        )

    def of_kind(self, name: str, place: Place, kind: Kind) -> NotStorable:
        """Parameter `name` is, or has inside at `place`, something that belongs to this process."""
        where = f"holds {kind.what} at `{shown_place((name, *place))}`" if place else f"is {kind.what}"
        return self._about(name, f"{where}, which cannot travel to another process: {kind.remedy}")

    def unfit(self, given: Mapping[str, Any], error: ValidationError) -> NotStorable:
        """An argument is not what its annotation says."""
        name, place, value, message = self._blamed(given, error)
        kind = kind_of(value)
        if kind is not None:
            return self.of_kind(name, place, kind)
        where = f", has {_a(value)} at `{shown_place((name, *place))}`" if place else f" but was given {_a(value)}"
        return self._about(name, f"is annotated `{self._hint(name)}`{where}: {message}; pass what the annotation says")

    def unwritable(self, name: str, value: object, error: Exception) -> NotStorable:
        """Parameter `name` cannot be written as JSON."""
        found = _culprit(value)
        if found is not None:
            return self.of_kind(name, *found)
        return self._about(name, f"is {_a(value)} that cannot be written as JSON ({in_brief(error)}): {_SIMPLER}")

    def unreadable(self, given: Mapping[str, Any], error: ValidationError) -> NotStorable:
        """What is written for an argument is not read back, such as what a serializer of the user's made."""
        name, place, value, message = self._blamed(given, error)
        found = _culprit(value)
        if found is not None:
            return self.of_kind(name, (*place, *found[0]), found[1])
        where = f" at `{shown_place((name, *place))}`" if place else ""
        return self._about(name, f"is {_a(given[name])} that does not read its own JSON{where} ({message}): {_SIMPLER}")

    def uncheckable(self, error: Exception) -> NotStorable:
        """The user's own code failed while an argument was read back or compared."""
        return self._because(f"its arguments cannot be checked ({in_brief(error)}): {_SIMPLER}")

    def changed(self, sent: Mapping[str, Any], back: Mapping[str, Any], place: Place) -> NotStorable:
        """What was read back at `place` is not what was sent. The first step of `place` is the parameter."""
        name, *inner = place
        way, value = follow(sent[name], inner)
        kind = kind_of(value)
        if kind is not None:
            return self.of_kind(name, way, kind)
        return self._about(name, self._change(name, way, value, follow(back[name], way)[1]))

    def outdated(self, error: ValidationError) -> NotStorable:
        """Stored arguments are not those that the function takes now."""
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = f" at `{shown_place(first['loc'])}`" if first["loc"] else ""
        return self._because(
            f"its stored arguments are not those that it takes now{where} ({first['msg']}): "
            "they were stored for another version of it, so add the task anew"
        )

    def _change(self, name: str, way: Place, sent: object, back: object) -> str:
        where = f"has {_a(sent)} at `{shown_place((name, *way))}`" if way else f"is {_a(sent)}"
        if type(sent) is type(back):
            return f"{where} that comes back with another value ({_LOSSES}): {_SIMPLER}"
        loss = f"{where}, which would come back as {_a(back)}"
        if self._hints.get(name) is Any and not way:
            return f"{loss}: annotate it, `{name}: {_name(sent)}`"
        if isinstance(sent, type(back)) or not way:
            return f"{loss}: annotate it as {_name(sent)}, or pass {_a(back)}"
        return f"{loss}: annotate what is inside, or pass {_a(back)}"

    def _blamed(self, given: Mapping[str, Any], error: ValidationError) -> tuple[str, Place, Any, str]:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        name, *inner = first["loc"] or (next(iter(given)),)
        way, value = follow(given[str(name)], inner)
        return str(name), way, value, first["msg"]

    def _hint(self, name: str) -> str:
        return inspect.formatannotation(self._hints[name]).removeprefix("typing.")

    def _about(self, name: str, sentence: str) -> NotStorable:
        return self._because(f"parameter `{name}` {sentence}")

    def _because(self, sentence: str) -> NotStorable:
        return NotStorable(f"{self._function}: {sentence}")


_SIMPLER = "pass plain values instead"
_LOSSES = "a field is excluded, private or changed by a validator, or a key is not a str"


def _a(value: object) -> str:
    if value is None:
        return "None"
    name = _name(value)
    return f"an {name}" if name[0] in "aeiouAEIO" else f"a {name}"


def _name(value: object) -> str:
    return "Path" if isinstance(value, Path) else type(value).__qualname__
