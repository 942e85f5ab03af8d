"""Sentry's scope of a request, which goes along with its tasks, and the transaction that each attempt has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import Context
from types import ModuleType
from typing import Any

_OPERATION = "queue.task"
_SOURCE = "task"


def scope(sentry: ModuleType, context: Context) -> Mapping[str, Any]:
    """What Sentry would tell with an event there, but for what its integrations find out about the request itself."""
    return context.run(_scope_here, sentry) if sentry.get_client().is_active() else {}


def fork_scope(sentry: ModuleType, values: Mapping[str, Any]) -> None:
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


@contextmanager
def attempt(sentry: ModuleType, function: str) -> Iterator[None]:
    """Where the app traces: a transaction in the trace of the request, in which the attempt's spans are.

    It stays in the scope when it has ended, so that the error that is logged then is one of this transaction.
    """
    options = sentry.get_client().options
    if not sentry.tracing_utils.has_tracing_enabled(options):
        yield
    elif options.get("trace_lifecycle") == "stream":
        with _segment(sentry, function):
            yield
    else:
        scope = sentry.get_current_scope().fork()
        sentry.Scope.set_current_scope(scope)
        transaction = _transaction(sentry, function)
        try:
            with transaction:
                yield
        finally:
            scope.span = transaction


def _transaction(sentry: ModuleType, function: str) -> Any:
    trace = sentry.get_isolation_scope().get_active_propagation_context()
    return sentry.start_transaction(
        op=_OPERATION,
        name=function,
        source=_SOURCE,
        trace_id=trace.trace_id,
        parent_span_id=trace.parent_span_id,
        parent_sampled=trace.parent_sampled,
        baggage=trace.baggage,
    )


def _segment(sentry: ModuleType, function: str) -> Any:
    """What stands for a transaction where spans are sent one by one."""
    attributes = {"sentry.op": _OPERATION, "sentry.segment.name.source": _SOURCE}
    return sentry.traces.start_span(function, attributes, parent_span=None)


def _scope_here(sentry: ModuleType) -> dict[str, Any]:
    scopes = (sentry.get_isolation_scope(), sentry.get_current_scope())
    found: dict[str, Any] = {name: {} for name in ("tags", "user", "extras", "contexts")}
    for scope in scopes:
        for name, values in found.items():
            values.update(getattr(scope, f"_{name}", None) or {})
    names = [getattr(scope, "_transaction", None) for scope in scopes]  # its integration for FastAPI names the inner
    found["transaction"] = names[1] or names[0]
    found["trace"] = {"sentry-trace": sentry.get_traceparent(), "baggage": sentry.get_baggage()}
    return {name: value for name, value in found.items() if value}
