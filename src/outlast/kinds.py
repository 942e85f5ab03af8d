"""What cannot travel to another process, by kind: what it is called, and what to do instead of passing it."""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from types import ModuleType
from typing import Any, get_args

from pydantic import BaseModel

from outlast.values import Place, walk


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


_LIVE_SESSION = "open one inside the function and pass primary keys"
_MAKE_INSIDE = "make it inside the function"
_IMPORT_INSIDE = "import it inside the function"
_LOCK = Kind(
    "a lock or event of this process",
    "guard what is shared where it is stored, for example in the database",
    is_live=True,
)
_FUTURE = Kind("work under way in this process", "wait for it before and pass its result", is_live=True)
_QUEUE = Kind(
    "a queue of this process", "pass what the function needs from it, or use a queue that processes share", is_live=True
)
_SESSION = Kind("a SQLAlchemy session", _LIVE_SESSION, is_live=True)
_CONNECTION = Kind("a SQLAlchemy connection", _LIVE_SESSION, is_live=True)
_ENGINE = Kind("a SQLAlchemy engine", _IMPORT_INSIDE)
_UPLOAD = Kind("an uploaded file", "read it and pass the bytes, or save it first and pass its path")

# By name, so that nothing is imported to look at a value.
_KINDS: Mapping[str, Kind] = {
    "starlette.requests.HTTPConnection": Kind("a connection", "pass the fields of it that the function needs"),
    "starlette.requests.Request": Kind("a request", "pass the fields of it that the function needs", is_live=True),
    "starlette.websockets.WebSocket": Kind(
        "a WebSocket", "pass the fields of it that the function needs", is_live=True
    ),
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
    "_io.BytesIO": Kind("a file in memory", "pass its content, `getvalue()`", is_live=True),
    "_io.StringIO": Kind("a file in memory", "pass its content, `getvalue()`", is_live=True),
    "_io._IOBase": Kind(
        "an open file", "pass its path and open it inside the function, or pass its content", is_live=True
    ),
    "tempfile._TemporaryFileWrapper": Kind(
        "a temporary file", "pass its content: the file goes when it is closed", is_live=True
    ),
    "tempfile.SpooledTemporaryFile": Kind(
        "a temporary file", "pass its content: the file goes when it is closed", is_live=True
    ),
    "_socket.socket": Kind("a socket", "pass the address and connect inside the function", is_live=True),
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
    "threading.Thread": Kind("a thread", "start it inside the function", is_live=True),
    "multiprocessing.process.BaseProcess": Kind("a process", "start it inside the function", is_live=True),
    "subprocess.Popen": Kind("a process", "start it inside the function", is_live=True),
    "concurrent.futures._base.Executor": Kind("an executor", _MAKE_INSIDE, is_live=True),
    "concurrent.futures._base.Future": _FUTURE,
    "_asyncio.Future": _FUTURE,
    "asyncio.events.AbstractEventLoop": Kind(
        "an event loop", "ask for the running loop inside the function", is_live=True
    ),
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
# By the package and the name of the class that rows are made from, which moves between the modules of its package.
_ROWS: Mapping[tuple[str, str], str] = {
    ("cassandra", "Model"): "Cassandra",
    ("django", "Model"): "Django",
    ("edgy", "Model"): "Edgy",
    ("ormar", "Model"): "ormar",
    ("peewee", "Model"): "Peewee",
    ("piccolo", "Table"): "Piccolo",
    ("pony", "Entity"): "Pony",
    ("pynamodb", "Model"): "PynamoDB",
    ("saffier", "Model"): "Saffier",
    ("sqlobject", "SQLObject"): "SQLObject",
    ("tortoise", "Model"): "Tortoise",
}
_DOCUMENTS: Mapping[tuple[str, str], str] = {
    ("aredis_om", "RedisModel"): "Redis OM",
    ("beanie", "Document"): "Beanie",
    ("mongoengine", "Document"): "MongoEngine",
    ("neomodel", "StructuredNode"): "neomodel",
    ("odmantic", "Model"): "ODMantic",
    ("redis_om", "RedisModel"): "Redis OM",
    ("umongo", "Document"): "uMongo",
}
_LOAD_INSIDE = "and load it inside the function"


def refused_at_sight(value: object) -> tuple[Place, Kind] | None:
    """What is refused whatever JSON would make of it, and the way to it: what must not even be read.

    A row of a database is one although its fields may travel: what comes back is none that a session knows. An
    iterator is used up by a look at it.
    """
    for place, inner in walk(value, atoms=False):
        cls = type(inner)
        kind = known_kind(cls)
        if kind is not None and (kind.at_sight or not place or hasattr(cls, "__next__")):
            return place, kind
    return None


def row_of(cls: type) -> Kind | None:
    """The kind of database row that the instances of `cls` are, if any."""
    if hasattr(cls, "_sa_class_manager"):
        return Kind("a SQLAlchemy row", f"pass its primary key {_LOAD_INSIDE}", at_sight=True)
    for base in cls.__mro__:
        made_from = base.__module__.partition(".")[0], base.__name__
        if made_from in _ROWS:
            return Kind(f"{an(_ROWS[made_from])} row", f"pass its primary key {_LOAD_INSIDE}", at_sight=True)
        if made_from in _DOCUMENTS:
            return Kind(f"{an(_DOCUMENTS[made_from])} document", f"pass its id {_LOAD_INSIDE}", at_sight=True)
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


def an(name: str) -> str:
    """A name with its article."""
    return f"an {name}" if name[0] in "aeiouAEIO" else f"a {name}"
