"""The file of a SQLite journal that goes away, comes back, or is another one, under one who writes to it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from outlast.errors import JournalUnusable, StoreFailed
from outlast.ids import shown
from outlast.journal.contract import Journal, ProcessEntry, Release
from outlast.journal.sqlite.journal import SqliteJournal
from outlast.journal.writer import Writer
from outlast.tasks.ids import TaskIds
from outlast.tasks.task import Claimed, Lane, NewTask, State
from tests.support.history import history_of
from tests.support.journals import SIDES, files_of, overwrite
from tests.support.servers import PATIENCE, eventually
from tests.support.turns import adopt

IDS = TaskIds()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


@pytest.fixture
def journal(path: Path) -> Iterator[SqliteJournal]:
    journal = SqliteJournal(f"sqlite:///{path}", patience=0.2)
    yield journal
    journal.close()


@pytest.fixture
def writer(journal: SqliteJournal) -> Iterator[Writer]:
    writer = Writer(journal, enter, lambda: None)
    yield writer
    writer.close()


def enter(journal: Journal, known: int) -> int:
    return journal.processes.enter(ProcessEntry("web", os.getpid(), "here", 1.0), known)


def new_task(state: State = State.HELD) -> NewTask:
    return NewTask(IDS.next(), "app:send", '{"to":1}', Lane.LOOP, state, 1.0, "GET /")


def states(path: Path) -> dict[str, str]:
    return {one.id: one.state for one in history_of(path).tasks()}


def somebody_else_writes(path: Path) -> None:
    other = SqliteJournal(f"sqlite:///{path}")
    with other.transaction():
        other.processes.enter(ProcessEntry("child", 1, "here", 1.0))
    other.close()


def lose_damaged(path: Path) -> None:
    """Noise in all that is on the disk, and nobody has it in memory; then away with it, as a person would."""
    somebody_else_writes(path)
    for file in files_of(path, ("", "-wal")):
        overwrite(file)
    for file in files_of(path):
        file.rename(f"{file}.away")


def test_what_is_held_is_still_known_to_the_journal_after_the_damaged_one(path: Path, writer: Writer) -> None:
    task = new_task()
    writer.store_now([task], 5.0)
    lose_damaged(path)
    writer.store_now([Release(task.id)], 5.0)
    assert states(path) == {shown(task.id): "waiting"}


def test_what_has_been_released_is_not_stored_a_second_time(path: Path, writer: Writer) -> None:
    task = new_task()
    writer.store_now([task], 5.0)
    writer.store_now([Release(task.id)], 5.0)
    lose_damaged(path)
    writer.store_now([], 5.0)
    assert states(path) == {}


def test_what_nobody_waits_for_is_stored_when_the_damaged_journal_has_gone(path: Path, writer: Writer) -> None:
    writer.store_now([], 5.0)
    for file in files_of(path, ("", "-wal")):
        overwrite(file)
    task = new_task(State.WAITING)
    with pytest.raises(JournalUnusable, match=r"is damaged.*Move it away"):
        writer.store_now([new_task()], 5.0)
    writer.store_soon([task])
    for file in files_of(path):
        file.rename(f"{file}.away")
    eventually(lambda: path.exists() and states(path) == {shown(task.id): "waiting"}, "it is stored")


def test_a_process_keeps_its_number_in_the_next_journal_and_no_other_gets_it(path: Path, writer: Writer) -> None:
    writer.store_now([], 5.0)
    before = [one.id for one in history_of(path).summary(0.0).processes]
    lose_damaged(path)
    writer.store_now([], 5.0)
    somebody_else_writes(path)
    numbers = [one.id for one in history_of(path).summary(0.0).processes]
    assert numbers[:1] == before
    assert len(set(numbers)) == 2


def test_a_copy_that_is_put_in_its_place_is_used(path: Path, writer: Writer) -> None:
    old, new = new_task(), new_task()
    writer.store_now([old], 5.0)
    writer.close()
    shutil.copytree(path.parent, path.parent / "copy")
    copy = path.parent / "copy" / path.name
    writer.store_now([new_task(State.WAITING)], 5.0)
    for side in SIDES:
        Path(f"{copy}{side}").replace(f"{path}{side}")
    writer.store_now([new], 5.0)
    writer.store_now([Release(old.id)], 5.0)
    assert states(path) == {shown(old.id): "waiting", shown(new.id): "held"}


def test_attempts_in_hand_are_adopted_once_and_can_be_settled(path: Path, journal: SqliteJournal) -> None:
    attempt = Claimed(IDS.next(), 3, 1, 0, "app:send", "{}", Lane.THREAD, 5.0, None)
    with journal.transaction():
        runner = journal.processes.enter(ProcessEntry("runner", 1, "here", 1.0))
    assert [adopt(journal, runner, [attempt]) for _ in range(2)] == [1, 0]
    assert list(journal.attempts.running_of(runner)) == [attempt]


def test_who_finds_no_file_makes_none_while_somebody_has_it_open(path: Path, journal: SqliteJournal) -> None:
    journal.open()
    path.unlink()
    with pytest.raises(StoreFailed, match="who has it open"):
        SqliteJournal(f"sqlite:///{path}", patience=0.05).open()
    assert not path.exists()
    with journal.transaction():
        pass
    SqliteJournal(f"sqlite:///{path}", patience=0.05).open()


def test_who_finds_no_file_and_an_old_log_makes_a_journal_and_keeps_the_log(path: Path, journal: SqliteJournal) -> None:
    with journal.transaction():
        journal.tasks.add([new_task()], 1)
    journal.close()
    log = Path(f"{path}-wal").read_bytes()
    assert log
    path.unlink()
    with journal.transaction():
        assert journal.tasks.unfinished() == 0
    assert log in [file.read_bytes() for file in path.parent.glob("*.lost-*-wal")]


def test_an_empty_file_is_refused_and_left_as_it_is(path: Path, journal: SqliteJournal) -> None:
    path.touch()
    with pytest.raises(JournalUnusable, match="it is empty"):
        journal.open()
    assert path.stat().st_size == 0


def test_the_checkpointing_one_leaves_all_in_the_file(path: Path) -> None:
    runner = SqliteJournal(f"sqlite:///{path}", checkpoints=True)
    with runner.transaction():
        runner.tasks.add([new_task()], 1)
    runner.close()
    assert Path(f"{path}-wal").stat().st_size == 0


RACE = """
import sys
from outlast.journal.sqlite.journal import SqliteJournal
journal = SqliteJournal(sys.argv[1])
sys.stdin.read(1)
journal.open()
print(journal.file.file, flush=True)
sys.stdin.read(1)
"""


def test_of_many_that_come_first_one_makes_the_journal(path: Path) -> None:
    command = [sys.executable, "-c", RACE, f"sqlite:///{path}"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    processes = [subprocess.Popen(command, text=True, **pipes) for _ in range(8)]  # type: ignore[call-overload]
    for process in processes:
        process.stdin.write("g")
        process.stdin.flush()
    opened = {process.stdout.readline() for process in processes}
    for process in processes:
        process.communicate("e", timeout=10 * PATIENCE)
    assert len(opened) == 1
    assert not list(path.parent.glob("*.lost-*"))
