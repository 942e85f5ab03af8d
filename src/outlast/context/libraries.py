"""What libraries keep in context variables in a way of their own: structlog's values, a trace, Sentry's scope.

Only those that the app has imported are asked, through what they offer to everybody.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextvars import Context
from dataclasses import dataclass
from types import ModuleType
from typing import Any

_STRUCTLOG = "structlog_"


@dataclass(frozen=True, slots=True)
class Library:
    """`taken` gives the values of a context by name, `given` puts such values into the context of the running code."""

    name: str
    module: str
    taken: Callable[[ModuleType, Context], Mapping[str, Any]]
    given: Callable[[ModuleType, Mapping[str, Any]], None]

    @property
    def imported(self) -> ModuleType | None:
        """Its module, if this process uses it."""
        return sys.modules.get(self.module)


def imported_libraries() -> Iterator[tuple[Library, ModuleType]]:
    """Those that this process uses."""
    for library in LIBRARIES:
        if (module := library.imported) is not None:
            yield library, module


def _bound_values(_: ModuleType, context: Context) -> Mapping[str, Any]:
    """What structlog.contextvars.get_contextvars() gives there."""
    own = [variable for variable in context if variable.name.startswith(_STRUCTLOG)]
    return {one.name.removeprefix(_STRUCTLOG): context[one] for one in own if context[one] is not Ellipsis}


def _bind(structlog: ModuleType, values: Mapping[str, Any]) -> None:
    structlog.bind_contextvars(**values)


def _trace(_: ModuleType, context: Context) -> Mapping[str, Any]:
    """The headers that a request made there would have: traceparent and baggage, or what OTEL_PROPAGATORS says."""
    from opentelemetry import propagate

    headers: dict[str, str] = {}
    context.run(propagate.inject, headers)
    return headers


def _join_trace(opentelemetry: ModuleType, headers: Mapping[str, Any]) -> None:
    from opentelemetry import propagate

    opentelemetry.attach(propagate.extract(headers))


def _scope(sentry: ModuleType, context: Context) -> Mapping[str, Any]:
    """What Sentry would tell with an event there, but for what its integrations find out about the request itself."""
    return context.run(_scope_here, sentry) if sentry.get_client().is_active() else {}


def _scope_here(sentry: ModuleType) -> dict[str, Any]:
    found: dict[str, Any] = {name: {} for name in ("tags", "user", "extras", "contexts")}
    for scope in (sentry.get_isolation_scope(), sentry.get_current_scope()):
        for name, values in found.items():
            values.update(getattr(scope, f"_{name}", None) or {})
    found["transaction"] = getattr(sentry.get_isolation_scope(), "_transaction", None)
    found["trace"] = {"sentry-trace": sentry.get_traceparent(), "baggage": sentry.get_baggage()}
    return {name: value for name, value in found.items() if value}


def _fork_scope(sentry: ModuleType, values: Mapping[str, Any]) -> None:
    """A scope of its own for the attempt: what the app has set at its import, and what the request had."""
    scope = sentry.get_isolation_scope().fork()
    sentry.Scope.set_isolation_scope(scope)
    scope.set_tags(values.get("tags", {}))
    scope.set_user(values.get("user"))
    for name, value in values.get("extras", {}).items():
        scope.set_extra(name, value)
    for name, value in values.get("contexts", {}).items():
        scope.set_context(name, value)
    scope.generate_propagation_context({key: one for key, one in values.get("trace", {}).items() if one})
    if "transaction" in values:
        scope.set_transaction_name(values["transaction"])


LIBRARIES = (
    Library("structlog", "structlog.contextvars", _bound_values, _bind),
    Library("sentry_sdk", "sentry_sdk", _scope, _fork_scope),
    Library("opentelemetry", "opentelemetry.context", _trace, _join_trace),
)
