"""The server's output is a pipe that nobody reads for a while: only who prints waits."""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path

import pytest

from outlast.runner.output import MOST_WAITING, Courier
from tests.support.processes import kill_all_in
from tests.support.servers import eventually, launch, lay_out


@pytest.mark.slow
def test_tasks_run_while_nobody_reads_what_the_runner_wants_to_say(tmp_path: Path) -> None:
    lay_out(tmp_path)
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as unread, os.fdopen(writer, "wb") as pipe:
        server = launch("uvicorn", tmp_path, pipe, ["--no-access-log"], {})
        pipe.close()
        server.log.touch()
        try:
            eventually(server.answers, "it answers")
            server.add("shout", "loud")
            shouting = server.wait_for("began", "loud")[2]
            for number in range(3):
                server.add("block", f"{number}", 1.5)  # each is one more thing to say
                assert server.wait_for("ran", f"{number}")[2] != shouting
            said: list[bytes] = []
            threading.Thread(target=lambda: said.extend(unread), daemon=True).start()
            server.wait_for("ran", "loud")
            told = re.compile(rb"has been (blocked|silent) for")  # the latter where the watch got no processor either
            eventually(lambda: told.search(b"".join(said)), "the runner says it now")
        finally:
            eventually(lambda: not kill_all_in(tmp_path), "nothing is left")
            server.process.wait(10)


def test_what_was_dropped_is_counted_and_said(caplog: pytest.LogCaptureFixture) -> None:
    reader, writer = os.pipe()
    courier = Courier(writer)
    for _ in range(MOST_WAITING + 100):
        courier.take(b"x" * 1023 + b"\n")
    with os.fdopen(reader, "rb") as pipe:
        courier.leave()
        lines = sum(1 for _ in pipe)
    courier.join(10)
    dropped = MOST_WAITING + 100 - lines
    assert dropped > 0
    assert f"{dropped} lines of this log were dropped since" in caplog.text
