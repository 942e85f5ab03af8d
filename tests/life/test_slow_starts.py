"""A task process that does not come to the end of its start: the user hears where it stands, and it is tried again."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.life.captured import captured
from tests.life.test_lifespan import APP, all_say, has_run, said_by_outlast, written
from tests.support.lines import line_of
from tests.support.marks import slow
from tests.support.servers import Server, eventually, is_alive

LEADER = """
import fcntl


def lead():
    lock = open("leader.lock", "w")
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


"""
LIFESPAN = LEADER + "@asynccontextmanager\nasync def lifespan(app):\n    {}\n    yield\n\n"
ON_EVENT = """
app = FastAPI()


@app.on_event("startup")
async def begin():
    if outlast.in_task_process():
        await asyncio.Event().wait()
"""
OWN = """
app = FastAPI()


@asynccontextmanager
async def of_children(app):
    await asyncio.Event().wait()
    yield
"""
NESTED = """
@asynccontextmanager
async def connected():
    if outlast.in_task_process():
        await asyncio.wait_for(asyncio.Event().wait(), 999)
    yield


@asynccontextmanager
async def lifespan(app):
    async with connected():
        yield

"""
HANGS: dict[str, tuple[str, str, str, str]] = {
    # what stands in the module, how it makes its app, where that hangs, and how it is told
    "a lock": (LIFESPAN.format("app.lock = lead()"), APP, "fcntl.flock", "lead (main.py:{}) at `fcntl.flock("),
    "an await": (NESTED, APP, "await asyncio.wait_for", "connected (main.py:{}) at `await asyncio.wait_for("),
    "a thread": (
        LIFESPAN.format("app.lock = await asyncio.to_thread(lead)"),
        APP,
        "await asyncio.to_thread",
        "lifespan (main.py:{}) at `await asyncio.to_thread(lead)`",
    ),
    "a startup handler": ("", ON_EVENT, "await asyncio.Event", "begin (main.py:{}) at `await asyncio.Event().wait()`"),
    "its own lifespan": ("", OWN, "await asyncio.Event", "of_children (main.py:{}) at `await asyncio.Event().wait()`"),
    "an import": (LEADER + "lock = lead()\n", "app = FastAPI()\n", "fcntl.flock", "lead (main.py:{}) at `fcntl.flock("),
}
RARER = [kind for kind in HANGS if kind not in ("a lock", "an await")]


def told(server: Server, what: str, at: str) -> str:
    """The one line that says so of a start that stands there. Where starts are slow, it stood elsewhere before."""
    words = f"tasks wait for it: {what} has not come to its end: it stands in {at}"
    eventually(lambda: words in server.output, f"{words!r} is said")
    (line,) = [line for line in server.output.splitlines() if words in line]
    return line


@pytest.mark.parametrize("kind", ["a lock", *slow("an await", *RARER)])
def test_where_a_start_hangs_is_told_once_with_the_remedy(kind: str, tmp_path: Path) -> None:
    middle, app, hangs_at, where = HANGS[kind]
    text = written(tmp_path, middle, app)
    lifespan = "main:of_children" if kind == "its own lifespan" else "true"
    entered = "main:app" if lifespan == "true" else lifespan
    what = "importing main:app" if kind == "an import" else f"the lifespan of {entered}"
    # told of after a sixth of the limit: when it is over, what hangs is ended, and the commands say something else
    with captured("uvicorn", tmp_path, OUTLAST_STALL_LIMIT="60", OUTLAST_CHILD_LIFESPAN=lifespan) as capture:
        server = capture.server
        server.add("ok", "it")
        line = told(server, what, where.format(line_of(text, hangs_at)))
        remedy = "guard it with `if not outlast.in_task_process():`" + ", or set child_lifespan" * (kind != "an import")
        assert line.endswith(remedy)
        all_say(server, f"since a task process that is needed has not started yet: {what} has not come to its end")
        assert "cannot start" not in server.output


TWO_PLACES = """
@asynccontextmanager
async def lifespan(app):
    if outlast.in_task_process():
        while not os.path.exists("go"): time.sleep(0.05)  # the first
        await asyncio.Event().wait()  # the second
    yield

"""


@pytest.mark.slow
def test_where_it_stands_is_told_of_each_place_where_it_stays(tmp_path: Path) -> None:
    text = written(tmp_path, TWO_PLACES)
    with captured("uvicorn", tmp_path, OUTLAST_STALL_LIMIT="20") as capture:
        capture.server.add("ok", "it")
        for place in ("the first", "the second"):
            told(capture.server, "the lifespan of main:app", f"lifespan (main.py:{line_of(text, place)})")
            (tmp_path / "go").touch()


WAITS = """
@asynccontextmanager
async def lifespan(app):
    if outlast.in_task_process():
        witness("began", os.getpid())
        while not os.path.exists("go"):
            await asyncio.sleep(0.05)
    yield

"""


@pytest.mark.slow
def test_one_that_hangs_is_ended_and_tried_again_until_it_starts(tmp_path: Path) -> None:
    text = written(tmp_path, WAITS.replace("while", "if").replace("sleep(0.05)", "Event().wait()"))
    with captured("uvicorn", tmp_path, OUTLAST_STALL_LIMIT="1") as capture:
        server = capture.server
        server.add("ok", "it")
        (_, first) = server.wait_for("began")
        eventually(lambda: "task processes cannot start" in server.output, f"that is said; {server.output}")
        (line,) = [line for line in server.output.splitlines() if "task processes cannot start" in line]
        assert f"it stands in lifespan (main.py:{line_of(text, 'await asyncio.Event')})" in line
        assert "tasks stay waiting, uncharged" in line
        eventually(lambda: not is_alive(int(first)), "it is gone")
        (tmp_path / "go").touch()
        has_run(server, "another")
        server.wait_for("ran", "it")
        eventually(server.all_settled, f"both have ended; {server.records()}")
        assert {(one.state, one.attempt) for one in server.records()} == {("done", 1)}
        assert "cannot run now" not in said_by_outlast(server, "status")


@pytest.mark.slow
def test_one_that_is_slow_gets_more_time_at_each_try(tmp_path: Path) -> None:
    written(tmp_path, WAITS.replace('while not os.path.exists("go")', "for _ in range(300)"))
    with captured("uvicorn", tmp_path, OUTLAST_STALL_LIMIT="1") as capture:
        capture.server.add("ok", "it")
        capture.server.wait_for("ran", "it", within=60.0)
        assert len(capture.server.witnessed("began")) > 1
