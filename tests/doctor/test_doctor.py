"""`outlast doctor` finds each thing on its line and nothing else, and says so by its exit code."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.doctor.projects import BLOCKING, CLEAN, FACTORY, LANES, SRC, STARTING, TASKS, Project, marked, write
from tests.doctor.run import doctor

FINDINGS = 3
ARTICLE = Path(__file__).parents[2] / "examples" / "article"


@pytest.mark.parametrize(
    ("project", "target"),
    [(TASKS, "main:app"), (BLOCKING, "main:app"), (FACTORY, "main:build()"), (STARTING, "main:app")],
)
def test_each_thing_is_found_on_its_line_and_nothing_else(project: Project, target: str, tmp_path: Path) -> None:
    answer = doctor(write(project, tmp_path), target, "--json")
    assert answer.found == marked(project), answer.stderr
    assert answer.code == FINDINGS


def test_each_place_is_listed_with_its_lane(tmp_path: Path) -> None:
    tasks = doctor(write(TASKS, tmp_path), "main:app", "--json").document["tasks"]
    lanes = {(one["way"], one["function"], one["lane"]) for one in tasks}
    assert not {(*key, lane) for key, lane in LANES.items()} - lanes
    assert all(one["reason"] for one in tasks)
    assert {one["lane"] for one in tasks if one["way"] == "enqueue_sync"} == {"refused"}


@pytest.mark.parametrize(
    ("project", "arguments"),
    [
        (CLEAN, ["shop.main:app"]),
        (SRC, ["--app-dir", "src"]),
        (SRC, ["--server", "uvicorn --app-dir src shop.main:app"]),
    ],
)
def test_a_clean_project_is_quiet(project: Project, arguments: list[str], tmp_path: Path) -> None:
    answer = doctor(write(project, tmp_path), *arguments, "--json")
    assert (answer.document["findings"], answer.code) == ([], 0)
    assert {(one["function"], one["lane"]) for one in answer.document["tasks"]} == {
        ("shop.mail:notify", "loop"),
        ("shop.mail:send", "thread"),
        ("shop.main:warm", "thread"),
    }
    assert not list(tmp_path.rglob(".outlast")), "it makes no journal"


def test_the_articles_app_has_one_mistake() -> None:
    answer = doctor(ARTICLE, "main:app", "--json")
    line = next(
        at for at, text in enumerate((ARTICLE / "main.py").read_text().splitlines(), 1) if "# the mistake" in text
    )
    assert answer.found == {("blocking-call", "main.py", line)}
    assert [one["lane"] for one in answer.document["tasks"]] == ["thread", "loop", "loop"]


def test_people_read_place_code_sentence_and_remedy(tmp_path: Path) -> None:
    answer = doctor(write(FACTORY, tmp_path), "main:build()")
    assert "  main.py:18  inline  main:build.<locals>.local" in answer.stdout
    assert (
        "Tasks that cannot leave the web worker\n  main.py:18  no-name  main:build.<locals>.local is inside"
        in answer.stdout
    )
    assert "\n      move it to the top level of a module\n" in answer.stdout
    assert answer.stdout.endswith("1 finding, no notes\n")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("import nothing_of_that_name", "No module named 'nothing_of_that_name' (main.py:1, in <module>)"),
        ("def make():\n    1 / 0\n\n\nmake()", "ZeroDivisionError: division by zero (main.py:2, in make)"),
        ("app = (", "(main.py:1)"),
        ("raise SystemExit('no key')", "SystemExit: no key (main.py:1, in <module>)"),
        ("other = 1", "module 'main' has no 'app'"),
        (
            "import outlast, starlette.applications as a\noutlast.install(a.Starlette(), runer='off')",
            "did you mean 'runner'?",
        ),
    ],
)
def test_an_app_that_cannot_be_imported_is_a_sentence_and_exit_code_1(text: str, words: str, tmp_path: Path) -> None:
    answer = doctor(write({"main.py": text}, tmp_path), "main:app")
    assert (answer.code, answer.stdout) == (1, "")
    assert words in answer.stderr
    assert "Traceback" not in answer.stderr


def test_without_the_path_to_src_it_says_so(tmp_path: Path) -> None:
    answer = doctor(write(SRC, tmp_path))
    assert (answer.code, "say --app-dir src" in answer.stderr) == (1, True)


def test_what_the_app_prints_does_not_spoil_the_document(tmp_path: Path) -> None:
    text = "print('hello')\n" + CLEAN["shop/main.py"]
    answer = doctor(write({**CLEAN, "shop/main.py": text}, tmp_path), "shop.main:app", "--json")
    assert (answer.document["findings"], "hello" in answer.stderr) == ([], True)


def test_an_app_without_outlast_is_told(tmp_path: Path) -> None:
    answer = doctor(
        write({"main.py": "from fastapi import FastAPI\napp = FastAPI()\n"}, tmp_path), "main:app", "--json"
    )
    assert answer.found == {("not-installed", "main.py", 0)}


@pytest.mark.parametrize(
    "arguments", [["--sever", "x"], ["main:app", "--server", "nginx"], ["--server", "gunicorn -t x"]]
)
def test_a_wrong_call_is_exit_code_2(arguments: list[str], tmp_path: Path) -> None:
    assert doctor(tmp_path, *arguments).code == 2


def test_without_an_app_it_says_how_to_name_one(tmp_path: Path) -> None:
    answer = doctor(tmp_path)
    assert (answer.code, "OUTLAST_APP" in answer.stderr) == (1, True)


UNKNOWN = """
import socket

import outlast
from fastapi import BackgroundTasks, FastAPI

app = FastAPI()
outlast.install(app, url="sqlite:///elsewhere/journal.db")


@app.get("/{name}")
async def ask(name: str, tasks: BackgroundTasks) -> None:
    function = getattr(socket, name)
    tasks.add_task(function, name)
    socket.gethostbyname(name)
"""


def test_what_it_cannot_judge_is_not_no_finding(tmp_path: Path) -> None:
    answer = doctor(write({"main.py": UNKNOWN}, tmp_path), "main:app")
    assert "nothing can be said of 1 place (lane unknown, above)" in answer.stdout.splitlines()[-1]
    assert "getaddrinfo(...)" in answer.stdout
    assert "there is a second journal" not in answer.stdout, "no file is there"
    assert "another place is named for the journal" in answer.stdout


MADE = """
import outlast
from fastapi import BackgroundTasks, FastAPI


def work(n: int) -> None: ...


def build() -> FastAPI:
    app = FastAPI()
    outlast.install(app)

    @app.get("/")
    async def ask(tasks: BackgroundTasks) -> None:
        tasks.add_task(work, 1)

    return app
"""


@pytest.mark.parametrize("how", [["main:build"], ["main:build", "--factory"], ["main:build()"]])
def test_it_takes_a_factory_as_uvicorn_does(how: list[str], tmp_path: Path) -> None:
    answer = doctor(write({"main.py": MADE}, tmp_path), *how)
    assert (answer.code, "has no outlast" in answer.stdout) == (0, False), answer.stdout


GUARDED = "outlast.install(app, dashboard='/outlast', dashboard_guard=lambda request: True)"


@pytest.mark.parametrize(
    ("made", "install", "is_told"),
    [
        ("FastAPI()", "outlast.install(app, dashboard='/outlast')", True),
        ("FastAPI(debug=True)", "outlast.install(app, dashboard='/outlast')", False),
        ("FastAPI()", GUARDED, False),
        ("FastAPI()", "outlast.install(app); app.mount('/board', outlast.dashboard(app))", True),
    ],
)
def test_a_dashboard_that_nobody_can_see_is_told(made: str, install: str, is_told: bool, tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(f"from fastapi import FastAPI\nimport outlast\napp = {made}\n{install}\n")
    found = [one for one in doctor(tmp_path, "main:app", "--json").document["findings"] if "dashboard" in one["code"]]
    assert bool(found) is is_told
    assert not found or "dashboard_guard=" in found[0]["remedy"]
