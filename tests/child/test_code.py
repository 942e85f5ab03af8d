"""How a task process finds the functions of tasks: once each, and anew where another stands in its place."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from outlast.child.code import FoundFunctions, NotKnown


def send(to: str) -> None:
    """Sends."""


async def send_for(to: str, by: str = "") -> None:
    """Sends in somebody's name."""


class Desk:
    def send(self, to: str) -> None:
        """Sends."""


def test_a_function_is_found_once_until_another_takes_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("found_once")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(module, "send", send, raising=False)
    monkeypatch.setattr(module, "desk", Desk(), raising=False)
    functions = FoundFunctions()
    for path in ("found_once:send", "found_once:desk.send"):
        first, args, _ = functions.prepared(path, '{"to":"a"}')
        assert args == ("a",)
        assert functions.prepared(path, '{"to":"b"}')[0] is first
    desk = Desk()
    monkeypatch.setattr(module, "send", send_for)
    monkeypatch.setattr(module, "desk", desk)
    found, args, _ = functions.prepared("found_once:send", '{"to":"a","by":"b"}')
    assert (found.function, found.is_async, args) == (send_for, True, ("a", "b"))
    assert functions.prepared("found_once:desk.send", '{"to":"a"}')[0].function == desk.send
    monkeypatch.delattr(module, "send")
    with pytest.raises(NotKnown, match="does not exist"):
        functions.prepared("found_once:send", '{"to":"a"}')
