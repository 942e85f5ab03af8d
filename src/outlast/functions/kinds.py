"""What cannot travel to another process, by kind: what it is called, and what to do instead of passing it."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from types import ModuleType
from typing import Any, get_args

from pydantic import BaseModel

from outlast.events.words import an
from outlast.functions.values import Place, walk


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of value that cannot travel: what it is called, and what to do instead of passing it.

    is_live: it is tied to this process also where it is inside another object.
    at_sight: whatever JSON would make of it, also inside another object.
    """

    what: str
    remedy: str
    is_live: bool = False
    at_sight: bool = False


_FIELDS = "pass the fields of it that the function needs"
_LIVE_SESSION = "open one inside the function and pass primary keys"
_START_INSIDE = "start it inside the function"
_IMPORT_INSIDE = "import it inside the function"
_SECRET = Kind("a secret", "pass what tells the function where to find it")
AN_ATTEMPT = Kind(
    "an attempt at a task", "leave it out of the call: the function gets its own where it runs", at_sight=True
)
_NAMES: Mapping[Kind, tuple[str, ...]] = {
    Kind("a connection", _FIELDS): ("starlette.requests.HTTPConnection",),
    Kind("a request", _FIELDS, is_live=True): ("starlette.requests.Request",),
    Kind("a WebSocket", _FIELDS, is_live=True): ("starlette.websockets.WebSocket",),
    AN_ATTEMPT: ("outlast.tasks.attempt.Attempt",),
    Kind("a response", "pass the data that it was made from"): ("starlette.responses.Response",),
    Kind("an application", _IMPORT_INSIDE): ("starlette.applications.Starlette",),
    Kind("a background task", "add its function and arguments as a task"): ("starlette.background.BackgroundTask",),
    Kind(
        "an uploaded file",
        "pass `await outlast.stash(file)` instead; or read it and pass the bytes, or save it and pass its path",
    ): ("starlette.datastructures.UploadFile",),
    Kind("the state of an application", "pass the values that the function needs"): ("starlette.datastructures.State",),
    Kind("a SQLAlchemy session", _LIVE_SESSION, is_live=True): (
        *("sqlalchemy.orm.session.Session", "sqlalchemy.orm.scoping.scoped_session"),
        *("sqlalchemy.ext.asyncio.session.AsyncSession", "sqlalchemy.ext.asyncio.scoping.async_scoped_session"),
    ),
    Kind("a SQLAlchemy connection", _LIVE_SESSION, is_live=True): (
        *("sqlalchemy.engine.base.Connection", "sqlalchemy.ext.asyncio.engine.AsyncConnection"),
    ),
    Kind("a SQLAlchemy engine", _IMPORT_INSIDE): (
        *("sqlalchemy.engine.base.Engine", "sqlalchemy.ext.asyncio.engine.AsyncEngine"),
    ),
    Kind("a SQLAlchemy session factory", _IMPORT_INSIDE): (
        *("sqlalchemy.orm.session.sessionmaker", "sqlalchemy.ext.asyncio.session.async_sessionmaker"),
    ),
    Kind("a SQLAlchemy result row", "pass the values that the function needs"): ("sqlalchemy.engine.row.Row",),
    Kind("a file in memory", "pass its content, `getvalue()`", is_live=True): ("_io.BytesIO", "_io.StringIO"),
    Kind("an open file", "pass its path and open it inside the function, or pass its content", is_live=True): (
        "_io._IOBase",
    ),
    Kind("a temporary file", "pass its content: the file goes when it is closed", is_live=True): (
        *("tempfile._TemporaryFileWrapper", "tempfile.SpooledTemporaryFile"),
    ),
    Kind("a socket", "pass the address and connect inside the function", is_live=True): ("_socket.socket",),
    Kind(
        "a lock or event of this process",
        "guard what is shared where it is stored, for example in the database",
        is_live=True,
    ): (
        *("_thread.lock", "_thread.RLock", "threading.Condition", "threading.Event", "threading.Semaphore"),
        *("asyncio.locks.Lock", "asyncio.locks.Event", "asyncio.locks.Condition", "asyncio.locks.Semaphore"),
    ),
    Kind(
        "a queue of this process",
        "pass what the function needs from it, or use a queue that processes share",
        is_live=True,
    ): ("queue.Queue", "_queue.SimpleQueue", "asyncio.queues.Queue"),
    Kind("a thread", _START_INSIDE, is_live=True): ("threading.Thread",),
    Kind("a process", _START_INSIDE, is_live=True): ("multiprocessing.process.BaseProcess", "subprocess.Popen"),
    Kind("an executor", "make it inside the function", is_live=True): ("concurrent.futures._base.Executor",),
    Kind("work under way in this process", "wait for it before and pass its result", is_live=True): (
        *("concurrent.futures._base.Future", "_asyncio.Future"),
    ),
    Kind("an event loop", "ask for the running loop inside the function", is_live=True): (
        "asyncio.events.AbstractEventLoop",
    ),
    Kind("a logger", "call logging.getLogger inside the function"): ("logging.Logger", "logging.LoggerAdapter"),
    _SECRET: ("pydantic.types._SecretBase",),
    Kind("an exception", "pass its text, `str(error)`"): ("builtins.BaseException",),
}
_KINDS = {name: kind for kind, names in _NAMES.items() for name in names}
"""By the name of a class, so that nothing is imported to look at a value."""

GENERATOR = Kind("a generator or iterator", "pass a list of what it gives")
AWAITABLE = Kind("a coroutine or awaitable", "await it before and pass its result")
CALLABLE = Kind("a function or other callable", "pass what tells the function which one to call")
_CLASS = Kind("a class", "pass what tells the function which one to use")
_MODULE = Kind("a module", _IMPORT_INSIDE)
# By the package and the name of the class that they are made from, which moves between the modules of its package.
_ROWS: Mapping[tuple[str, str], str] = {
    ("aredis_om", "RedisModel"): "Redis OM document",
    ("beanie", "Document"): "Beanie document",
    ("cassandra", "Model"): "Cassandra row",
    ("django", "Model"): "Django row",
    ("edgy", "Model"): "Edgy row",
    ("mongoengine", "Document"): "MongoEngine document",
    ("neomodel", "StructuredNode"): "neomodel document",
    ("odmantic", "Model"): "ODMantic document",
    ("ormar", "Model"): "ormar row",
    ("peewee", "Model"): "Peewee row",
    ("piccolo", "Table"): "Piccolo row",
    ("pony", "Entity"): "Pony row",
    ("pynamodb", "Model"): "PynamoDB row",
    ("redis_om", "RedisModel"): "Redis OM document",
    ("saffier", "Model"): "Saffier row",
    ("sqlobject", "SQLObject"): "SQLObject row",
    ("tortoise", "Model"): "Tortoise row",
    ("umongo", "Document"): "uMongo document",
}
_LOAD_INSIDE = "and load it inside the function"


@dataclass(frozen=True, slots=True)
class Sight:
    """What a look at a value says of it. refused: what must not travel in it, and the way to that."""

    refused: tuple[Place, Kind] | None = None
    holds_secret: bool = False


def look_at(value: object) -> Sight:
    """What is refused whatever JSON would make of it: what must not even be read. And whether a secret is in it.

    A row of a database is one although its fields may travel: what comes back is none that a session knows. An
    iterator is used up by a look at it. A secret travels only in what tells JSON to write it, as a serializer may.
    """
    holds_secret = False
    for place, inner in walk(value, atoms=False):
        cls = type(inner)
        kind = known_kind(cls)
        if kind is not None and (kind.at_sight or not place or hasattr(cls, "__next__")):
            return Sight((place, kind))
        holds_secret = holds_secret or kind is _SECRET
    return Sight(None, holds_secret)


def row_of(cls: type) -> Kind | None:
    """The kind of database row that the instances of `cls` are, if any."""
    if hasattr(cls, "_sa_class_manager"):
        return Kind("a SQLAlchemy row", f"pass its primary key {_LOAD_INSIDE}", at_sight=True)
    for base in cls.__mro__:
        made_from = base.__module__.partition(".")[0], base.__name__
        if made_from in _ROWS:
            key = "primary key" if _ROWS[made_from].endswith("row") else "id"
            return Kind(an(_ROWS[made_from]), f"pass its {key} {_LOAD_INSIDE}", at_sight=True)
    return None


def row_wanted(hint: Any, seen: frozenset[Any] = frozenset()) -> Kind | None:
    """The kind of database row that an annotation asks for, also inside a list, a dict or a model."""
    inner = get_args(hint)
    if isinstance(hint, type) and not inner:
        row = row_of(hint)
        if row is not None or hint in seen or not issubclass(hint, BaseModel):
            return row
        inner, seen = tuple(field.annotation for field in hint.model_fields.values()), seen | {hint}
    return next(filter(None, (row_wanted(one, seen) for one in inner)), None)


def kind_of(value: object) -> Kind | None:
    """The kind of things that cannot travel which `value` belongs to, if any."""
    if isinstance(value, type):
        return _CLASS
    if inspect.isroutine(value) or isinstance(value, partial):
        return CALLABLE
    return kind_of_class(type(value))


def kind_of_class(cls: type) -> Kind | None:
    """The kind of things that cannot travel which the instances of `cls` belong to, if any."""
    names = (f"{base.__module__}.{base.__qualname__}" for base in cls.__mro__)
    return row_of(cls) or kind_named(names) or _kind_by_ability(cls)


known_kind: Callable[[type], Kind | None] = lru_cache(maxsize=1024)(kind_of_class)
"""The same, for many values of few classes."""


def kind_named(names: Iterable[str]) -> Kind | None:
    """The kind of the first of these classes, by their full names, whose instances cannot travel."""
    return next((_KINDS[name] for name in names if name in _KINDS), None)


def _kind_by_ability(cls: type) -> Kind | None:
    if issubclass(cls, (Iterator, AsyncIterator)):
        return GENERATOR
    if issubclass(cls, Awaitable):
        return AWAITABLE
    return _MODULE if issubclass(cls, ModuleType) else None
