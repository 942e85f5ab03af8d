"""A web worker starts a runner, and knows from the pipe to it, not from the clock, how far it is."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from outlast.system.liveness import Liveness
from outlast.system.place import Place
from outlast.web import reach
from outlast.web.reach import Reach
from tests.support.servers import eventually

NEVER = 1e6  # seconds


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """Of a journal that is not there yet. Its runner is ended."""
    place = Place.of(tmp_path / ".outlast" / "journal.db")
    place.folder.mkdir()
    yield place
    if runner := Liveness(place).runner():
        os.kill(runner, signal.SIGTERM)
    eventually(lambda: Liveness(place).runner() is None, "its runner has left")


def test_a_start_takes_as_long_as_it_takes(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(reach, "ANSWERING_TIME", 0.0)
    with caplog.at_level(logging.INFO, "outlast"):
        connection = Reach(place, threading.Event(), starts_runner=True).runner()
    assert connection is not None
    connection.close()
    assert not caplog.records, "it was waited for, and one start was enough"


def test_a_runner_that_ends_before_it_listens_is_not_waited_for(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(reach, "STARTING_TIME", NEVER)
    monkeypatch.setattr(reach, "ANSWERING_TIME", 0.0)
    is_over, connections = threading.Event(), list[object]()
    wanted = Reach(place, is_over, starts_runner=True)
    thread = threading.Thread(target=lambda: connections.append(wanted.runner()))
    with caplog.at_level(logging.INFO, "outlast"), closing(Liveness(place)) as other:
        assert other.become_runner(), "one that never listens"
        thread.start()
        eventually(lambda: "no runner answers" in caplog.text, "that it has ended is told")
        is_over.set()
        thread.join()
    assert connections == [None]
