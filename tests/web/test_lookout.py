"""One looks into the journal for all who wait: what they are told, and what becomes of those who leave."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import pytest

from outlast.errors import JournalUnusable, TaskNotFound
from outlast.journal.engines import open_history, open_journal
from outlast.journal.read import History, Standing
from outlast.journal.turn import RunnersJournal
from outlast.tasks.task import State
from outlast.web.lookout import Lookout, Question
from tests.journal.test_contract import add, enter, new_task
from tests.support.servers import eventually
from tests.support.turns import claim, done, opened, settle

NAME = "outlast-lookout"
PATIENCE = 20.0  # seconds


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[RunnersJournal]:
    journal = opened(f"sqlite:///{tmp_path / 'journal.db'}")
    journal.open()
    yield journal
    journal.close()


@pytest.fixture
def lookout(tmp_path: Path) -> Lookout:
    return Lookout(lambda: history_in(tmp_path))


def history_in(folder: Path) -> History:
    return open_history(f"sqlite:///{folder / 'journal.db'}")


def waiting(journal: RunnersJournal) -> int:
    (task,) = add(journal, enter(journal, "web"), new_task(State.WAITING))
    return task


def finish(journal: RunnersJournal, result: str = '{"result":1}') -> None:
    for one in claim(journal, enter(journal, "runner")):
        settle(journal, done(one)._replace(result=result))


def told(answer: Future[Standing]) -> tuple[str, object]:
    standing = answer.result(PATIENCE)
    return standing.record.state, standing.result


def test_a_look_is_answered_at_once_and_a_wait_at_the_end(journal: RunnersJournal, lookout: Lookout) -> None:
    task = waiting(journal)
    waits = [lookout.ask(Question(task, for_end=True)) for _ in range(100)]
    assert told(lookout.ask(Question(task))) == ("waiting", None)
    assert not any(one.done() for one in waits)
    finish(journal)
    assert {told(one) for one in waits} == {("done", '{"result":1}')}
    assert told(lookout.ask(Question(task, for_end=True))) == ("done", '{"result":1}')


def test_what_is_deleted_meanwhile_is_not_waited_for_any_longer(journal: RunnersJournal, lookout: Lookout) -> None:
    task = waiting(journal)
    answer = lookout.ask(Question(task, for_end=True))
    assert told(lookout.ask(Question(task))) == ("waiting", None)
    with journal.transaction():
        journal.tasks.cancel([task])
        journal.tasks.delete([task])
    with pytest.raises(TaskNotFound):
        answer.result(PATIENCE)


def test_who_leaves_disturbs_nobody(journal: RunnersJournal, lookout: Lookout) -> None:
    task = waiting(journal)
    leaves, stays = (lookout.ask(Question(task, for_end=True)) for _ in range(2))
    assert told(lookout.ask(Question(task))) == ("waiting", None)
    assert leaves.cancel()
    finish(journal)
    assert told(stays)[0] == "done"


def test_another_journal_at_the_path_is_looked_into(tmp_path: Path, lookout: Lookout) -> None:
    first, second = (open_journal(f"sqlite:///{tmp_path / name}") for name in ("journal.db", "other.db"))
    first.open()
    task = waiting(first)
    with second.transaction():
        second.tasks.add([new_task(State.WAITING)._replace(id=task)], 0)
    answer = lookout.ask(Question(task, for_end=True))
    assert told(lookout.ask(Question(task))) == ("waiting", None)
    finish(second)
    first.close()
    second.close()
    for side in ("-wal", "-shm"):
        (tmp_path / f"journal.db{side}").unlink(missing_ok=True)
    for side in ("-wal", "-shm", ""):  # at no moment is there none
        if (tmp_path / f"other.db{side}").exists():
            (tmp_path / f"other.db{side}").replace(tmp_path / f"journal.db{side}")
    assert told(answer)[0] == "done"


def test_without_a_journal_no_task_is_known_and_then_it_is(tmp_path: Path, lookout: Lookout) -> None:
    with pytest.raises(TaskNotFound, match="there is no journal yet"):
        lookout.ask(Question(5, for_end=True)).result(PATIENCE)
    journal = open_journal(f"sqlite:///{tmp_path / 'journal.db'}")
    journal.open()
    assert told(lookout.ask(Question(waiting(journal)))) == ("waiting", None)
    journal.close()


def test_a_journal_that_cannot_be_read_is_told_to_all(tmp_path: Path, lookout: Lookout) -> None:
    (tmp_path / "journal.db").write_bytes(b"no journal" * 1000)
    answers = [lookout.ask(Question(number, for_end=True)) for number in range(3)]
    for one in answers:
        with pytest.raises(JournalUnusable):
            one.result(PATIENCE)


def test_the_thread_goes_when_nobody_waits(journal: RunnersJournal, lookout: Lookout) -> None:
    assert told(lookout.ask(Question(waiting(journal)))) == ("waiting", None)
    eventually(lambda: NAME not in [one.name for one in threading.enumerate()], "it has gone")
    assert told(lookout.ask(Question(waiting(journal)))) == ("waiting", None)


def test_a_forked_process_has_a_lookout_of_its_own(journal: RunnersJournal, lookout: Lookout) -> None:
    task = waiting(journal)
    answer = lookout.ask(Question(task, for_end=True))
    assert told(lookout.ask(Question(task))) == ("waiting", None)
    if not (pid := os.fork()):
        found = lookout.ask(Question(task)).exception(PATIENCE)
        os._exit(0 if found is None else 1)
    assert os.waitpid(pid, 0)[1] == 0
    finish(journal)
    assert told(answer)[0] == "done"
