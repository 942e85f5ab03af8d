"""A task sees the context variables that it would see with FastAPI alone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support.marks import first_at_once, slow
from tests.support.servers import Server, eventually, serving

APP = Path(__file__).with_name("context_app.py")
LINE = APP.read_text().partition("session.get()")[0].count("\n") + 1
WAYS = ("async", "def", "held", "given-back", "own", "bare")


def laid_out(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    shutil.copy(APP, folder / "main.py")
    return folder


def seen_by(server: Server) -> set[str]:
    """What one task of each way sees."""
    for way in WAYS:
        assert server.get(f"/{way}/{way}")[0] == 200
    eventually(lambda: len(server.witnessed()) == len(WAYS), f"all have run; {server.output}")
    return {" ".join(line) for line in server.witnessed()}


def warnings(server: Server) -> list[str]:
    """But for those that an event loop stood still, as it does where the machine has no processor for it."""
    return [one for one in server.output.splitlines() if "WARNING" in one and "the event loop of" not in one]


@pytest.mark.parametrize("middleware", first_at_once(["http", "asgi"]))
@pytest.mark.parametrize("kind", ["uvicorn", *slow("gunicorn uvicorn_worker")])
def test_tasks_see_what_they_see_with_fastapi_alone(kind: str, middleware: str, tmp_path: Path) -> None:
    seen = []
    for name in ("plain", "with"):
        more = {"PLAIN": "1"} if name == "plain" else {}
        with serving(kind, laid_out(tmp_path / name), MIDDLEWARE=middleware, **more) as server:
            seen.append(seen_by(server))
            assert not warnings(server)
    assert seen[0] == seen[1]
    assert all(f"middleware={middleware}" in line and "precision=50" in line for line in seen[0])


def test_what_a_task_sets_is_gone_with_it(tmp_path: Path) -> None:
    with serving("uvicorn", laid_out(tmp_path), OUTLAST_MAX_CHILDREN="1") as server:
        for name in ("first", "second"):
            server.get(f"/own/{name}")
            assert "endpoint=None" in server.wait_for(f"{name}-async")


def test_a_def_reaches_the_event_loop_as_in_the_threads_of_starlette(tmp_path: Path) -> None:
    seen = []
    for name in ("plain", "with"):
        more = {"PLAIN": "1"} if name == "plain" else {}
        with serving("uvicorn", laid_out(tmp_path / name), **more) as server:
            server.get("/reach/it")
            seen.append([server.wait_for("reached"), server.wait_for("not", "cancelled")])
            assert "Traceback" not in server.output
    assert seen[0] == seen[1] == [["reached", "it", "here", "True", "here"], ["not", "cancelled"]]


def test_enqueue_takes_the_context_of_its_caller_along(tmp_path: Path) -> None:
    with serving("uvicorn", laid_out(tmp_path)) as server:
        server.get("/enqueued/it")
        seen = server.wait_for("it-async")
        assert {"middleware=http", "endpoint=enqueued", "user=User(name='ann',groups=('ops','dev'))"} <= set(seen)
        eventually(server.all_settled, server.output)
        (record,) = server.records()
        assert '"main:endpoint":{"value": "enqueued"}' in record.context


def test_a_task_that_reads_what_cannot_travel_runs_inline_and_says_why(tmp_path: Path) -> None:
    with serving("uvicorn", laid_out(tmp_path)) as server:
        server.get("/session")
        assert server.wait_for("session") == ["session", "Session", server.get("/ping")[1]]
        assert "task main:use_session runs inline, in the web worker, and is lost when that dies" in server.output
        assert (
            f"main:use_session reads the context variable main:session (main.py:{LINE}), which is an instance of "
            "main.Session, which cannot travel to another process" in server.output
        )
        refused = server.get("/promised-session")[1]
        assert "reads the context variable main:session" in refused


@pytest.mark.parametrize("carry", ["none", *slow("without")])
def test_what_carry_leaves_out_stays(carry: str, tmp_path: Path) -> None:
    with serving("uvicorn", laid_out(tmp_path), CARRY=carry) as server:
        server.get("/async/it")
        words = set(server.wait_for("it-def"))
        assert "middleware=None" in words
        assert ("endpoint=late" in words) == (carry == "without")
