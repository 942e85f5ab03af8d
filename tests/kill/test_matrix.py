"""The rows of the kill matrix that no other test covers, for outlast alone and in a hurry; and what its words mean."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from tests.matrix.cell import Cell, measured
from tests.matrix.page import Circumstances, as_json, as_page, table
from tests.matrix.plan import OUTLAST, STOCK, Pace
from tests.matrix.run import cells
from tests.matrix.verdict import Evidence, Fate, Innocent, fate, in_words, seconds_hung
from tests.matrix.ways import WAYS
from tests.support.servers import PATIENCE

SHORT = Pace(seconds=5.0, blocked=6.0, timeout=30, patience=15.0 * PATIENCE)
GUNICORN, ASGI = "gunicorn uvicorn_worker", "gunicorn asgi"
BY_NAME = {way.name: way for way in WAYS}
KEPT = {Fate.FINISHED, Fate.AGAIN}


@pytest.fixture(autouse=True)
def in_no_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first task makes the journal, and on a busy machine that takes its time."""
    monkeypatch.setenv("OUTLAST_STORE_DEADLINE", "9")


def seen(name: str, server: str, folder: Path) -> Cell:
    """A cell of outlast, measured."""
    folder.mkdir()
    cell = Cell(BY_NAME[name], OUTLAST, server)
    return replace(cell, evidence=measured(cell, folder, SHORT))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "server"),
    [
        ("sigabrt", "uvicorn"),
        ("sigterm", GUNICORN),
        ("max-requests", ASGI),
        ("sigsegv", ASGI),
        ("sigterm", ASGI),
    ],
)
def test_nothing_is_lost_when_the_web_worker_is_cut(name: str, server: str, tmp_path: Path) -> None:
    cell = seen(name, server, tmp_path / name)
    assert cell.evidence is not None
    assert not cell.evidence.is_same_worker, "it was not cut: this proves nothing"
    assert {one for _, one in cell.fates} == {Fate.FINISHED}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "server"),
    [("abort", "uvicorn"), ("hog", GUNICORN), ("exit", ASGI), ("failure", "uvicorn")],
)
def test_no_innocent_task_is_lost_and_no_web_worker_cut_by_what_a_task_does(
    name: str, server: str, tmp_path: Path
) -> None:
    cell = seen(name, server, tmp_path / name)
    assert cell.evidence is not None
    assert cell.evidence.is_same_worker
    assert {one for _, one in cell.fates} <= KEPT


@pytest.mark.slow
def test_no_innocent_task_is_lost_when_memory_runs_out(tmp_path: Path) -> None:
    """The kernel may end the web worker as well, before the memory of the culprit is free again (seen)."""
    fates = {one for _, one in seen("oom", GUNICORN, tmp_path / "oom").fates}
    assert Fate.AGAIN in fates, "nothing was cut: this proves nothing"
    assert fates <= KEPT


@pytest.mark.slow
@pytest.mark.parametrize("server", ["uvicorn", GUNICORN, ASGI])
@pytest.mark.parametrize("name", ["chain", "queue", "retry", "checkpoint"])
def test_what_waits_for_its_turn_is_not_lost_when_everything_is_killed(name: str, server: str, tmp_path: Path) -> None:
    cell = seen(name, server, tmp_path / name)
    assert cell.evidence is not None
    assert cell.evidence.starts > 1, "nothing was cut: this proves nothing"
    fates = dict(cell.fates)
    assert set(fates.values()) <= KEPT
    assert Fate.AGAIN in fates.values()
    assert [fate for link, fate in fates.items() if link in ("second", "third")] == [Fate.FINISHED] * (len(fates) - 1)


@pytest.mark.slow
@pytest.mark.parametrize("server", ["uvicorn", GUNICORN, ASGI])
def test_a_tick_is_not_lost_when_everything_is_killed_across_it(server: str, tmp_path: Path) -> None:
    cell = seen("tick", server, tmp_path / "tick")
    assert cell.evidence is not None
    assert cell.evidence.starts > 1, "nothing was cut: this proves nothing"
    assert cell.fates == [("ticked", Fate.FINISHED)]


@pytest.mark.parametrize(
    ("innocent", "word"),
    [
        (Innocent("def", 200, begins=1, runs=1), Fate.FINISHED),
        (Innocent("def", 200, begins=2, runs=1), Fate.AGAIN),
        (Innocent("def", 200, begins=2, runs=2), Fate.TWICE),
        (Innocent("def", 200, begins=1, runs=0), Fate.LOST),
        (Innocent("def", 200, begins=0, runs=0), Fate.LOST),
        (Innocent("def", 503, begins=0, runs=0), Fate.REFUSED),
        (Innocent("def", 503, begins=1, runs=0), Fate.LOST),
    ],
)
def test_a_fate_follows_from_what_was_seen(innocent: Innocent, word: Fate) -> None:
    assert fate(innocent) is word


def test_a_task_of_a_failed_request_shall_not_run() -> None:
    innocent = Innocent("def", 409, begins=0, runs=0)
    assert fate(innocent, is_wanted=False) is Fate.NOT_RUN
    assert fate(replace(innocent, begins=1), is_wanted=False) is Fate.UNWANTED


EVIDENCE = Evidence((Innocent("def", 200, 1, 1), Innocent("async", 200, 1, 0)), 1.0, 0.2, 0.0, 1, False, 9.0)


def test_a_short_wait_is_no_hanging() -> None:
    assert seconds_hung(replace(EVIDENCE, hung=1.9)) == 0
    assert seconds_hung(replace(EVIDENCE, hung=5.5)) == 5.5


def test_what_differs_is_told_apart() -> None:
    assert in_words([("def", Fate.FINISHED), ("async", Fate.FINISHED)], hung=0) == "finished"
    assert in_words([("def", Fate.FINISHED), ("async", Fate.LOST)], hung=5.54) == (
        "def finished, async **lost**; hung 5.5 s"
    )


def test_the_page_has_every_cell() -> None:
    template = (Path(__file__).parents[1] / "matrix" / "page.md").read_text()
    circumstances = Circumstances("2000-01-01", "2 cores", "a limit", {"fastapi": "1"}, 60.0)
    planned = [cell for cell in cells([], [], []) if cell.way.is_wanted]
    results = [replace(cell, evidence=EVIDENCE) if cell.peer == STOCK else cell for cell in planned]
    page = as_page(results, circumstances, template)
    assert page.count("def finished, async **lost**") == len(planned) // 3
    assert page.count("| no such process | no such process |") == len(planned) // 3
    assert as_json(results, circumstances).count('"fate": "lost"') == len(planned) // 3
    assert table(results, "uvicorn") in page
    assert os.sep + "tmp" not in page
