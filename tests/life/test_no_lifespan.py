"""Servers that send the app no lifespan: what waits begins with the first request, a stop is no incident."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.history import blamed_in
from tests.support.marks import slow
from tests.support.processes import runners_in
from tests.support.servers import eventually, serving

LIFELESS = pytest.mark.parametrize(
    "server", [("uvicorn", "--lifespan", "off"), *slow(("uvicorn mounted",), ("gunicorn mounted",))], ids=" ".join
)


@pytest.mark.slow
@LIFELESS
def test_what_was_cut_runs_again_from_the_first_request_on(server: tuple[str, ...], tmp_path: Path) -> None:
    kind, *more = server
    with serving(kind, tmp_path, *more) as first:
        first.add("until_told", "cut")
        first.wait_for("began", "cut")
        first.kill_everything()
    with serving(kind, tmp_path, *more) as second:
        eventually(lambda: len(second.witnessed("began", "cut")) == 2, f"it runs again\n{second.output}")


@LIFELESS
def test_its_stop_is_no_incident(server: tuple[str, ...], tmp_path: Path) -> None:
    kind, *more = server
    with serving(kind, tmp_path, *more, OUTLAST_LINGER="0.1") as running:
        running.add("ok", "done")
        running.wait_for("ran", "done")
        running.stop()
        eventually(lambda: not runners_in(tmp_path), "the runner leaves")
        assert not blamed_in(running.journal)
        assert "was killed" not in running.output
        assert not list((tmp_path / ".outlast").glob("*.box"))
