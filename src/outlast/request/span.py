"""The span of a trace that is open where a task runs inline."""

from __future__ import annotations

import sys

from outlast.text import in_one_line


def tell_span(error: Exception) -> None:
    """Mark the span as failed, as `error` would have done on its way through it, had it not been held back."""
    trace = sys.modules.get("opentelemetry.trace")  # without it there is no span
    if trace is None:
        return
    span = trace.get_current_span()
    if span.is_recording():
        span.set_attribute("error.type", _full_name(type(error)))
        span.set_status(trace.StatusCode.ERROR, in_one_line(error))


def _full_name(kind: type) -> str:
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
