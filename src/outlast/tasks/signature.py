"""A call that is still to be made: what sequences are made of."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, Unpack, overload

from outlast.tasks.options import GivenAtCall, nearer
from outlast.tasks.task import Call

P = ParamSpec("P")
Q = ParamSpec("Q")
R_co = TypeVar("R_co", covariant=True)
X = TypeVar("X")
X_contra = TypeVar("X_contra", contravariant=True)
T = TypeVar("T")
Async = Coroutine[Any, Any, T]


class Signature(Call, Generic[X_contra, R_co]):
    """A function and its arguments, but for a first one, which what runs before it gives. Made by `.s(...)`.

    It takes an `X_contra`, and its function returns an `R_co`.
    """

    def options(self, **options: Unpack[GivenAtCall]) -> Signature[X_contra, R_co]:
        """The same, with options of this one call, in place of those of its function. Raises OptionError."""
        return replace(self, given=nearer(self.given, options))


class Ready(Signature[Any, R_co]):
    """One with all arguments that its function needs."""

    if TYPE_CHECKING:

        def options(self, **options: Unpack[GivenAtCall]) -> Ready[R_co]: ...


class Task(Protocol[P, R_co]):
    """A function with `@outlast.task`: still the same function, which can be part of a sequence, too."""

    __name__: str

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R_co: ...

    @overload
    def __get__(self, instance: None, owner: Any) -> Task[P, R_co]: ...
    @overload
    def __get__(self: Task[Concatenate[Any, Q], T], instance: object, owner: Any = None) -> Callable[Q, T]: ...
    def __get__(self, instance: Any, owner: Any = None) -> Any:
        """A method of a class, as of any other function."""

    @overload
    def s(self: Task[P, Async[T]], *args: P.args, **kwargs: P.kwargs) -> Ready[T]: ...
    @overload
    def s(  # type: ignore[overload-overlap]  # a coroutine function is a function, too
        self: Task[Concatenate[X, Q], Async[T]], *args: Q.args, **kwargs: Q.kwargs
    ) -> Signature[X, T]: ...
    @overload
    def s(self: Task[P, T], *args: P.args, **kwargs: P.kwargs) -> Ready[T]: ...
    @overload
    def s(self: Task[Concatenate[X, Q], T], *args: Q.args, **kwargs: Q.kwargs) -> Signature[X, T]: ...
    def s(self, *args: Any, **kwargs: Any) -> Any:
        """A call with these arguments; in a sequence, behind the result of what runs before it. See `outlast.s`."""

    @overload
    def si(self: Task[P, Async[T]], *args: P.args, **kwargs: P.kwargs) -> Ready[T]: ...
    @overload
    def si(self: Task[P, T], *args: P.args, **kwargs: P.kwargs) -> Ready[T]: ...
    def si(self, *args: Any, **kwargs: Any) -> Any:
        """A call with these arguments and no other, whatever runs before it. See `outlast.si`."""


@overload
def s(function: Callable[P, Async[T]], /, *args: P.args, **kwargs: P.kwargs) -> Ready[T]: ...
@overload
def s(  # type: ignore[overload-overlap]  # as above
    function: Callable[Concatenate[X, Q], Async[T]], /, *args: Q.args, **kwargs: Q.kwargs
) -> Signature[X, T]: ...
@overload
def s(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Ready[T]: ...
@overload
def s(function: Callable[Concatenate[X, Q], T], /, *args: Q.args, **kwargs: Q.kwargs) -> Signature[X, T]: ...
def s(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """A call of any function, to be part of a sequence: what runs before it gives its first positional argument.

    args, kwargs: the others. Of a function with `@outlast.task` it is also `function.s(...)`.
    """
    return Ready(function, args, kwargs)


@overload
def si(function: Callable[P, Async[T]], /, *args: P.args, **kwargs: P.kwargs) -> Ready[T]: ...
@overload
def si(function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Ready[T]: ...
def si(function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    """The same, but it gets nothing of what runs before it: these are all its arguments."""
    return Ready(function, args, kwargs, takes=False)
