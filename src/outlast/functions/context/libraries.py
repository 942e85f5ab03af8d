"""What libraries keep in context variables in a way of their own: structlog's values, a trace, how decimal rounds.

Only those that the app has imported are asked, through what they offer to everybody.
"""

from __future__ import annotations

import decimal
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from contextvars import Context
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from outlast.functions.context import sentry

_STRUCTLOG = "structlog_"
_NUMBERS = ("prec", "rounding", "Emin", "Emax", "capitals", "clamp")
_SIGNALS = {one.__name__: one for one in decimal.Context().traps}

NUMPYS_OWN = "numpy.ufunc.extobj"
"""The name of the context variable in which numpy keeps it, as something that only C code can read."""


@dataclass(frozen=True, slots=True)
class Library:
    """`taken` gives the values of a context by name, `given` puts such values into the context of the running code.

    around: what an attempt runs inside of, made of the path of its function, when its values have been given.
    """

    name: str
    module: str
    taken: Callable[[ModuleType, Context], Mapping[str, Any]]
    given: Callable[[ModuleType, Mapping[str, Any]], None]
    around: Callable[[ModuleType, str], AbstractContextManager[object]] | None = None


def imported_libraries() -> Iterator[tuple[Library, ModuleType]]:
    """Those that this process uses."""
    for library in LIBRARIES:
        if (module := sys.modules.get(library.module)) is not None:
            yield library, module


def _bound_values(_: ModuleType, context: Context) -> Mapping[str, Any]:
    """What structlog.contextvars.get_contextvars() gives there."""
    own = [variable for variable in context if variable.name.startswith(_STRUCTLOG)]
    return {one.name.removeprefix(_STRUCTLOG): context[one] for one in own if context[one] is not Ellipsis}


def _bind(structlog: ModuleType, values: Mapping[str, Any]) -> None:
    structlog.bind_contextvars(**values)


def _trace(opentelemetry: ModuleType, context: Context) -> Mapping[str, Any]:
    """The headers that a request made there would have: traceparent and baggage, or what OTEL_PROPAGATORS says."""
    if not context.run(opentelemetry.get_current):  # as in an app that nobody traces
        return {}
    from opentelemetry import propagate

    headers: dict[str, str] = {}
    context.run(propagate.inject, headers)
    return headers


def _join_trace(opentelemetry: ModuleType, headers: Mapping[str, Any]) -> None:
    from opentelemetry import propagate

    opentelemetry.attach(propagate.extract(headers))


def _decimals(_: ModuleType, context: Context) -> Mapping[str, Any]:
    """Of a context of decimal that is not the default one; flags alone make no difference."""
    found = context.get(_variable)
    usual = decimal.DefaultContext
    if found is None or (_numbers(found) == _numbers(usual) and found.traps == usual.traps):
        return {}
    return {**_numbers(found), "flags": _signals(found.flags), "traps": _signals(found.traps)}


def _set_decimals(_: ModuleType, values: Mapping[str, Any]) -> None:
    """A context of its own for the attempt."""
    signals = {kind: [_SIGNALS[name] for name in values[kind].split()] for kind in ("flags", "traps")}
    decimal.setcontext(decimal.Context(**{**values, **signals}))


def _errors(numpy: ModuleType, context: Context) -> Mapping[str, Any]:
    """What numpy.errstate() or seterr() has set there; also the function to call, which cannot travel."""
    if not any(one.name == NUMPYS_OWN for one in context):  # also where numpy is so old that each thread has its own
        return {}
    usual = Context().run(numpy.geterr)
    found = {kind: how for kind, how in context.run(numpy.geterr).items() if how != usual[kind]}
    call = context.run(numpy.geterrcall)
    return found if call is None else {**found, "call": call}


def _set_errors(numpy: ModuleType, values: Mapping[str, Any]) -> None:
    """The same, for the attempt."""
    numpy.seterr(**{kind: how for kind, how in values.items() if kind != "call"})


def _numbers(context: decimal.Context) -> dict[str, Any]:
    return {name: getattr(context, name) for name in _NUMBERS}


def _signals(given: Mapping[Any, bool]) -> str:
    return " ".join(one.__name__ for one, is_set in given.items() if is_set)


def _made() -> Any:
    """The variable of decimal, which no module holds under a name: the only one in a context where it was asked for."""
    empty = Context()
    empty.run(decimal.getcontext)
    return next(iter(empty))


_variable = _made()


LIBRARIES = (
    Library("structlog", "structlog.contextvars", _bound_values, _bind),
    Library("sentry_sdk", "sentry_sdk", sentry.scope, sentry.fork_scope, sentry.attempt),
    Library("opentelemetry", "opentelemetry.context", _trace, _join_trace),
    Library("decimal", "decimal", _decimals, _set_decimals),
    Library("numpy", "numpy", _errors, _set_errors),
)
