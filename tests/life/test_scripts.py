"""Programs that are no servers, and servers that are programs: run once, with what they ask for run or told of."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest

from outlast.journal.read import Record
from tests.support.history import history_of
from tests.support.marks import slow
from tests.support.processes import kill_all_in, runners_in
from tests.support.servers import PATIENCE, Server, eventually, free_port, serving

APP = """
import outlast
from fastapi import FastAPI

app = FastAPI()
outlast.install(app)


def greet(name: str) -> None:
    with open("witness.log", "a") as file:
        file.write(f"ran {name}\\n")
"""
BEGUN = "open('begun.log', 'a').write('begun, ')\n"
OWN = """
def own(name: str) -> None:
    greet(name)

"""
ASKS = "outlast.enqueue_sync(greet, 'it')\n"
IMPORTS = "import outlast\nfrom main import app, greet\n"
GUARD = "if __name__ == '__main__':\n    "
SCRIPTS = {
    "unguarded": IMPORTS + BEGUN + ASKS,
    "guarded": IMPORTS + GUARD + BEGUN + "    " + ASKS,
    "a main function": IMPORTS + f"def main():\n    {BEGUN}    {ASKS}" + GUARD + "main()\n",
    "an unguarded main function": IMPORTS + f"def main():\n    {BEGUN}    {ASKS}" + "main()\n",
    "asyncio": IMPORTS
    + f"import asyncio\nasync def main():\n    {BEGUN}    await outlast.enqueue(greet, 'it')\nasyncio.run(main())\n",
    "a function of its own": IMPORTS + OWN + GUARD + BEGUN + "    " + ASKS.replace("greet", "own"),
    "everything in one, without a guard": APP
    + "from work import elsewhere\n"
    + BEGUN
    + ASKS.replace("greet", "elsewhere"),
    "everything in one": APP + OWN + GUARD + BEGUN + "    " + ASKS.replace("greet", "own"),
}

PATIENT = {"OUTLAST_STORE_DEADLINE": "9"}
"""As servers of tests have it: a busy machine shall not be taken for a journal in trouble."""
PRINTS = (
    IMPORTS
    + OWN.replace("greet(name)", "print('printed', flush=True); greet(name)")
    + GUARD
    + ASKS.replace("greet", "own")
    + "    print('result')\n"
)


@dataclass(frozen=True)
class Ended:
    """A script that has ended: its status, and what it and its runner have said by then."""

    returncode: int
    stderr: str


def run(folder: Path, script: str, *flags: str, **environment: str) -> Ended:
    if not (folder / "main.py").exists():
        (folder / "main.py").write_text(APP)
    (folder / "nightly.py").write_text(script)
    (folder / "work.py").write_text(APP.partition("\n\n\n")[2].replace("greet", "elsewhere"))
    command = [sys.executable, *(flags or ("nightly.py",))]
    variables = {**os.environ, "OUTLAST_LINGER": "0", **PATIENT, **environment}
    with (folder / "script.log").open("w") as log:  # not a pipe: the runner that it starts has it, too
        done = subprocess.run(command, cwd=folder, env=variables, stderr=log, check=False, timeout=60 * PATIENCE)
    return Ended(done.returncode, (folder / "script.log").read_text())


def records(folder: Path) -> list[Record]:
    return history_of(folder / ".outlast" / "journal.db").tasks()


def lines(folder: Path, name: str) -> list[str]:
    return (folder / name).read_text().splitlines() if (folder / name).exists() else []


RARER = [kind for kind in SCRIPTS if kind not in ("unguarded", "a function of its own")]


@pytest.mark.parametrize("kind", ["unguarded", "a function of its own", *slow(*RARER)])
def test_a_script_runs_once_and_what_it_asks_for_runs(kind: str, tmp_path: Path) -> None:
    done = run(tmp_path, SCRIPTS[kind])
    assert done.returncode == 0, done.stderr
    eventually(lambda: [one.state for one in records(tmp_path)] == ["done"], f"{records(tmp_path)} {done.stderr}")
    assert (lines(tmp_path, "begun.log"), lines(tmp_path, "witness.log")) == (["begun, "], ["ran it"])
    assert "nothing runs" not in done.stderr
    eventually(lambda: not runners_in(tmp_path), "the runner leaves")
    assert ("without the app" in done.stderr) == (kind == "everything in one, without a guard")


@pytest.mark.parametrize("flags", [(), ("-m", "nightly")])
def test_a_function_of_a_script_that_would_run_again_is_refused_with_the_line(
    flags: tuple[str, ...], tmp_path: Path
) -> None:
    done = run(tmp_path, IMPORTS + OWN + BEGUN + ASKS.replace("greet", "own"), *flags)
    assert "NotStorable: nightly:own is in nightly.py" in done.stderr
    assert f"line {(IMPORTS + OWN + BEGUN).count(chr(10)) + 1} of it once more" in done.stderr
    assert 'if __name__ == "__main__":' in done.stderr
    assert lines(tmp_path, "begun.log") == ["begun, "]
    assert not (tmp_path / ".outlast").exists()


def test_what_nobody_runs_is_told_of(tmp_path: Path) -> None:
    done = run(tmp_path, SCRIPTS["guarded"], OUTLAST_RUNNER="off")
    assert "1 task of this script waits in" in done.stderr
    assert "nothing runs it until a server of the app, or `outlast worker`, starts" in done.stderr
    assert "no runner: 1 task waits" in status(tmp_path)


def status(folder: Path) -> str:
    command = [str(Path(sys.executable).with_name("outlast")), "status"]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout


@pytest.mark.slow
def test_beside_a_server_a_script_waits_for_nothing(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(SERVER)
    with serving("uvicorn", tmp_path) as server:
        server.get("/add")
        server.wait_for("ran", "it")
        for _ in range(2):
            done = run(tmp_path, SCRIPTS["guarded"])
            assert "nothing runs" not in done.stderr
        eventually(lambda: len(server.witnessed("ran")) == 3, f"{server.records()}")


@pytest.mark.slow
def test_a_shell_that_waits_for_the_result_of_a_script_has_it_at_once_and_nothing_else(tmp_path: Path) -> None:
    """As in `x=$(python nightly.py)`, beside a server that has had no task yet, for which the runner stays."""
    (tmp_path / "main.py").write_text(SERVER)
    with serving("uvicorn", tmp_path) as server:
        (tmp_path / "nightly.py").write_text(PRINTS)
        with (tmp_path / "script.log").open("w") as log:
            done = subprocess.run(
                [sys.executable, "nightly.py"],
                cwd=tmp_path,
                env={**os.environ, **PATIENT},
                stdout=subprocess.PIPE,
                stderr=log,
                check=True,
                text=True,
                timeout=60 * PATIENCE,
            )
        assert done.stdout == "result\n"
        eventually(lambda: len(server.witnessed("ran")) == 1, f"{server.records()}")
        assert "printed" in (tmp_path / "script.log").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("has_server", [True, *slow(False)])
def test_who_captures_all_that_a_script_prints_waits_for_its_tasks_and_no_longer(
    has_server: bool, tmp_path: Path
) -> None:
    """As cron does, and `x=$(python nightly.py 2>&1)`: also beside a server that has had no task yet."""
    (tmp_path / "main.py").write_text(SERVER)
    (tmp_path / "nightly.py").write_text(PRINTS)
    with serving("uvicorn", tmp_path) if has_server else nullcontext():
        done = subprocess.run(
            [sys.executable, "nightly.py"],
            cwd=tmp_path,
            env={**os.environ, **PATIENT},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=True,
            timeout=60 * PATIENCE,
        )
        assert sorted(done.stdout.split()) == [b"printed", b"result"]
    eventually(lambda: [one.state for one in records(tmp_path)] == ["done"], "it has run")
    kill_all_in(tmp_path)


SERVER = (
    APP
    + """
from fastapi import BackgroundTasks
import os, uvicorn


@app.get("/add")
async def add(tasks: BackgroundTasks):
    tasks.add_task(greet, "it")


@app.get("/ping")
async def ping(): ...

"""
)
SERVE = "uvicorn.run(app, port=int(os.environ['PORT']), access_log=False)\n"


def test_a_program_that_serves_without_a_guard_is_not_run_again(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(SERVER + BEGUN + SERVE)
    with serving("python main.py", tmp_path) as server:
        assert server.get("/add")[0] == 200
        server.wait_for("ran", "it")
        eventually(lambda: [one.state for one in server.records()] == ["done"], f"{server.records()}")
        (record,) = server.records()
        assert record.lane == "inline"
        assert "put what main.py does under" in server.output
        assert lines(tmp_path, "begun.log") == ["begun, "]


RETRIES = """

class Busy(Exception): ...


@outlast.task(retries=1, backoff=0, retry_on=Busy)
def busy(name: str):
    with open("witness.log", "a") as file:
        file.write(f"tried {name}\\n")
    raise Busy


@app.get("/busy")
async def ask(tasks: BackgroundTasks):
    tasks.add_task(busy, "it")


"""


@pytest.mark.parametrize("flags", [[], *slow(["-P"])])
def test_an_exception_of_the_program_itself_is_one_to_be_tried_again_after(flags: list[str], tmp_path: Path) -> None:
    """Also where others cannot import it, as its folder is not where modules are looked for."""
    (tmp_path / "main.py").write_text(SERVER + RETRIES + GUARD + SERVE)
    with program(tmp_path, flags) as server:
        assert server.get("/busy")[0] == 200
        eventually(lambda: [one.state for one in server.records()] == ["failed"], f"{server.records()}")
        assert len(server.witnessed("tried", "it")) == 2
        assert server.records()[0].reason.startswith("Busy; no retry is left (of 1)")


def test_a_task_of_python_main_py_runs_under_uvicorn(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(SERVER + GUARD + SERVE)
    with serving("python main.py", tmp_path, OUTLAST_RUNNER="off") as server:
        assert server.get("/add")[0] == 200
        eventually(server.records, "the task is stored")
        assert server.records()[0].function == "main:greet"
        server.stop()
    with serving("uvicorn", tmp_path) as server:
        server.wait_for("ran", "it")


def test_a_program_that_others_cannot_import_is_run_by_its_path(tmp_path: Path) -> None:
    """Its folder is not where modules are looked for."""
    (tmp_path / "main.py").write_text(SERVER + GUARD + SERVE)
    with program(tmp_path, ["-P"]) as server:
        assert server.get("/add")[0] == 200
        server.wait_for("ran", "it")
        assert server.records()[0].function == "__main__:greet"


@contextmanager
def program(folder: Path, flags: list[str]) -> Iterator[Server]:
    port = free_port()
    variables = {**os.environ, **PATIENT, "PORT": str(port), "OUTLAST_LINGER": "0"}
    with (folder / "output.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, *flags, "main.py"], cwd=folder, env=variables, stdout=log, stderr=log
        )
    try:
        server = Server(folder, port, process)
        eventually(server.answers, f"it answers; {server.output}")
        yield server
    finally:
        process.kill()
        process.wait()
        eventually(lambda: not kill_all_in(folder), "nothing is left")
