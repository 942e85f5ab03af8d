"""`outlast list`, `show`, `status`: what they print, what they exit with, what they do not import."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from outlast.cli.main import cli
from outlast.journal.contract import ProcessEntry
from outlast.tasks.ids import TaskIds
from outlast.tasks.task import NO_OPTIONS, End, Lane, NewTask, Settlement, State
from tests.support.strangers import NOBODY, needs_root
from tests.support.turns import claim, opened, settle

NOT_FOUND = 3


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def test_list_shows_the_newest_first(ids: list[str]) -> None:
    header, *lines = run("list").stdout.splitlines()
    assert header.split() == ["ID", "STATE", "LANE", "ADDED", "TOOK", "FUNCTION,", "REASON"]
    assert [line.split()[:2] for line in lines] == [[ids[2], "waiting"], [ids[1], "done"], [ids[0], "failed"]]
    assert lines[2].endswith("1.00 s  app:fail  ValueError: no")
    assert re.search(r" loop +1970-01-01 \d\d:\d\d:\d\d [+-]\d{4} ", lines[2]), "lane, time, zone"
    assert " - " in lines[0], "what has not begun takes no time"


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        (["--state", "failed"], [0]),
        (["--state", "failed", "--state", "done"], [1, 0]),
        (["--name", "other"], [2]),
        (["--key", "invoice-42"], [1]),
        (["--key", "invoice"], []),
        (["--limit", "1"], [2]),
        (["--state", "held"], []),
    ],
)
def test_list_can_be_narrowed(ids: list[str], options: list[str], kept: list[int]) -> None:
    found = json.loads(run("list", "--json", *options).stdout)
    assert [one["id"] for one in found] == [ids[number] for number in kept]


def test_what_another_task_has_the_key_of_is_not_retried_and_says_why(ids: list[str]) -> None:
    journal = opened("sqlite:///.outlast/journal.db")
    again = NewTask(TaskIds().next(), "app:ok", "{}", Lane.LOOP, State.WAITING, 9.0, "GET /x")
    with journal.transaction():
        assert journal.tasks.add([again._replace(options=replace(NO_OPTIONS, key="invoice-42"))], 1) == {}
    journal.close()
    refused = run("retry", ids[1])
    assert refused.exit_code == 1
    assert "another task has its key, and has not ended" in refused.output


def test_show_tells_the_key(ids: list[str]) -> None:
    assert "key        invoice-42" in run("show", ids[1]).stdout.splitlines()
    assert "key " not in run("show", ids[0]).stdout


def test_show_tells_all_that_happened(ids: list[str]) -> None:
    page = run("show", ids[0]).stdout
    for words in (
        "app:fail",
        '{"n":1}',
        "GET /x",
        "attempt 1 started",
        "attempt 1 error after 1.00 s: ValueError: no",
        "Traceback",
    ):
        assert words in page


def test_show_as_json_has_the_events(ids: list[str]) -> None:
    found = json.loads(run("show", "--json", ids[0]).stdout)
    assert (found["state"], found["attempt"]) == ("failed", 1)
    assert [event["kind"] for event in found["events"]] == ["started", "error"]


def test_an_id_may_be_shortened_as_long_as_it_is_unique(ids: list[str]) -> None:
    ambiguous = run("show", ids[0][:1])
    assert (ambiguous.exit_code, "more than one" in ambiguous.stderr) == (NOT_FOUND, True)
    shortest = next(ids[0][:n] for n in range(1, 14) if sum(one.startswith(ids[0][:n]) for one in ids) == 1)
    assert run("show", shortest).exit_code == 0


@pytest.mark.parametrize("unknown", ["zzzzzzzzzzzzz", "not an id", "0"])
def test_an_unknown_id_is_exit_code_3(ids: list[str], unknown: str) -> None:
    result = run("show", unknown)
    assert result.exit_code == NOT_FOUND
    assert unknown in result.stderr


@needs_root
@pytest.mark.parametrize("command", ["status", "list", "explain"])
def test_a_folder_that_this_user_may_not_enter_is_a_sentence(
    ids: list[str], command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{Path('.outlast/journal.db').absolute()}"
    monkeypatch.chdir("/")
    os.seteuid(NOBODY)
    try:
        told = run(command, "--url", url)
    finally:
        os.seteuid(0)
    assert (told.exit_code, told.stdout) == (1, "")
    assert "cannot be opened: Permission denied. Its folder" in told.stderr


def test_status_counts(ids: list[str]) -> None:
    found = json.loads(run("status", "--json").stdout)
    assert found["counts"] == {
        "held": 0,
        "waiting": 1,
        "running": 0,
        "done": 1,
        "failed": 1,
        "cancelled": 0,
        "dropped": 0,
        "parked": 0,
    }
    assert found["processes"] == [], "the one that has not said good-bye does not live"
    assert "oldest waiting task" in run("status").stdout


def test_one_that_was_cut_and_waits_takes_no_time_and_a_follower_is_not_the_oldest(ids: list[str]) -> None:
    journal = opened("sqlite:///.outlast/journal.db")
    numbers = TaskIds()
    first, second = numbers.next(), numbers.next()
    tasks = [NewTask(one, "app:long", "{}", Lane.LOOP, State.WAITING, 1.0, "GET /x") for one in (first, second)]
    with journal.transaction():
        web = journal.processes.enter(ProcessEntry("web", 4711, "here", 1.0))
        journal.tasks.add([tasks[0], tasks[1]._replace(follows=first)], web)
    claimed = [one for one in claim(journal, web) if one.id != first]
    settle(journal, *(Settlement(one.id, 1, End.INTERRUPTED, State.WAITING, "cut") for one in claimed))
    journal.close()
    summary = json.loads(run("status", "--json").stdout)
    assert (summary["counts"]["waiting"], summary["oldest_waiting"] is None) == (2, False)
    cut = next(line for line in run("list").stdout.splitlines() if line.startswith(ids[2]))
    assert cut.split()[6] == "-"


def test_there_is_no_json_in_strings(ids: list[str]) -> None:
    for found in (json.loads(run("list", "--json").stdout)[-1], json.loads(run("show", "--json", ids[0]).stdout)):
        assert found["arguments"] == {"n": 1}
    assert found["events"][-1]["seconds"] == 1.0


@pytest.mark.parametrize("command", [["list"], ["show"], ["status"], ["explain"]])
def test_what_json_has_is_documented(ids: list[str], command: list[str]) -> None:
    found = json.loads(run(*command, "--json", *(ids[:1] * (command == ["show"]))).stdout)
    one = found[0] if isinstance(found, list) and found else found
    known = run(*command, "--help").stdout + run("list", "--help").stdout * (command == ["show"])
    assert [name for name in one if name not in known] in ([], ["blocked"])


def test_the_journal_that_was_read_is_named_on_stderr(ids: list[str], tmp_path: Path) -> None:
    assert str(tmp_path / ".outlast" / "journal.db") in run("status").stderr


def test_no_journal_is_a_sentence_and_exit_code_1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OUTLAST_URL", raising=False)
    result = run("status")
    assert result.exit_code == 1
    assert "there is no journal" in result.stderr
    assert not (tmp_path / ".outlast").exists(), "reading makes nothing"


def test_a_file_that_is_no_journal_is_a_sentence(tmp_path: Path) -> None:
    noise = tmp_path / "journal.db"
    noise.write_bytes(b"\x07" * 8192)
    result = run("status", "--url", f"sqlite:///{noise}")
    assert (result.exit_code, "cannot be read" in result.stderr) == (1, True)


def test_an_unknown_option_is_exit_code_2(ids: list[str]) -> None:
    assert run("list", "--sate", "done").exit_code == 2


def test_status_imports_neither_the_app_nor_a_framework(ids: list[str]) -> None:
    program = (
        "import sys; from outlast.cli.main import cli; cli(['status'], standalone_mode=False); print(*sys.modules)"
    )
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert not {"fastapi", "starlette", "pydantic", "rich", "asyncio"} & set(loaded)


def on_a_terminal(columns: int, *arguments: str) -> str:
    """What a command prints where it takes its output for a terminal."""
    ours, theirs = pty.openpty()
    program = Path(sys.executable).with_name("outlast")
    environment = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm-256color"}
    environment.pop("NO_COLOR", None)
    with subprocess.Popen([program, *arguments], stdout=theirs, stderr=subprocess.DEVNULL, env=environment):
        os.close(theirs)
        printed = b""
        while piece := _piece(ours):
            printed += piece
    os.close(ours)
    return printed.decode().replace("\r\n", "\n")


def _piece(terminal: int) -> bytes:
    try:
        return os.read(terminal, 1 << 16)
    except OSError:  # the other side is closed
        return b""


@pytest.mark.parametrize("command", ["list", "show", "status"])
def test_a_terminal_cuts_no_word_and_shows_states_in_colours(ids: list[str], command: str) -> None:
    arguments = [command, *(ids[:1] * (command == "show"))]
    printed = on_a_terminal(80, *arguments)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", printed)
    assert ("\x1b[" in printed) is (command != "status")
    assert max(map(len, plain.splitlines())) <= 80
    assert words(plain) == words(run(*arguments).stdout)


def words(text: str) -> list[str]:
    return [one for one in text.split() if "." not in one]  # seconds go on between two looks
