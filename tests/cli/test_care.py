"""`outlast db`, `config`, `completion`, and what asks before it does much."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import apsw
import pytest
from click.shell_completion import ShellComplete

from outlast.cli.main import cli
from outlast.journal.engines import open_care
from outlast.journal.sqlite.schema import SCHEMA_VERSION
from outlast.journal.turn import Retention, Turn
from tests.cli.test_cli import on_a_terminal, run
from tests.support.history import history_of
from tests.support.servers import eventually
from tests.support.terminals import terminal
from tests.support.turns import opened

JOURNAL = Path(".outlast/journal.db")


def test_a_journal_that_is_well_says_so(ids: list[str]) -> None:
    checked = run("db", "check")
    assert (checked.exit_code, checked.stdout.splitlines()[-1]) == (0, "the journal is well")
    found = json.loads(run("db", "check", "--json").stdout)
    assert (found["version"], found["faults"]) == (SCHEMA_VERSION, [])
    assert found["size"] > 0


def test_a_journal_that_is_damaged_says_so(ids: list[str]) -> None:
    with JOURNAL.open("r+b") as file:
        file.seek(3 * 4096)
        file.write(os.urandom(8 * 4096))
    for side in ("-wal", "-shm"):
        Path(f"{JOURNAL}{side}").unlink(missing_ok=True)
    checked = run("db", "check")
    assert checked.exit_code == 1
    assert "the journal is well" not in checked.output


def test_a_backup_is_whole_private_and_overwrites_nothing(ids: list[str]) -> None:
    writer = opened("sqlite:///.outlast/journal.db")
    writer.open()
    assert run("db", "backup", "copy.db").exit_code == 0
    writer.close()
    copy = Path("copy.db")
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert [one.id for one in history_of(copy).tasks()] == ids[::-1]
    before = copy.read_bytes()
    again = run("db", "backup", "copy.db")
    assert (again.exit_code, "no backup was made at copy.db: File exists" in again.stderr) == (1, True)
    assert copy.read_bytes() == before
    assert run("db", "check", "--url", "sqlite:///copy.db").exit_code == 0


def test_a_backup_that_fails_leaves_nothing(ids: list[str]) -> None:
    JOURNAL.write_bytes(b"no journal" * 1000)
    assert run("db", "backup", "copy.db").exit_code == 1
    assert not Path("copy.db").exists()


def test_an_export_has_each_task_on_a_line_the_oldest_first(ids: list[str]) -> None:
    lines = [json.loads(line) for line in run("db", "export").stdout.splitlines()]
    assert [one["id"] for one in lines] == ids
    assert [one["id"] for one in map(json.loads, run("db", "export", "--state", "failed").stdout.splitlines())] == ids[
        :1
    ]


def test_what_is_past_keeping_is_forgotten_and_its_room_given_back(
    ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OUTLAST_KEEP_DONE", "0")
    pruned = run("db", "prune", "--yes")
    assert (pruned.exit_code, [one.state for one in history_of(JOURNAL).tasks()]) == (0, ["waiting"])
    connection = apsw.Connection(str(JOURNAL))
    connection.execute("CREATE TABLE large AS SELECT randomblob(1000000) AS it; DROP TABLE large")
    connection.close()
    before = json.loads(run("db", "check", "--json").stdout)
    assert run("db", "vacuum", "--yes").exit_code == 0
    after = json.loads(run("db", "check", "--json").stdout)
    assert before["free"] > 900_000
    assert (after["free"], after["size"] < before["size"] - 900_000) == (0, True)
    assert [one.id for one in history_of(JOURNAL).tasks()] == ids[2:]


NEVER = Retention(done=1e10, count=10, failed=1e10)  # past keeping are tasks of 1970 not, then


@pytest.mark.parametrize(
    ("options", "left"),
    [
        ([], ["waiting", "done", "failed"]),
        (["--keep-done", "60"], ["waiting", "failed"]),
        (["--keep-done-count", "0"], ["waiting", "failed"]),
        (["--keep-failed", "60"], ["waiting", "done"]),
    ],
)
def test_by_hand_is_kept_what_the_app_keeps_unless_it_is_said(
    ids: list[str], monkeypatch: pytest.MonkeyPatch, options: list[str], left: list[str]
) -> None:
    with closing(opened("sqlite:///.outlast/journal.db")) as journal:
        journal.turn(Turn(1, keep=NEVER))
    monkeypatch.setenv("OUTLAST_KEEP_FAILED", "0")
    for _ in range(2):
        pruned = run("db", "prune", "--yes", *options)
        assert "as the newest server keeps them" in pruned.stderr
        assert [one.state for one in history_of(JOURNAL).tasks()] == left
    assert open_care("sqlite:///.outlast/journal.db").retention() == NEVER, "options are for once"


def test_before_a_server_has_told_what_it_keeps_that_is_said_with_times_that_people_say(ids: list[str]) -> None:
    refused = run("db", "prune", "--keep-failed", "5400").stderr
    assert "done tasks that ended over 1 day ago or are not among the newest 100 000" in refused
    assert "others that ended over 1.5 hours ago (by the settings here: no server has told its own yet)" in refused


@pytest.mark.parametrize(
    "command",
    [
        ("retry", "--state", "failed"),
        ("delete", "--state", "done"),
        ("cancel", "--state", "waiting"),
        ("db", "prune"),
        ("db", "vacuum"),
    ],
)
def test_what_does_much_asks_and_else_does_nothing(ids: list[str], command: tuple[str, ...]) -> None:
    before = [(one.id, one.state) for one in history_of(JOURNAL).tasks()]
    refused = run(*command)
    assert (refused.exit_code, "say --yes" in refused.stderr) == (2, True)
    assert [(one.id, one.state) for one in history_of(JOURNAL).tasks()] == before
    assert run(*command, "--yes").exit_code == 0


@pytest.mark.parametrize(("answer", "ends", "state"), [("y", 0, "waiting"), ("n", 1, "failed")])
def test_who_sits_at_a_terminal_is_asked(ids: list[str], answer: str, ends: int, state: str) -> None:
    with terminal("retry", "--state", "failed") as screen:
        eventually(lambda: screen.shows("Retry 1 task? [y/N]"), screen.text)
        screen.press(f"{answer}\n")
        eventually(lambda: screen.process.poll() is not None, "it has ended")
        assert screen.process.returncode == ends, screen.text
    assert history_of(JOURNAL).task(ids[0]).state == state


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_the_name_of_a_queue_that_nobody_knows_is_doubted(ids: list[str], verb: str) -> None:
    assert "if you mean another one, no queue is known yet" in run("queue", "pause", "mail").stderr
    doubted = run("queue", verb, "mial")
    assert doubted.exit_code == 0
    assert "nothing is in queue 'mial', and no server has limits for it" in doubted.stderr
    assert doubted.stderr.endswith("those that are known are 'mail'\n")
    assert "nothing is in" not in run("queue", verb, "mail").stderr


def test_ctrl_c_at_a_question_is_ctrl_c(ids: list[str]) -> None:
    with terminal("retry", "--state", "failed") as screen:
        eventually(lambda: screen.shows("Retry 1 task? [y/N]"), screen.text)
        screen.process.send_signal(signal.SIGINT)
        eventually(lambda: screen.process.poll() is not None, "it has ended")
        assert screen.process.returncode == 130, screen.text
    assert history_of(JOURNAL).task(ids[0]).state == "failed"


def test_all_that_wait_are_cancelled_at_once(ids: list[str]) -> None:
    cancelled = run("cancel", "--state", "waiting", "--name", "other", "--yes")
    assert (cancelled.exit_code, cancelled.stdout.split()[:2]) == (0, [ids[2], "cancelled"])
    assert run("cancel").exit_code == 2


def test_each_setting_is_shown_with_where_it_comes_from(ids: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    Path("pyproject.toml").write_text("[tool.outlast]\ngrace = 3\nlinger = 4\n")
    monkeypatch.setenv("OUTLAST_LINGER", "5")
    found = json.loads(run("config", "--json", "--url", "sqlite:///other.db").stdout)
    assert found["grace"] == {"value": 3.0, "origin": "pyproject.toml"}
    assert found["linger"] == {"value": 5.0, "origin": "OUTLAST_LINGER"}
    assert found["url"] == {"value": "sqlite:///other.db", "origin": "argument"}
    assert found["spares"]["origin"] == "default"
    lines = run("config").stdout.splitlines()
    assert ["linger", "5.0", "OUTLAST_LINGER"] in [line.split() for line in lines]


@pytest.mark.parametrize("command", ["config", "top"])
@pytest.mark.parametrize("columns", [80, 120])
def test_a_page_fits_its_terminal(ids: list[str], command: str, columns: int) -> None:
    once = ["--once"] if command == "top" else []
    assert max(map(len, on_a_terminal(columns, command, *once).splitlines())) <= columns + 20  # colours


def test_a_shell_completes_commands(ids: list[str]) -> None:
    script = run("completion", "bash").stdout
    asked = 'COMP_WORDS=(outlast db ba); COMP_CWORD=2; _outlast_completion "$PROGRAM"; echo "${COMPREPLY[@]}"'
    environment = {**os.environ, "PROGRAM": str(Path(sys.executable).with_name("outlast"))}
    command = ["bash", "-c", f"{script}\n{asked}"]
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert found.stdout.split() == ["backup"], found.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script(shell: str) -> None:
    assert f"_OUTLAST_COMPLETE={shell}_complete" in run("completion", shell).stdout


def test_a_shell_completes_what_is_in_the_journal(ids: list[str]) -> None:
    with closing(opened("sqlite:///.outlast/journal.db")) as journal, journal.transaction():
        journal.queues.pause("mail")
    assert offered("show", ids[0][:-1]) == [one for one in ids[::-1] if one.startswith(ids[0][:-1])]
    assert offered("retry", ids[1], word=ids[0]) == [ids[0]]
    assert offered("queue", "resume", "m") == ["mail"]
    assert offered("schedule", "run", "") == []
    assert offered("show", "--url", "sqlite:///nowhere.db", word="") == []


def offered(*words: str, word: str | None = None) -> list[str]:
    """What a shell offers for the last word of a command."""
    *before, last = (*words, word) if word is not None else words
    found = ShellComplete(cli, {}, "outlast", "_OUTLAST_COMPLETE").get_completions(before, last)
    return [one.value for one in found]
