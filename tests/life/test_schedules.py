"""Schedules on real servers: one run per tick, whoever dies and however often, and a missed one once."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import apsw
import pytest

from outlast.functions.functions import Functions
from outlast.ids import shown
from outlast.system.process import this
from outlast.tasks.every import every
from outlast.web.declaring import Declaring
from tests.doctor.run import doctor
from tests.life.test_releases import deploy
from tests.life.test_releases import serving as serving_release
from tests.support.lines import whole_lines
from tests.support.marks import slow
from tests.support.processes import kill, living_in, runners_in
from tests.support.servers import HEALTHCHECK, KINDS, PATIENCE, Server, eventually, lay_out, serving

TASKS = """

from pathlib import Path

import outlast


@outlast.every(seconds=1, name="once")
def tick():
    with Path("ticks").open("a") as file:
        file.write("x")


@outlast.every(seconds=1, name="all", missed="all")
async def every_one(): ...


@outlast.every("0 6 1 1 *", tz="Europe/Berlin", name="yearly")
async def yearly(): ...


def sent(what: str):
    with Path(what).open("a") as file:
        file.write("x")


@outlast.task(priority=3, then=outlast.s(sent))
def report(number: int) -> str:
    with Path(f"report.{number}").open("a") as file:
        file.write("x")
    return f"sent.{number}"


@outlast.every(seconds=1, name="not from here")
@outlast.task(travels=False)
def stays(): ...


@outlast.every(seconds=1, name="wants something")
def wants(number): ...


@app.get("/schedule/{number}")
async def schedule(number: int, seconds: float = 1):
    await outlast.schedule(f"report {number}", outlast.every(seconds=seconds), report, number)


@app.get("/schedule-sync/{number}")
def schedule_sync(number: int):
    outlast.schedule_sync(f"report {number}", outlast.every("* * * * * *"), report, number=number)


@app.get("/taken")
async def taken():
    try:
        await outlast.schedule("once", outlast.every(seconds=1), report, 1)
    except outlast.OptionError as error:
        return str(error)


@app.get("/unschedule/{number}")
async def unschedule(number: int):
    return await outlast.unschedule(f"report {number}")
"""
TICKING = """

from pathlib import Path


@outlast.every(seconds=1)
def ticks():
    Path("ticks").touch()
"""
OUTLAST = str(Path(sys.executable).with_name("outlast"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving("uvicorn", lay_out(tmp_path_factory.mktemp("schedules"), TASKS)) as server:
        yield server


def read(journal: Path, query: str, *bindings: str) -> list[Any]:
    """Nothing as long as the journal is not there."""
    try:
        with closing(apsw.Connection(str(journal), flags=apsw.SQLITE_OPEN_READONLY)) as connection:
            return connection.execute(query, bindings).fetchall()
    except (apsw.CantOpenError, apsw.SQLError, apsw.BusyError):
        return []


def ticks(server: Server, name: str) -> list[tuple[float, str]]:
    """Each tick of a schedule, and the id of its task."""
    query = "SELECT at, task FROM tick JOIN schedule ON schedule.id = tick.schedule WHERE name = ? ORDER BY at"
    return [(at, shown(task)) for at, task in read(server.journal, query, name)]


def command(folder: Path, *words: str) -> tuple[int, str]:
    """Of `outlast schedule`: exit code and stdout."""
    done = subprocess.run(
        [OUTLAST, "schedule", *words], cwd=folder, capture_output=True, text=True, timeout=60 * PATIENCE, check=False
    )
    return done.returncode, done.stdout


def listed(server: Server, name: str, *words: str) -> Any:
    return next((one for one in all_listed(server, *words) if one["name"] == name), None)


def all_listed(server: Server, *words: str) -> list[Any]:
    found: list[Any] = json.loads(command(server.folder, "list", "--json", *words)[1])
    return found


def assert_each_tick_has_one_task_that_is_done(server: Server, name: str) -> None:
    eventually(lambda: not unfinished(server, name), f"what ticked is done: {server.output}")
    found = {task: at for at, task in ticks(server, name)}
    tasks = {one.id for one in server.records() if one.origin == f"schedule {name}"}
    assert tasks >= found.keys() >= {one for one in tasks if one <= max(found)}, "no tick has two, none is of no tick"
    assert all(at == round(at) for at in found.values())


def unfinished(server: Server, name: str) -> list[str]:
    """Of the tasks of a schedule but for the newest, those that are not done."""
    tasks = [task for _, task in ticks(server, name)[:-3]]
    states = {one.id: one.state for one in server.records()}  # read after the ticks, of which more may have come
    return [task for task in tasks if states[task] != "done"]


@pytest.mark.slow
def test_five_web_workers_and_a_runner_that_is_killed_across_ticks_make_one_run_per_tick(tmp_path: Path) -> None:
    with serving("uvicorn", lay_out(tmp_path, TASKS), "--workers", "5", *HEALTHCHECK) as server:
        for _ in range(4):
            count = len(ticks(server, "once"))
            eventually(lambda before=count: len(ticks(server, "once")) >= before + 2, server.output)  # type: ignore[misc]
            for pid in runners_in(tmp_path):
                kill(pid)
        count = len(ticks(server, "all"))
        eventually(lambda: len(ticks(server, "all")) >= count + 2, server.output)
        for name in ("once", "all"):
            assert_each_tick_has_one_task_that_is_done(server, name)
        assert {later[0] - earlier[0] for earlier, later in pairwise(ticks(server, "all"))} == {1.0}


def test_what_is_missed_while_nothing_runs_comes_once_or_all_of_it(tmp_path: Path) -> None:
    lay_out(tmp_path, TASKS)
    with serving("uvicorn", tmp_path) as server:
        eventually(lambda: len(ticks(server, "once")) >= 2 and len(ticks(server, "all")) >= 2, server.output)
        server.kill_everything()
        before = ticks(server, "once")[-1][0]
    eventually(lambda: time.time() > before + 4, "a clock that goes")
    began = time.time()
    with serving("uvicorn", tmp_path) as server:
        eventually(lambda: ticks(server, "once")[-1][0] > began + 3, server.output)
        behind = next(at for at, _ in ticks(server, "once") if at > before)
        assert behind > began - 1, "the newest stands for all that were missed"
        eventually(lambda: ticks(server, "all")[-1][0] > began + 3, server.output)
        assert {later[0] - earlier[0] for earlier, later in pairwise(ticks(server, "all"))} == {1.0}
        for name in ("once", "all"):
            assert_each_tick_has_one_task_that_is_done(server, name)


@pytest.mark.parametrize("kind", ["python main.py", *slow(*(one for one in KINDS if one != "python main.py"))])
def test_it_ticks_on_every_server(kind: str, tmp_path: Path) -> None:
    main = lay_out(tmp_path) / "main.py"
    main.write_text(main.read_text().replace("\nroot = ", f"{TICKING}\n\nroot = "))
    with serving(kind, tmp_path) as server:
        eventually((tmp_path / "ticks").exists, server.output)


def test_without_any_request_it_runs_and_says_who_asked(server: Server) -> None:
    eventually((server.folder / "ticks").exists, server.output)
    assert "schedule once" in {one.origin for one in server.records()}
    yearly = listed(server, "yearly")
    assert (yearly["state"], yearly["last_at"]) == ("ticking", None)
    assert time.strftime("%m-%d %H:%M", time.gmtime(yearly["next_at"])) == "01-01 05:00"


def test_what_can_run_in_no_task_process_is_said(server: Server) -> None:
    eventually(lambda: "schedule wants something never runs" in server.output, server.output)
    assert (
        "schedule not from here never runs: main:stays is decorated with @outlast.task(travels=False)" in server.output
    )
    in_code = {"once", "all", "yearly"}
    assert in_code == {one["name"] for one in all_listed(server) if one["in_code"]}


def test_at_run_time_with_arguments_until_it_is_taken_back(server: Server) -> None:
    for number, path in ((1, "schedule"), (2, "schedule-sync")):
        assert server.get(f"/{path}/{number}")[0] == 200
        witness = server.folder / f"report.{number}"
        eventually(lambda here=witness: here.exists() and len(here.read_text()) >= 2, server.output)  # type: ignore[misc]
        eventually((server.folder / f"sent.{number}").exists, "what runs after it has run, too")
        assert listed(server, f"report {number}")["arguments"] == f'{{"number":{number}}}'
        assert server.get(f"/unschedule/{number}") == (200, "true")
        assert server.get(f"/unschedule/{number}") == (200, "false")
        assert listed(server, f"report {number}") is None


def test_one_of_the_code_is_not_replaced_at_run_time(server: Server) -> None:
    eventually(lambda: ticks(server, "once"), server.output)
    assert "the code has a schedule 'once' itself" in server.get("/taken")[1]


def of(server: Server, origin: str) -> set[tuple[str, str]]:
    """Function and state of the tasks that were asked for by somebody."""
    return {(one.function, one.state) for one in server.records() if one.origin == origin}


def test_people_pause_it_run_it_and_let_it_go_on(server: Server) -> None:
    assert server.get("/schedule/3?seconds=1")[0] == 200
    eventually(lambda: ticks(server, "report 3"), server.output)
    assert command(server.folder, "pause", "report 3") == (0, "report 3  paused\n")
    assert command(server.folder, "pause", "report 3")[0] == 1
    paused = len(ticks(server, "report 3"))
    assert (listed(server, "report 3")["state"], listed(server, "report 3")["next_at"]) == ("paused", None)
    assert command(server.folder, "run", "report 3")[0] == 0
    eventually(lambda: len(ticks(server, "report 3")) == paused + 1, server.output)
    by_hand = "schedule report 3, by hand"
    eventually(lambda: of(server, by_hand) == {("main:report", "done"), ("main:sent", "done")}, server.output)
    assert command(server.folder, "resume", "report 3", "--json")[0] == 0
    eventually(lambda: len(ticks(server, "report 3")) >= paused + 3, server.output)
    assert command(server.folder, "pause", "nobody")[0] == 3
    assert "report 3: every 1 s, main:report" in command(server.folder, "list")[1]
    server.get("/unschedule/3")


def test_a_row_that_cannot_be_read_is_a_sentence_and_the_others_tick(server: Server) -> None:
    assert server.get("/schedule/4?seconds=1")[0] == 200
    eventually(lambda: ticks(server, "report 4"), server.output)
    with closing(apsw.Connection(str(server.journal))) as connection:
        connection.set_busy_timeout(20_000)
        connection.execute("UPDATE schedule SET timing = '{\"cron\": \"* * *\"}' WHERE name = 'report 4'")
    eventually(lambda: "schedule report 4 is paused: " in server.output, server.output)
    count = len(ticks(server, "once"))
    eventually(lambda: len(ticks(server, "once")) > count, server.output)
    assert listed(server, "report 4")["state"] == "paused"
    server.get("/unschedule/4")


def test_a_worker_without_a_server_ticks(tmp_path: Path) -> None:
    lay_out(tmp_path, TASKS)
    with (tmp_path / "worker.log").open("wb") as log:
        worker = subprocess.Popen(
            [OUTLAST, "worker", "main:app"], cwd=tmp_path, env=dict(os.environ), stdout=log, stderr=log
        )
    try:
        eventually((tmp_path / "ticks").exists, (tmp_path / "worker.log").read_text())
    finally:
        worker.send_signal(signal.SIGTERM)
        worker.wait()
        for pid in living_in(tmp_path):
            kill(pid)


TICKS = """

@outlast.every(seconds=1, name="{name}")
def scheduled() -> None:
    note("{name}")
"""


@pytest.mark.slow
def test_the_newest_code_says_which_there_are_and_no_old_process_does(tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.mkdir()
    old = deploy(tmp_path / "v1", "v1", TICKS.format(name="of the old"))
    new = deploy(tmp_path / "v2", "v2", TICKS.format(name="of the new"))
    copy = deploy(tmp_path / "v1 on another node", "v1", TICKS.format(name="of the old"))
    for one in (old, copy):
        os.utime(one / "main.py", (1_700_000_000, 1_700_000_000))
    with serving_release(old, base) as blue:
        eventually(lambda: ticks_in(base, "of the old"), blue.output)
        with serving_release(new, base) as green:
            eventually(lambda: states(base) == {"of the old": "retired", "of the new": "ticking"}, green.output)
        with serving_release(new, base) as green, serving_release(copy, base) as again:
            eventually(lambda: again.answers() and green.answers(), again.output)
            count = len(ticks_in(base, "of the new"))
            eventually(lambda: len(ticks_in(base, "of the new")) > count + 1, green.output)
            assert states(base) == {"of the old": "retired", "of the new": "ticking"}
        eventually(lambda: states(base) == {"of the old": "ticking", "of the new": "retired"}, blue.output, within=40)


def states(base: Path) -> dict[str, str]:
    done = subprocess.run(
        [OUTLAST, "schedule", "list", "--all", "--json", "--url", f"sqlite:///{base}/shared/tasks.db"],
        capture_output=True,
        text=True,
        timeout=60 * PATIENCE,
        check=False,
        env={**os.environ},
    )
    return {one["name"]: one["state"] for one in json.loads(done.stdout or "[]")}


def ticks_in(base: Path, name: str) -> list[Any]:
    query = "SELECT at FROM tick JOIN schedule ON schedule.id = tick.schedule WHERE name = ?"
    return read(base / "shared" / "tasks.db", query, name)


DOCS = Path(__file__).parents[2] / "docs" / "schedules.md"
EXAMPLE = Path(__file__).parents[2] / "examples" / "schedule"
ENDPOINTS = """

@app.get("/ping")
def ping() -> None: ...


@app.get("/subscribe/{customer}")
async def by_get(customer: int) -> None:
    await subscribe(customer, 1)
"""


def test_the_example_of_the_docs(tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", DOCS.read_text(), re.DOTALL)
    (tmp_path / "main.py").write_text(example + ENDPOINTS.replace("subscribe(customer, 1)", "reminder(customer, 7)"))
    with serving("uvicorn", tmp_path) as server:
        assert server.get("/subscribe/7")[0] == 200
        there = {"main:send_reports", "main:refresh_prices", "hourly", "nightly", "reminder of 7"}
        eventually(
            lambda: {one["name"] for one in json.loads(command(tmp_path, "list", "--json")[1])} == there, server.output
        )
        assert "never runs" not in server.output


@pytest.mark.slow
def test_the_example_reports_every_night_and_whenever_a_customer_wants(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text((EXAMPLE / "main.py").read_text() + ENDPOINTS)
    reports = tmp_path / "reports.txt"

    def lines(of: str) -> list[str]:
        return [one for one in whole_lines(reports) if one.endswith(of)]

    with serving("uvicorn --workers 2", tmp_path, REPORT_CRON="* * * * * *") as server:
        assert server.get("/subscribe/7")[0] == 200
        eventually(lambda: len(lines("all customers")) >= 3 and len(lines("customer 7")) >= 3, server.output)
        server.kill_everything()
    before = len(lines("customer 7"))
    with serving("uvicorn --workers 2", tmp_path) as server:
        # until a web worker has told of its code it ticks as it did before
        eventually(lambda: listed(server, "nightly")["when"] == "At 02:30 every day (Europe/Berlin)", server.output)
        nights = len(ticks(server, "nightly"))
        eventually(lambda: len(lines("customer 7")) >= before + 2, server.output)
        assert len(ticks(server, "nightly")) == nights, "the night is at another time now"


def test_the_doctor_says_what_never_runs(tmp_path: Path) -> None:
    findings = doctor(lay_out(tmp_path, TASKS), "main:app", "--json").document["findings"]
    found = [one["sentence"] for one in findings if one["code"] == "never-runs"]
    assert sorted(one.partition(" never")[0] for one in found) == ["schedule not from here", "schedule wants something"]


def nothing() -> None: ...


def test_one_app_of_a_process_tells_of_its_schedules_and_then_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(this.apps, "scheduling", None)
    monkeypatch.setattr(this.apps, "schedules", [(nothing, every(seconds=5))])
    first, second = Declaring(Functions()), Declaring(Functions())
    assert [len(one().schedules) for one in (first, second, first)] == [1, 0, 1]
    first.rest()
    assert [len(one().schedules) for one in (second, first)] == [1, 0]


@pytest.mark.parametrize("mode", ["inline", "manual"])
def test_in_tests_nothing_is_scheduled_but_what_could_not_be_is_refused(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from fastapi import FastAPI

    import outlast

    outlast.install(FastAPI(), url="sqlite:////nowhere/at/all.db")
    monkeypatch.setattr(this, "mode", mode)
    outlast.schedule_sync("it", outlast.every(seconds=5), deploy, Path("x"), "v1")
    assert outlast.unschedule_sync("it") is False
    with pytest.raises(outlast.NotStorable):
        outlast.schedule_sync("it", outlast.every(seconds=5), deploy, object(), "v1")  # type: ignore[arg-type]
    with pytest.raises(outlast.OptionError, match="name"):
        outlast.schedule_sync("it", outlast.every(seconds=5, name="other"), deploy, Path("x"), "v1")
