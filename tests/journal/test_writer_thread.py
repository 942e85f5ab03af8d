"""The life of the writer's thread: closed beside who stores, forked beside it, met by what nobody foresaw."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import apsw
import pytest

from outlast.errors import StoreFailed
from outlast.journal.contract import ANY_NUMBER, Journal, ProcessEntry
from outlast.journal.sqlite.journal import SqliteJournal
from outlast.journal.sqlite.tasks import SqliteTasks
from outlast.journal.submissions import Submission
from outlast.journal.writer import Writer
from outlast.system.deployment import NO_HOME, Home
from outlast.tasks.ids import TaskIds
from outlast.tasks.task import Lane, NewTask, State
from tests.support.history import history_of
from tests.support.servers import PATIENCE, eventually

IDS = TaskIds()
DEADLINE = 10.0  # seconds
MORE_THAN_THERE_IS = 1 << 50  # bytes of stack: the system gives no such thread


class FailingTasks(SqliteTasks):
    """They meet an error of a kind that nobody foresaw, where `poison` is stored or as often as `times`."""

    poison = -1
    times = 0

    def add(
        self, tasks: Iterable[NewTask], owner: int, home: Home = NO_HOME, max_waiting: Mapping[str, int] = ANY_NUMBER
    ) -> dict[int, int]:
        given = list(tasks)
        if self.times or self.poison in [one.id for one in given]:
            self.times = max(0, self.times - 1)
            raise ZeroDivisionError("nobody has thought of that")
        return super().add(given, owner, home, max_waiting)


class Failing(SqliteJournal):
    """A journal with such tasks."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.tasks: FailingTasks = FailingTasks(self.connection)


def enter(journal: Journal, known: int) -> int:
    return journal.processes.enter(ProcessEntry("web", os.getpid(), "here", 1.0), known)


def add() -> NewTask:
    return NewTask(IDS.next(), "app:send", "{}", Lane.LOOP, State.WAITING, 1.0, "")


@pytest.fixture
def journal(tmp_path: Path) -> Failing:
    return Failing(f"sqlite:///{tmp_path}/journal.db")


@pytest.fixture
def writer(journal: Failing) -> Iterator[Writer]:
    writer = Writer(journal, enter, lambda: None)
    yield writer
    writer.close()


def stored(journal: SqliteJournal) -> set[int]:
    with closing(apsw.Connection(str(journal.path))) as connection:
        return {int(one) for (one,) in connection.execute("SELECT id FROM task")}


def writers() -> list[str]:
    return [one.name for one in threading.enumerate() if one.name == "outlast-writer"]


def test_who_stores_while_another_closes_finds_it_stored(writer: Writer, journal: Failing) -> None:
    is_over = threading.Event()

    def close_again_and_again() -> None:
        while not is_over.wait(0.001):
            writer.close()

    closer = threading.Thread(target=close_again_and_again)
    closer.start()
    tasks = [add() for _ in range(400)]
    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda one: writer.store_now([one], DEADLINE), tasks))
    finally:
        is_over.set()
        closer.join()
    assert stored(journal) == {one.id for one in tasks}


def test_a_writer_that_is_closed_has_no_thread_and_stores_what_comes_late_by_one_that_goes_again(
    writer: Writer, journal: Failing
) -> None:
    first, second = add(), add()
    writer.store_now([first], DEADLINE)
    writer.close()
    assert writers() == []
    writer.store_now([second], DEADLINE)
    eventually(lambda: not writers(), "its thread is gone")
    assert stored(journal) == {first.id, second.id}


def test_what_nobody_foresaw_hurts_one_submission_of_a_batch(
    writer: Writer, journal: Failing, caplog: pytest.LogCaptureFixture
) -> None:
    good, bad = [add() for _ in range(5)], add()
    journal.tasks.poison = bad.id
    with ThreadPoolExecutor(6) as pool, locked(journal):  # so that they wait together
        given = [*good[:2], bad, *good[2:]]
        answers = {one.id: pool.submit(writer.store_now, [one], DEADLINE) for one in given}
        eventually(lambda: len(writer._desk.intake._waiting) == len(given), "all of them wait")
    for one in good:
        assert answers[one.id].result() == {}
    with pytest.raises(StoreFailed, match="ZeroDivisionError: nobody has thought of that"):
        answers[bad.id].result()
    assert caplog.text.count("did not foresee") == 1
    assert "Traceback" in caplog.text
    assert stored(journal) == {one.id for one in good}


@contextmanager
def locked(journal: SqliteJournal) -> Iterator[None]:
    """Somebody else writes."""
    journal.open()
    journal.close()
    with closing(apsw.Connection(str(journal.path))) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def test_what_was_given_up_while_somebody_else_wrote_is_not_stored(writer: Writer, journal: Failing) -> None:
    late, soon = add(), add()
    with locked(journal), pytest.raises(StoreFailed, match=r"did not take the task within 0\.3 s"):
        writer.store_now([late], 0.3)
    writer.store_now([soon], DEADLINE)
    assert stored(journal) == {soon.id}


def test_what_was_given_up_in_the_moment_of_its_storing_is_cancelled(writer: Writer, journal: Failing) -> None:
    """Nothing holds it back as long as a response lasts, so that it may run by then."""
    late = add()
    writer.store_now([late], DEADLINE)
    writer._desk.withdraw(Submission([late], written=True))
    eventually(lambda: [one.state for one in history_of(journal.path).tasks()] == ["cancelled"], "it does not run")


def test_what_nobody_waits_for_is_tried_again_after_an_error_that_nobody_foresaw(
    writer: Writer, journal: Failing
) -> None:
    journal.tasks.times = 3
    one = add()
    writer.store_soon([one])
    eventually(lambda: journal.path.exists() and one.id in stored(journal), "it is stored in the end")


def test_a_runner_that_could_not_be_told_is_told_again(journal: Failing) -> None:
    told: list[int] = []

    def tell() -> None:
        told.append(1)
        if len(told) < 3:
            raise StoreFailed("no thread can be started")

    writer = Writer(journal, enter, tell)
    writer.store_now([add()], DEADLINE)
    eventually(lambda: len(told) == 3, "until it has worked")
    writer.store_now([add()], DEADLINE)
    eventually(lambda: len(told) == 4, "then once for each store")
    writer.close()


@contextmanager
def without_threads() -> Iterator[None]:
    before = threading.stack_size(MORE_THAN_THERE_IS)
    try:
        yield
    finally:
        threading.stack_size(before)


def test_without_a_thread_whoever_waits_is_told_why_and_nothing_of_it_runs_later(
    writer: Writer, journal: Failing
) -> None:
    refused, soon, later = add(), add(), add()
    with without_threads():
        writer.store_soon([soon])
        with pytest.raises(StoreFailed, match="no thread can be started that writes to the journal: RuntimeError"):
            writer.store_now([refused], 0.3)
    writer.store_now([later], DEADLINE)
    assert stored(journal) == {soon.id, later.id}


def test_a_thread_that_comes_within_the_deadline_is_soon_enough(writer: Writer, journal: Failing) -> None:
    one = add()
    with ThreadPoolExecutor(1) as pool:
        pool.submit(int).result()  # has its thread from now on
        with without_threads():
            answer = pool.submit(writer.store_now, [one], DEADLINE)
            eventually(lambda: writer._desk.intake.refusal, "it was tried")
        assert answer.result() == {}


FORK = """
import os, sys, threading, time
import apsw
from outlast.app import Outlast
from outlast.settings.settings import Settings

def files():
    descriptors = [f"/proc/self/fd/{one}" for one in range(256)]
    links = [os.readlink(one) for one in descriptors if os.path.islink(one)]
    return [one for one in links if "journal.db" in one]

one = Outlast(Settings(url=sys.argv[1], runner="off", store_deadline=30))
one.enqueue_sync(os.getcwd)
other = apsw.Connection(one.path.as_posix()) if sys.argv[2] == "busy" else None
if other:
    other.execute("BEGIN IMMEDIATE")
    waiting = threading.Thread(target=one.enqueue_sync, args=(os.getcwd,))
    waiting.start()
    while not one.service.writer._desk.intake._waiting:
        time.sleep(0.01)
if (child := os.fork()) == 0:
    assert one.service.writer._journal.connection._connection is None
    assert one.service.membership.liveness is None
    if not other:
        assert not files(), files()
        for _ in range(20):
            one.enqueue_sync(os.getcwd)
    os._exit(0)
if other:
    other.execute("ROLLBACK")
    waiting.join()
one.enqueue_sync(os.getcwd)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.parametrize(("when", "tasks", "processes"), [("idle", 22, 2), ("busy", 3, 1)])
def test_no_connection_crosses_a_fork(tmp_path: Path, when: str, tasks: int, processes: int) -> None:
    """A fork in the middle of a transaction waits for its end, but not for ever."""
    command = [sys.executable, "-W", "ignore", "-c", FORK, f"sqlite:///{tmp_path}/journal.db", when]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60 * PATIENCE, check=False)
    said = done.stderr.splitlines()
    assert (done.returncode, len(said)) == (0, 1) and "of this script wait" in said[0], done.stderr
    history = history_of(tmp_path / "journal.db")
    assert len(history.tasks(limit=100)) == tasks
    assert len([one for one in history.summary(0.0).processes if one.kind == "web"]) == processes
