"""Commands where no journal is, or where somebody's own database lies: they say so, and leave things as they are."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import click
import pytest

from outlast.cli.main import cli
from outlast.journal.sqlite.schema import SCHEMA_VERSION
from tests.cli.test_cli import run

SERVE = {"worker", "dashboard"}  # these go on until they are told to stop
NOT_OF_A_JOURNAL = {"config"}
ARGUMENTS = {
    **dict.fromkeys(("cancel", "retry", "delete"), ("--state", "parked")),
    **dict.fromkeys(("show", "wait", "repeat"), ("6h0f30ej7mwkw",)),
    **dict.fromkeys(("queue pause", "queue resume"), ("mail",)),
    **dict.fromkeys(("schedule run", "schedule pause", "schedule resume"), ("nightly",)),
    "db backup": ("copy.db",),
}


def commands(group: click.Group, before: tuple[str, ...] = ()) -> Iterator[list[str]]:
    """Each that asks for a journal, as somebody would type it who is sure."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command, words = group.get_command(context, name), (*before, name)
        if isinstance(command, click.Group):
            yield from commands(command, words)
        elif command and name not in SERVE | NOT_OF_A_JOURNAL:
            options = {one.name for one in command.params}
            sure = ["--yes"] * ("yes" in options)
            if "url" in options:
                yield [*words, *ARGUMENTS.get(" ".join(words), ()), *sure]


COMMANDS = list(commands(cli))
each_command = pytest.mark.parametrize("command", COMMANDS, ids=" ".join)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OUTLAST_URL", raising=False)
    tmp_path.chmod(0o700)
    return tmp_path


def database(path: Path, version: int = 0) -> bytes:
    """An app's own, with an order in it."""
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute("CREATE TABLE orders (what TEXT); INSERT INTO orders VALUES ('a lamp')")
        connection.execute("CREATE TABLE task (id INTEGER PRIMARY KEY, state TEXT, function TEXT)")
        connection.pragma("user_version", version)
    path.chmod(0o600)
    return path.read_bytes()


def test_commands_are_found() -> None:
    assert {"queue pause", "db prune", "retry", "list"} <= {
        " ".join(one[: 2 if one[0] in ("db", "queue") else 1]) for one in COMMANDS
    }


@each_command
def test_no_command_makes_a_journal(folder: Path, command: list[str]) -> None:
    asked = run(*command)
    assert not any(folder.iterdir())
    if command == ["stop"]:
        assert asked.exit_code == 0
    else:
        assert (asked.exit_code, "there is no journal at" in asked.stderr) == (1, True)


@each_command
@pytest.mark.parametrize("version", [0, SCHEMA_VERSION, SCHEMA_VERSION + 24])
def test_no_command_touches_somebodys_own_database(folder: Path, command: list[str], version: int) -> None:
    before = database(folder / "shop.db", version)
    asked = run(*command, "--url", "sqlite:///shop.db")
    assert (asked.exit_code, "shop.db is not a journal of outlast's, and is left as it is" in asked.stderr) == (1, True)
    assert (folder / "shop.db").read_bytes() == before
    assert not (folder / "copy.db").exists()


def test_a_worker_does_not_make_a_journal_of_somebodys_own_database(folder: Path) -> None:
    before = database(folder / "shop.db")
    (folder / "main.py").write_text("def send(): ...\n")
    outlast = str(Path(sys.executable).with_name("outlast"))
    command = [outlast, "worker", "--url", "sqlite:///shop.db"]
    worker = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert (worker.returncode, "is not a journal of outlast's" in worker.stderr) == (1, True)
    assert (folder / "shop.db").read_bytes() == before
