"""What commands show while tasks run: of a real server, on a real terminal."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from click.testing import CliRunner

from outlast.cli.main import cli
from tests.support.history import history_of
from tests.support.servers import Server, eventually, lay_out, serving
from tests.support.terminals import Terminal, terminal

APP = """

import outlast


def count(name: str, most: int) -> None:
    for number in outlast.track(range(most)):
        while not Path(f"{name}.{number}").exists():
            outlast.current().check()
            time.sleep(0.01)


@app.get("/count/{name}/{most}")
async def ask(name: str, most: int):
    return {"id": (await outlast.enqueue(count, name, most)).id}


async def talk(name: str) -> None:
    for number in range(2):
        while not Path(f"{name}.{number}").exists():
            await asyncio.sleep(0.01)
        print("said", number)
        outlast.current().log.info("logged %d", number)
    print("and no more", end="")


@app.get("/talk/{name}")
async def ask_talking(name: str):
    return {"id": (await outlast.enqueue(talk, name)).id}


def stumble(name: str) -> None:
    attempt = outlast.current().number
    print("try", attempt)
    if attempt < 3:
        raise ValueError(f"stumbled in {attempt}")


@app.get("/stumble")
async def ask_stumbling():
    return {"id": (await outlast.options(retries=2, backoff=0).enqueue(stumble, "it")).id}


@app.get("/fail")
async def ask_failing():
    return {"id": (await outlast.enqueue(fail, "it")).id}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving("uvicorn", lay_out(tmp_path_factory.mktemp("live"), APP)) as server:
        yield server


@contextmanager
def on_terminal(server: Server, *arguments: str) -> Iterator[Terminal]:
    with terminal(*arguments, "--url", f"sqlite:///{server.journal}") as shown:
        yield shown


def tell(server: Server, name: str, *numbers: int) -> None:
    for number in numbers:
        (server.folder / f"{name}.{number}").touch()


def test_top_shows_what_runs_sorts_it_and_leaves(server: Server) -> None:
    task = server.asked("/count/seen/4")
    tell(server, "seen", 0)
    with on_terminal(server, "top", "--every", "0.2") as screen:
        eventually(lambda: screen.shows("25%"), screen.text)
        assert f"{task} thread" in screen.text
        assert "main:count" in screen.text
        assert "web workers " in screen.text
        screen.press("n")
        tell(server, "seen", 1)
        eventually(lambda: screen.shows("50%"), screen.text)
        screen.press("q")
        eventually(lambda: screen.process.poll() is not None, "it has left")
        assert screen.process.returncode == 0
    tell(server, "seen", 2, 3)


def test_waiting_shows_a_bar_and_tells_the_end_by_its_exit_code(server: Server) -> None:
    task = server.asked("/count/waited/2")
    tell(server, "waited", 0)
    with on_terminal(server, "wait", task) as screen:
        eventually(lambda: screen.shows("50%"), screen.text)
        tell(server, "waited", 1)
        eventually(lambda: screen.process.poll() is not None, "the task has ended")
        assert screen.process.returncode == 0
        assert screen.shows("done")


def test_waiting_ends_with_the_outcome(server: Server) -> None:
    url = ["--url", f"sqlite:///{server.journal}"]
    runner = CliRunner()
    failed = runner.invoke(cli, ["wait", server.asked("/fail"), *url])
    assert (failed.exit_code, "ValueError: it fails" in failed.stdout) == (1, True)
    task = server.asked("/count/never/1")
    early = runner.invoke(cli, ["wait", task, "--timeout", "0.2", *url])
    assert (early.exit_code, early.stdout.split()[:1]) == (5, [task])
    runner.invoke(cli, ["cancel", task, *url])
    assert runner.invoke(cli, ["wait", task, *url]).exit_code == 4
    assert runner.invoke(cli, ["wait", "zzzzzzzzzzzzz", *url]).exit_code == 3


def test_tail_tells_of_one_task_until_it_has_ended_and_of_all_until_it_is_left(server: Server) -> None:
    task = server.asked("/count/told/2")
    with on_terminal(server, "tail", "--name", "count") as of_all, on_terminal(server, "tail", task) as of_one:
        eventually(lambda: of_one.shows("running") and of_all.shows("from now on"), "both follow")
        tell(server, "told", 0)
        eventually(lambda: of_one.shows("1 of 2 (50%)"), of_one.text)
        tell(server, "told", 1)
        eventually(lambda: of_one.process.poll() is not None, "it has ended")
        assert of_one.shows("done")
        other = server.asked("/count/other/1")
        tell(server, "other", 0)
        eventually(lambda: of_all.shows(f"{other} done"), of_all.text)
        assert of_all.process.poll() is None


def test_tail_tells_what_a_task_prints_and_logs_while_it_runs_and_before_its_end(server: Server) -> None:
    before = server.asked("/talk/before")
    tell(server, "before", 0)
    eventually(lambda: "logged 0" in printed(server, before), "it is in the journal")
    with on_terminal(server, "tail", "--name", "talk") as of_all, on_terminal(server, "tail", before) as of_one:
        eventually(lambda: of_one.shows(f"{before} | said 0") and of_all.shows("from now on"), "both follow")
        assert server.record(before).state == "running"
        task = server.asked("/talk/new")
        eventually(lambda: of_all.shows(f"{task} running"), of_all.text)
        for name in ("before", "new"):
            tell(server, name, 0, 1)
        eventually(lambda: of_one.process.poll() is not None, "it has ended")
        assert re.search("said 0 .* logged 0 .* said 1 .* logged 1 .* and no more .* done", of_one.text)
        eventually(lambda: of_all.shows(f"{task} done") and of_all.shows(f"{before} done"), of_all.text)
        assert f"{task} | said 0" in of_all.text
        assert f"{before} | said 1" in of_all.text
        assert f"{before} | said 0" not in of_all.text, "that was there before"


def test_tail_leaves_out_no_attempt_that_has_ended_between_two_looks(server: Server) -> None:
    with on_terminal(server, "tail", "--name", "stumble") as screen:
        eventually(lambda: screen.shows("from now on"), screen.text)
        task = server.asked("/stumble")
        eventually(lambda: screen.shows(f"{task} done"), screen.text)
        assert re.search(r"\| try 1 .*stumbled in 1.* \| try 2 .*stumbled in 2.* \| try 3 .* done", screen.text)
        assert [screen.text.count(f"| try {attempt}") for attempt in (1, 2, 3)] == [1, 1, 1]


def printed(server: Server, task: str) -> str:
    return "".join(one.text for one in history_of(server.journal).logs_of(task))
