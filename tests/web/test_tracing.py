"""Requests are traced by whoever traces them, in the same spans as without outlast, whatever is installed first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from fastapi import BackgroundTasks, FastAPI, Request
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.background import BackgroundTask
from starlette.responses import PlainTextResponse, Response
from starlette.testclient import TestClient

from outlast.web import hook
from tests.web.calling import Served
from tests.web.work import homeless, work

PATHS = ("/plain", "/raises", "/travels", "/inline", "/unknown")
Span = tuple[str, str, str, Sequence[str]]


class Traced:
    """An app, the calls of its handler of errors, and the spans that came of its requests."""

    def __init__(self, **options: Any) -> None:
        self.exporter, self.provider = InMemorySpanExporter(), TracerProvider()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.handled: list[str] = []
        self.app = FastAPI(**options)
        self.app.add_exception_handler(Exception, self.answer)
        for path in PATHS[:-1]:
            self.app.get(path)(getattr(self, path[1:]))

    async def answer(self, _request: Request, error: Exception) -> Response:
        self.handled.append(str(error))
        return PlainTextResponse("sorry", 500, background=BackgroundTask(work, "apology"))

    async def plain(self) -> None:
        """Nothing."""

    async def raises(self, tasks: BackgroundTasks) -> None:
        tasks.add_task(work, "lost")
        raise ValueError("boom")

    async def travels(self, tasks: BackgroundTasks) -> None:
        tasks.add_task(work, "durable")

    async def inline(self, tasks: BackgroundTasks) -> None:
        tasks.add_task(homeless("inline"))

    def trace(self) -> None:
        FastAPIInstrumentor.instrument_app(self.app, tracer_provider=self.provider)

    def spans(self) -> list[Span]:
        """Those of requests, as far as they do not tell of a task that ran elsewhere."""
        found = self.exporter.get_finished_spans()
        return [
            (span.name, span.kind.name, span.status.status_code.name, [event.name for event in span.events])
            for span in found
            if not span.name.startswith("BackgroundTask ") or span.name.endswith("inline")
        ]


def without_outlast(traced: Traced) -> None:
    traced.trace()
    client = TestClient(traced.app, raise_server_exceptions=False)
    for path in PATHS:
        client.get(path)


def outlast_first(traced: Traced) -> Served:
    served = Served(traced.app)
    traced.trace()
    return served


def outlast_last(traced: Traced) -> Served:
    traced.trace()
    return Served(traced.app)


@pytest.fixture(autouse=True)
def _taken_out_again() -> Iterator[None]:
    yield
    hook.uninstall()
    if (original := vars(BackgroundTask).get("_otel_original_call")) is not None:
        BackgroundTask.__call__ = original  # type: ignore[method-assign]
        del BackgroundTask._otel_original_call  # type: ignore[attr-defined]


@pytest.mark.parametrize("order", [outlast_first, outlast_last])
def test_the_spans_are_those_of_an_app_without_outlast(order: Callable[[Traced], Served]) -> None:
    stock, traced = Traced(), Traced()
    without_outlast(stock)
    served = order(traced)
    seen = {path: served.get(path, asgi={"version": "3.0", "spec_version": "2.4"}) for path in PATHS}
    assert stock.spans()
    assert traced.spans() == stock.spans()
    assert traced.handled == stock.handled == ["boom"]
    assert [seen[path].status for path in PATHS] == [200, 500, 200, 200, 404]
    assert seen["/travels"].released == ["durable"]
    assert seen["/inline"].settled == {"inline": "done"}
    assert seen["/raises"].dropped == {"lost": "its request failed with ValueError: boom"}
    assert seen["/raises"].released == ["apology"]
    assert seen["/raises"].raised == "ValueError"


@pytest.mark.parametrize("order", [outlast_first, outlast_last])
def test_the_span_of_a_task_that_fails_inline_says_so(order: Callable[[Traced], Served]) -> None:
    def fail() -> None:
        raise KeyError("no such row")

    traced = Traced()

    @traced.app.get("/fails")
    async def fails(tasks: BackgroundTasks) -> None:
        tasks.add_task(fail)

    order(traced).get("/fails")
    (failed,) = [span for span in traced.exporter.get_finished_spans() if span.name == "BackgroundTask fail"]
    assert failed.status.status_code.name == "ERROR"


def test_the_span_of_fastapis_own_telemetry_says_so() -> None:
    def fail() -> None:
        raise KeyError("no such row")

    traced = Traced()
    app = FastAPI(telemetry={"tracer_provider": traced.provider, "metrics": False, "logs": False})

    @app.get("/")
    async def fails(tasks: BackgroundTasks) -> None:
        tasks.add_task(fail)

    assert Served(app).get("/").raised == ""
    (span,) = [one for one in traced.exporter.get_finished_spans() if one.name == "fastapi.background_task"]
    assert (span.status.status_code.name, dict(span.attributes or {})["error.type"]) == ("ERROR", "KeyError")


def test_a_stack_that_is_not_starlettes_own_stays_whole() -> None:
    traced = Traced()
    build = traced.app.build_middleware_stack

    class Whole:
        def __init__(self) -> None:
            self.app = build()

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await self.app(scope, receive, send)

    traced.app.build_middleware_stack = Whole  # type: ignore[method-assign]
    served = Served(traced.app)
    assert served.get("/travels").released == ["durable"]
    assert served.get("/raises").released == ["apology"]
    assert traced.handled == ["boom"]
