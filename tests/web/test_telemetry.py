"""FastAPI's own telemetry opens a span for each background task: it has to find what it looks for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from fastapi import BackgroundTasks, FastAPI
from opentelemetry.trace import INVALID_SPAN, Span, Tracer, TracerProvider

from outlast.web import hook
from tests.web.calling import Served
from tests.web.work import homeless, work


class Spans(TracerProvider, Tracer):
    """Notes the name of each span, and the function it is about."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, object]] = []

    def get_tracer(self, *_args: Any, **_options: Any) -> Tracer:
        return self

    def start_span(self, *_args: Any, **_options: Any) -> Span:
        return INVALID_SPAN

    @contextmanager
    def start_as_current_span(  # type: ignore[override]  # the library's decorator makes a subclass of this
        self, name: str, *_args: Any, **options: Any
    ) -> Iterator[Span]:
        self.seen.append((name, (options.get("attributes") or {}).get("code.function.name")))
        yield INVALID_SPAN

    def background_tasks(self) -> Sequence[object]:
        return [function for name, function in self.seen if name == "fastapi.background_task"]


@pytest.fixture
def spans() -> Iterator[Spans]:
    yield Spans()
    hook.uninstall()


def test_each_background_task_has_its_span(spans: Spans) -> None:
    app = FastAPI(telemetry={"tracer_provider": spans, "metrics": False, "logs": False})

    @app.get("/")
    async def endpoint(tasks: BackgroundTasks) -> None:
        tasks.add_task(work, "durable")
        tasks.add_task(homeless("inline"))

    seen = Served(app).get("/")
    assert (seen.status, seen.raised, seen.released) == (200, "", ["durable"])
    assert spans.background_tasks() == [
        "tests.web.work.work",
        "tests.web.work.homeless.<locals>.inline",
    ]
