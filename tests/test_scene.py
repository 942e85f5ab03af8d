"""In tests, too, a task sees the context variables that it sees with FastAPI alone."""

from __future__ import annotations

from contextvars import ContextVar

import pytest
from fastapi import BackgroundTasks, FastAPI, Request
from fastapi.testclient import TestClient
from starlette.middleware.base import RequestResponseEndpoint
from starlette.responses import Response

import outlast
from outlast.testing import CollectedTasks

tenant: ContextVar[str] = ContextVar("tenant", default="nobody")
seen: list[tuple[str, str]] = []


async def look(name: str) -> None:
    seen.append((name, tenant.get()))


def look_in_thread(name: str) -> None:
    seen.append((name, tenant.get()))


@pytest.fixture
def client() -> TestClient:
    seen.clear()
    app = FastAPI()

    @app.middleware("http")
    async def as_acme(request: Request, call_next: RequestResponseEndpoint) -> Response:
        tenant.set("acme")
        return await call_next(request)

    @app.get("/plain")
    async def plain(tasks: BackgroundTasks) -> None:
        tasks.add_task(look, "plain")
        tasks.add_task(look_in_thread, "plain")

    @app.get("/own")
    def own(tasks: outlast.BackgroundTasks) -> None:
        tasks.add_task(look, "own")
        tasks.add_task(look_in_thread, "own")

    outlast.install(app)
    return TestClient(app)


@pytest.mark.parametrize("way", ["plain", "own"])
def test_before_the_response_returns(way: str, client: TestClient) -> None:
    client.get(f"/{way}")
    assert seen == [(way, "acme")] * 2
    assert tenant.get() == "nobody"


@pytest.mark.parametrize("way", ["plain", "own"])
def test_when_a_test_runs_what_was_collected(way: str, client: TestClient, outlast_tasks: CollectedTasks) -> None:
    client.get(f"/{way}")
    outlast_tasks.drain()
    assert seen == [(way, "acme")] * 2
    assert tenant.get() == "nobody"


def test_when_a_test_with_an_event_loop_does(client: TestClient, outlast_tasks: CollectedTasks) -> None:
    import asyncio

    client.get("/own")
    asyncio.run(outlast_tasks.drain_async())
    assert seen == [("own", "acme")] * 2
