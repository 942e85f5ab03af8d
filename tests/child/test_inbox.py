"""What a task process hears from its runner, and until when."""

from __future__ import annotations

import asyncio
import socket
import threading
from typing import Any, cast

import pytest

from outlast.child import inbox as module
from outlast.child.inbox import Inbox
from outlast.child.parting import Parting
from outlast.wire.frames import packed, receive_all
from tests.support.servers import eventually

NOBODY = cast("Any", None)


@pytest.mark.parametrize(
    "late", [packed({"type": "drain"}), packed({"type": "leave"}), b""], ids=["drain", "leave", ""]
)
def test_a_process_that_leaves_hears_nobody_any_more(late: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """A late word meets a loop that is closed, a hang-up is no reason to end before what is done at the exit."""
    said: list[str] = []
    monkeypatch.setattr(module, "_end", lambda: said.append("ended"))
    theirs, ours = socket.socketpair()

    async def leave() -> None:
        inbox = Inbox(receive_all(ours), Parting(1.0), NOBODY, lambda: said.append("cut off"), said.append)
        inbox.serve(NOBODY, NOBODY)
        inbox.end()

    with theirs, ours:
        asyncio.run(leave())
        theirs.sendall(late)
        theirs.close()
        eventually(lambda: "outlast-inbox" not in {one.name for one in threading.enumerate()}, "its thread has ended")
    assert said == []
