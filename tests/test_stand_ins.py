"""Users' tests put mocks and functions of their own in the place of tasks, and of what tasks call."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock, MagicMock, Mock, create_autospec

import pytest
from fastapi.testclient import TestClient

import outlast
from outlast.source.module_state import shares_state
from outlast.source.stand_ins import is_test_file
from outlast.system.process import this
from outlast.testing import CollectedTasks

PROJECT = """
import outlast
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
outlast.install(app)

class Order(BaseModel):
    tenant: int = 7

def send(to, text): raise RuntimeError("no network")

class Gateway:
    def push(self, number): raise RuntimeError("no network")

gateway = Gateway()

@outlast.task(limit_by="order.tenant")
def work(order: Order) -> int:
    send("work", order.tenant)
    return order.tenant

@outlast.task
async def push(order: Order) -> int:
    gateway.push(order.tenant)
    return order.tenant

def after(number: int) -> None: send("after", number)
def alarm(task: str, reason: str) -> None: ...

@app.post("/add")
async def add(tasks: outlast.BackgroundTasks):
    tasks.options(then=after, on_failure=alarm, limit_by="order.tenant").add_task(work, Order())

@app.post("/enqueue")
async def enqueue(): return (await outlast.enqueue(push, Order())).id

@app.post("/now")
def now(): return outlast.enqueue_sync(work, Order()).id

@app.post("/on-a-loop")
async def on_a_loop(): return outlast.enqueue_sync(push, Order()).id

@app.post("/chain")
async def chain(): await outlast.chain(outlast.s(work, Order()), outlast.s(after))

@app.post("/lambda")
async def unnamed(tasks: outlast.BackgroundTasks): tasks.add_task(lambda: None)
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The module of a project, which stands in no file of tests."""
    (tmp_path / "mocked_shop.py").write_text(PROJECT)
    monkeypatch.syspath_prepend(tmp_path)
    newest = this.apps.newest
    yield importlib.import_module("mocked_shop")
    del sys.modules["mocked_shop"]
    this.apps.newest = newest


@pytest.fixture
def post(shop: Any) -> Callable[[str], Any]:
    return TestClient(shop.app).post


def fake(order: object) -> None: ...


@pytest.mark.parametrize("kind", [MagicMock, Mock, lambda **given: create_autospec(fake, **given)])
def test_a_mock_in_the_place_of_a_task(shop: Any, post: Any, kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    work, after = kind(return_value=5), MagicMock()
    monkeypatch.setattr(shop, "work", work)
    monkeypatch.setattr(shop, "after", after)
    post("/add")
    work.assert_called_once_with(shop.Order())
    after.assert_called_once_with(5)


def test_a_mock_that_is_awaited(shop: Any, post: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    push = AsyncMock(return_value=9)
    monkeypatch.setattr(shop, "push", push)
    assert outlast.get_sync(post("/enqueue").json()).result_sync() == 9
    push.assert_awaited_once_with(shop.Order())


def test_a_mock_that_fails(shop: Any, post: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    alarm = MagicMock()
    monkeypatch.setattr(shop, "work", MagicMock(side_effect=ValueError("mocked")))
    monkeypatch.setattr(shop, "alarm", alarm)
    with pytest.raises(ValueError, match="mocked"):
        post("/add")
    assert alarm.call_args.args[1] == "ValueError: mocked"


def test_functions_of_a_test_are_called_as_they_are(shop: Any, post: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def work(order: object) -> int:
        seen.append(order)
        return 3

    monkeypatch.setattr(shop, "work", work)
    monkeypatch.setattr(shop, "after", lambda number: seen.append(number + 1))
    post("/add")
    assert seen == [shop.Order(), 4]


@pytest.mark.parametrize("path", ["/add", "/now", "/chain"])
@pytest.mark.parametrize("is_mock", [True, False])
def test_what_a_task_calls(shop: Any, post: Any, path: str, is_mock: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def send(to: str, text: str) -> None:
        seen.append(to)

    monkeypatch.setattr(shop, "send", MagicMock(side_effect=send) if is_mock else send)
    post(path)
    assert seen[0] == "work"


@pytest.mark.parametrize("path", ["/enqueue", "/on-a-loop"])
def test_what_a_task_works_with(shop: Any, post: Any, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    monkeypatch.setattr(shop.Gateway, "push", lambda _, number: seen.append(number))
    post(path)
    monkeypatch.setattr(shop, "gateway", MagicMock())
    post(path)
    shop.gateway.push.assert_called_once_with(7)
    assert seen == [7]


def test_a_mock_is_collected(
    shop: Any, post: Any, outlast_tasks: CollectedTasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    work = MagicMock(return_value=1)
    monkeypatch.setattr(shop, "work", work)
    monkeypatch.setattr(shop, "after", MagicMock())
    post("/add")
    work.assert_not_called()
    assert [one.function for one in outlast_tasks.all()] == [work]
    outlast_tasks.drain()
    work.assert_called_once_with(shop.Order())
    shop.after.assert_called_once_with(1)


def test_a_server_has_no_tests(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def send(to: str, text: str) -> None:
        seen.append(to)

    monkeypatch.setattr(shop, "send", send)
    assert not shares_state(shop.work)
    monkeypatch.setattr(this, "mode", "")
    assert "changes `seen`" in shares_state(shop.work)


def test_what_the_project_itself_cannot_store_is_refused(post: Any) -> None:
    with pytest.raises(outlast.NotStorable, match="has no name that other processes could find"):
        post("/lambda")


@pytest.mark.parametrize(
    ("file", "is_one"),
    [
        *[("test_mail.py", True), ("mail_test.py", True), ("a/conftest.py", True), ("a/tests/b/fakes.py", True)],
        *[("contest.py", False), ("latest_mail.py", False), ("a/testing.py", False), ("", False)],
    ],
)
def test_files_of_tests(file: str, is_one: bool) -> None:
    assert is_test_file(file) is is_one
