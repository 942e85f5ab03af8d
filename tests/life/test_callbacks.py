"""Callbacks of the app hear how tasks have ended, whatever dies meanwhile."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from outlast.journal.engines import open_journal
from tests.support.lines import whole_lines
from tests.support.marks import slow
from tests.support.servers import Server, eventually, lay_out, serving

CALLBACKS = """

import json


def note(name, end):
    fields = ("id", "function", "state", "attempt", "lane", "reason", "traceback")
    told = {one: getattr(end, one) for one in fields} | {"by": name, "raised": repr(end.exception), "pid": os.getpid()}
    with open("told.jsonl", "a") as file:
        file.write(json.dumps(told) + chr(10))


@outlast.on_failure
def failure(end: outlast.TaskEnd) -> None:
    note("failure", end)
"""
EVERY_END = """

@outlast.on_end
async def any_end(end: outlast.TaskEnd) -> None:
    await asyncio.sleep(0)
    note("end", end)
"""
BROKEN = """

@outlast.on_failure
def broken(end):
    raise SystemExit("no alert today")
"""
DEADLY = """

@outlast.on_failure
def deadly(end):
    note("deadly", end)
    os._exit(1)
"""
FIRST_DIES = """

@outlast.on_failure
def dies_once(end):
    note("dies_once", end)
    if not os.path.exists("died"):
        open("died", "w").close()
        os._exit(1)
"""
LATE = """

def late(name):
    until_told(name)
    raise ValueError(name)


TASKS["late"] = late
"""


def laid_out(folder: Path, *more: str) -> Path:
    lay_out(folder)
    with (folder / "main.py").open("a") as app:
        app.write("".join(["\nimport asyncio\nimport os\nimport outlast\n", CALLBACKS, *more]))
    return folder


def told(server: Server, by: str = "failure") -> list[dict[str, Any]]:
    path = server.folder / "told.jsonl"
    lines = whole_lines(path)
    return [one for one in map(json.loads, lines) if one["by"] == by]


def nothing_is_left(server: Server) -> bool:
    journal = open_journal(f"sqlite:///{server.journal}")
    try:
        return not journal.ends.has_untold
    finally:
        journal.close()


@pytest.mark.parametrize("kind", ["uvicorn", *slow("gunicorn uvicorn_worker")])
def test_a_failure_is_told_with_what_was_raised(tmp_path: Path, kind: str) -> None:
    with serving(kind, laid_out(tmp_path)) as server:
        server.add("ok", "it")
        server.add("fail", "it")
        eventually(lambda: told(server), server.output)
        (end,) = told(server)
        failed = next(one for one in server.records() if one.function == "main:fail")
        assert (end["id"], end["function"], end["state"], end["attempt"]) == (failed.id, "main:fail", "failed", 1)
        assert (end["reason"], end["raised"]) == ("ValueError: it fails", "ValueError('it fails')")
        assert "ValueError: it fails" in end["traceback"]
        assert end["pid"] in server.living("child")
        eventually(lambda: nothing_is_left(server), "it is told once")
        assert len(told(server)) == 1


def test_every_end_is_told_in_the_right_state(tmp_path: Path) -> None:
    with serving("uvicorn", laid_out(tmp_path, EVERY_END)) as server:
        for path in ("/add/ok/it", "/add/fail/it", "/refuse/it", "/enqueue-and-regret/it"):
            server.get(path)
        eventually(lambda: len(told(server, "end")) == 4, server.output)
        assert sorted(one["state"] for one in told(server, "end")) == ["cancelled", "done", "dropped", "failed"]
        assert [one["state"] for one in told(server)] == ["failed"]


def test_a_crash_is_told_by_the_next_process(tmp_path: Path) -> None:
    with serving("uvicorn", laid_out(tmp_path), OUTLAST_MAX_CRASHES="1") as server:
        server.add("crash", "it")
        eventually(lambda: told(server), server.output)
        (end,) = told(server)
        assert (end["state"], end["raised"]) == ("failed", "None")
        assert "it ended its process" in end["reason"]


@pytest.mark.slow
def test_an_end_is_told_after_everything_was_killed(tmp_path: Path) -> None:
    laid_out(tmp_path, "\n\n@outlast.on_failure\ndef never(end):\n    note('never', end)\n    time.sleep(600)\n")
    with serving("uvicorn", tmp_path) as server:
        server.add("fail", "it")
        eventually(lambda: told(server, "never"), server.output)
        server.kill_everything()
    source = (tmp_path / "main.py").read_text()
    (tmp_path / "main.py").write_text(source.replace("time.sleep(600)", "pass"))
    with serving("uvicorn", tmp_path) as server:
        server.add("ok", "it")
        eventually(lambda: len(told(server, "never")) == 2, server.output)
        eventually(lambda: nothing_is_left(server), "it is told")


def test_what_a_callback_raises_is_logged_and_changes_nothing(tmp_path: Path) -> None:
    with serving("uvicorn", laid_out(tmp_path, BROKEN)) as server:
        server.add("fail", "it")
        eventually(lambda: told(server) and nothing_is_left(server), server.output)
        (record,) = server.records()
        assert record.state == "failed"
        said = f"the callback broken failed when it was told of the end of task {record.id}"
        eventually(lambda: said in server.output, server.output)
        assert "SystemExit: no alert today" in server.output


@pytest.mark.slow
def test_a_process_that_dies_of_telling_is_followed_by_another_that_tells_it_again(tmp_path: Path) -> None:
    with serving("uvicorn", laid_out(tmp_path, FIRST_DIES)) as server:
        server.add("fail", "it")
        eventually(lambda: len(told(server, "dies_once")) == 2 and nothing_is_left(server), server.output, 40)
        first, second = told(server, "dies_once")
        assert first["pid"] != second["pid"]
        assert [record.state for record in server.records()] == ["failed"]


@pytest.mark.slow
def test_telling_ends_at_last_where_each_process_dies_of_it(tmp_path: Path) -> None:
    with serving("uvicorn", laid_out(tmp_path, DEADLY)) as server:
        server.add("fail", "it")
        eventually(lambda: "callbacks are not told of the end of task" in server.output, server.output, 60)
        assert len(told(server, "deadly")) == 3


def test_what_fails_while_the_server_stops_is_told_before_its_process_leaves(tmp_path: Path) -> None:
    with serving("uvicorn", laid_out(tmp_path, LATE)) as server:
        server.begin("late", "it")
        server.stop()
        server.tell("it")
        eventually(lambda: told(server), server.output)
        assert told(server)[0]["raised"] == "ValueError('it')"


def test_without_callbacks_nothing_is_kept(tmp_path: Path) -> None:
    with serving("uvicorn", tmp_path) as server:
        server.add("fail", "it")
        eventually(server.all_settled, server.output)
        assert nothing_is_left(server)


@pytest.mark.slow
def test_callbacks_that_only_the_web_worker_has_are_not_passed_over(tmp_path: Path) -> None:
    lay_out(tmp_path)
    source = (tmp_path / "main.py").read_text()
    under_main = "\n\n    @outlast.on_failure\n    def never(end):\n        pass\n\n    uvicorn.run("
    (tmp_path / "main.py").write_text(source.replace("\n\n    uvicorn.run(", under_main))
    with serving("python main.py", tmp_path) as server:
        server.add("fail", "it")
        eventually(lambda: "callbacks are registered in the web worker" in server.output, server.output)
