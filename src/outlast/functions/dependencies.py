"""Parameters that FastAPI's `Depends` fills: resolved by FastAPI itself, in the process in which the task runs.

What resolves them is what resolves those of an endpoint, with a request in which nothing is. So whatever a dependency
would take from a request is refused before, where the task is added.
"""

from __future__ import annotations

import inspect
import sys
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin

from outlast.errors import NotStorable
from outlast.system.process import this
from outlast.text import in_brief

if TYPE_CHECKING:
    from fastapi.dependencies.models import Dependant

Function = Callable[..., Any]
Arguments = Mapping[str, Any]
Call = tuple[tuple[Any, ...], dict[str, Any]]

_PARAMS = "fastapi.params"
NEEDS = "__outlast_needs__"
"""What a dependency of outlast's own says that it takes from a request."""
_TAKEN = {
    "request_param_name": "the request",
    "websocket_param_name": "the WebSocket",
    "http_connection_param_name": "the connection",
    "response_param_name": "the response",
    "background_tasks_param_name": "the background tasks of a response",
    "security_scopes_param_name": "security scopes",
}
_READ = {
    "path_params": "path parameter",
    "query_params": "query parameter",
    "header_params": "header",
    "cookie_params": "cookie",
    "body_params": "body",
}


@dataclass(frozen=True, slots=True)
class Need:
    """A dependency, by its name, and what it takes from a request."""

    dependency: str
    what: str

    def __str__(self) -> str:
        return f"depends on `{self.dependency}`, which takes {self.what}, which no task has: pass what it gives instead"


class Dependencies:
    """The parameters of one function that depend on something. `signature`: of the function, with its attempt."""

    def __init__(self, signature: inspect.Signature, parameters: Mapping[str, inspect.Parameter]) -> None:
        self.names = frozenset(parameters)
        self._signature = signature
        self._parameters = parameters
        self._trees: dict[frozenset[str], Dependant] = {}

    @classmethod
    def of(cls, signature: inspect.Signature, hints: Mapping[str, Any]) -> Dependencies | None:
        """Those that a function has which is annotated so; None if there are none, as of nearly all."""
        parameters = {name: _asking(one, hints[name]) for name, one in signature.parameters.items()}
        found = {name: one for name, one in parameters.items() if one is not None}
        return cls(signature, found) if found else None

    def left_out(self, given: Arguments) -> frozenset[str]:
        """Those that a call with these arguments leaves to FastAPI."""
        return self.names.difference(given)

    def need(self, given: Arguments, app: object = None) -> tuple[str, str] | None:
        """The first parameter which the call leaves out that cannot be had without a request, and why.

        app: has what overrides them, if that counts.
        """
        left = self.left_out(given)
        if not left:
            return None
        try:
            needs = list(_needs(self._tree(left), _overrides(app)))
        except Exception as error:  # noqa: BLE001 - FastAPI makes nothing of it, or asserts that it may not be so
            return next(iter(left)), f"has a dependency that FastAPI does not take: {in_brief(error)}"
        return next(((name, str(need)) for name, need in needs), None)

    def functions(self) -> list[Function]:
        """What is called for them, and for these in turn."""
        return [one.call for one in _all(self._tree(self.names)) if one.call is not None]

    async def filled(self, function: Function, args: tuple[Any, ...], kwargs: Arguments, app: object) -> Any:
        """What an `async def` returns that is called inside of `resolved`."""
        async with self.resolved(args, kwargs, app) as (all_args, all_kwargs):
            return await function(*all_args, **all_kwargs)

    @asynccontextmanager
    async def resolved(self, args: tuple[Any, ...], kwargs: Arguments, app: object) -> AsyncIterator[Call]:
        """A block with the whole call, in which they are open; `app` has what overrides them. On an event loop.

        What is raised in it passes through those that `yield`, as in FastAPI; none of them makes it a success. Raises
        what they raise, and NotStorable where what overrides one needs a request.
        """
        given = bound(self._without(), self._signature, args, kwargs)
        raised: BaseException | None = None
        async with AsyncExitStack() as closed_last, AsyncExitStack() as closed_first:
            values = await self._solved(self.left_out(given), app, closed_last, closed_first)
            whole = inspect.BoundArguments(self._signature, OrderedDict({**given, **values}))
            try:
                yield whole.args, whole.kwargs
            except BaseException as error:
                raised = error
                raise
        if raised is not None:  # one of them has caught it
            raise raised

    async def _solved(
        self, left: frozenset[str], app: object, closed_last: AsyncExitStack, closed_first: AsyncExitStack
    ) -> dict[str, Any]:
        from fastapi.dependencies.utils import solve_dependencies
        from starlette.requests import Request

        overrides = _overrides(app)
        for name, need in _needs(self._tree(left), overrides):
            raise NotStorable(f"parameter `{name}` {need}")
        solved = await solve_dependencies(
            request=Request(_empty_scope(app, closed_last, closed_first)),
            dependant=self._tree(left),
            dependency_overrides_provider=app if overrides else None,
            async_exit_stack=closed_last,
            embed_body_fields=False,
        )
        return solved.values

    def _without(self) -> inspect.Signature:
        return without(self._signature, self.names)

    def _tree(self, names: frozenset[str]) -> Dependant:
        from fastapi.dependencies.utils import get_dependant

        if names not in self._trees:
            parameters = [one for name, one in self._parameters.items() if name in names]

            def asks() -> None:
                """It has only the parameters that ask for something: FastAPI would look for the others in a request."""

            asks.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
            self._trees[names] = get_dependant(path="", call=asks)
        return self._trees[names]


def bound(plain: inspect.Signature, whole: inspect.Signature, args: tuple[Any, ...], kwargs: Arguments) -> Arguments:
    """The arguments of a call by parameter: of `plain`, without what it leaves to FastAPI, and what it passes of these.

    Raises TypeError for a call that fits neither.
    """
    beside = {name: one for name, one in kwargs.items() if name in whole.parameters and name not in plain.parameters}
    others = {name: one for name, one in kwargs.items() if name not in beside}
    try:
        return {**plain.bind(*args, **others).arguments, **beside}
    except TypeError as error:
        try:
            return whole.bind(*args, **kwargs).arguments  # as a plain call, which passes all
        except TypeError:
            raise error from None


def without(signature: inspect.Signature, names: frozenset[str]) -> inspect.Signature:
    """A signature that has not these parameters."""
    return signature.replace(parameters=[one for name, one in signature.parameters.items() if name not in names])


def newest_app() -> object:
    """The app of this process that was installed last; in a task process, the one whose tasks it runs."""
    return getattr(this.apps.newest, "app", None)


def may_depend(parameter: inspect.Parameter) -> bool:
    """Whether it is worth the while to find out what its annotation means."""
    default, annotation = parameter.default, parameter.annotation
    is_named = isinstance(annotation, str) or hasattr(annotation, "__value__")
    return is_named or get_origin(annotation) is Annotated or type(default).__module__ == _PARAMS


def _asking(parameter: inspect.Parameter, hint: Any) -> inspect.Parameter | None:
    """The parameter as FastAPI is asked for it, if it is."""
    params = sys.modules.get(_PARAMS)
    if params is None:
        return None
    hint = getattr(hint, "__value__", hint)  # of `type Session = Annotated[...]`
    by_default = isinstance(parameter.default, params.Depends)
    by_hint = get_origin(hint) is Annotated and any(isinstance(one, params.Depends) for one in get_args(hint)[1:])
    if not by_default and not by_hint:
        return None
    default = parameter.default if by_default else parameter.empty
    return inspect.Parameter(parameter.name, parameter.KEYWORD_ONLY, default=default, annotation=hint)


def _overrides(app: object) -> Mapping[Any, Any]:
    return getattr(app, "dependency_overrides", None) or {}


def _all(tree: Dependant) -> Iterator[Dependant]:
    for one in tree.dependencies:
        yield one
        yield from _all(one)


def _needs(tree: Dependant, overrides: Mapping[Any, Any]) -> Iterator[tuple[str, Need]]:
    """What the dependencies take from a request, with the parameter at the top that it is for."""
    for parameter in tree.dependencies:
        for one in _with_those_below(parameter, overrides):
            yield from ((parameter.name or "", Need(_name(one.call), what)) for what in _taken_by(one))


def _with_those_below(dependant: Dependant, overrides: Mapping[Any, Any]) -> Iterator[Dependant]:
    from fastapi.dependencies.utils import get_dependant

    instead = overrides.get(dependant.call)
    its = dependant if instead is None else get_dependant(path="", call=instead, name=dependant.name)
    yield its
    for one in its.dependencies:
        yield from _with_those_below(one, overrides)


def _taken_by(dependant: Dependant) -> Iterator[str]:
    own = getattr(dependant.call, NEEDS, "")
    if own:
        yield own
    yield from (f"{what} (`{name}`)" for one, what in _TAKEN.items() if (name := getattr(dependant, one)))
    yield from (f"{what} `{field.name}`" for one, what in _READ.items() for field in getattr(dependant, one))


def _name(function: object) -> str:
    return getattr(function, "__name__", type(function).__name__)


def _empty_scope(app: object, closed_last: AsyncExitStack, closed_first: AsyncExitStack) -> dict[str, Any]:
    """Of a request in which nothing is, but where FastAPI keeps what it has to close."""
    return {
        "type": "http",
        "app": app,
        "method": "POST",
        "path": "",
        "query_string": b"",
        "headers": [],
        "path_params": {},
        "fastapi_inner_astack": closed_last,
        "fastapi_function_astack": closed_first,
    }
