"""Functions with and without a name that other processes can find."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import lru_cache, partial, wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from somewhere import Missing  # type: ignore[import-not-found]


def plain(number: int) -> int:
    return number


async def coroutine(number: int) -> int:
    return number


def logged(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def unnamed(function: Callable[..., Any]) -> Callable[..., Any]:
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args, **kwargs)

    return wrapper


def async_logged(function: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(function)
    async def wrapper(*args: Any, **kwargs: Any) -> Any:
        return await function(*args, **kwargs)

    return wrapper


@logged
def decorated(number: int, text: str = "") -> int:
    return number


@async_logged
async def async_decorated(number: int) -> int:
    return number


@logged
async def decorated_coroutine(number: int) -> int:
    return number


def gives_a_coroutine(number: int) -> Any:
    return coroutine(number)


@contextmanager
def to_be_entered(number: int) -> Iterator[int]:
    yield number


@asynccontextmanager
async def to_be_entered_async(number: int) -> AsyncIterator[int]:
    yield number


def gives_a_generator(number: int) -> Any:
    return (one for one in range(number))


@unnamed
def hidden(number: int) -> int:
    return number


@lru_cache
def cached(number: int) -> int:
    return number


def before(number: int) -> int:
    return number


original = before


def before(number: int) -> int:  # type: ignore[no-redef]
    return -number


class Mailer:
    def __init__(self, host: str = "localhost") -> None:
        self.host = host

    def send(self, to: str) -> None: ...

    async def __call__(self, to: str) -> None: ...

    @staticmethod
    def check(to: str) -> None: ...

    @classmethod
    def build(cls, host: str) -> None: ...


class Caller:
    def __call__(self, to: str) -> None: ...


mailer = Mailer()
caller = Caller()
unnamed_lambda = lambda number: number  # noqa: E731
bound_arguments = partial(plain, 1)
not_callable = 3


def nested() -> Callable[[], None]:
    def inner() -> None: ...

    return inner


def unresolved(known: int, missing: Missing, text: str = "") -> None: ...


def oddly_annotated(known: int, speed: "metres per second", limit: 5 = 5) -> None: ...  # type: ignore[valid-type]  # noqa: F722


def variadic(first: int, *rest: int, flag: bool = False, **named: str) -> None: ...


def positional(a: int, b: int = 2, /, c: int = 3, *, d: int = 4) -> None: ...


def awkward(  # noqa: PLR0917
    model_config: int, schema: str, json: int, copy: int, _private: int, p0: int, args: int, kwargs: int
) -> None: ...
