"""`outlast repeat`: a new task that asks for what another one has asked for, or the sentence why there is none."""

from __future__ import annotations

from click.testing import CliRunner, Result

from outlast.cli.main import cli
from outlast.ids import shown
from outlast.journal.contract import ProcessEntry
from outlast.journal.engines import open_history
from outlast.tasks.ids import TaskIds
from outlast.tasks.sequel import Gets
from outlast.tasks.task import End, Lane, NewTask, Sequel, Settlement, State
from tests.support.turns import claim, opened, settle

URL = "sqlite:///.outlast/journal.db"


def repeat(task: str) -> Result:
    return CliRunner().invoke(cli, ["repeat", task])


def test_it_prints_the_id_of_the_new_task(ids: list[str]) -> None:
    result = repeat(ids[0])
    assert result.exit_code == 0
    new = open_history(URL).task(result.stdout.strip())
    assert (new.state, new.function, new.arguments) == ("waiting", "app:fail", '{"n":1}')
    assert open_history(URL).task(ids[0]).state == "failed"
    assert "no runner is there" in result.stderr


def test_it_says_what_does_not_run_after_the_new_task(ids: list[str]) -> None:
    numbers = TaskIds()
    head, alert = (NewTask(numbers.next(), "app:fail", "{}", Lane.LOOP, State.WAITING, 1.0, "GET /x") for _ in range(2))
    journal = opened(URL)
    with journal.transaction():
        web = journal.processes.enter(ProcessEntry("web", 4712, "here", 1.0))
        journal.tasks.add([head._replace(sequels=(Sequel(alert, (head.id,), Gets.FAILURE, ("task", "why")),))], web)
    for one in claim(journal, web, limit=9, now=2.0):
        settle(journal, Settlement(one.id, 1, End.ERROR, State.FAILED, "ValueError: no"))
    journal.close()
    result = repeat(shown(head.id))
    assert open_history(URL).task(result.stdout.strip()).then == ()
    said = "nothing runs after it, neither `then` nor `on_failure`: what the other one has for that is task"
    assert f"{said} {shown(alert.id)}" in result.stderr
    assert "nothing runs after it" not in repeat(ids[0]).stderr


def test_where_there_can_be_none_it_says_why(ids: list[str]) -> None:
    result = repeat(ids[2])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.endswith("outlast: it has not ended: waiting\n")


def test_what_is_not_there_is_not_found(ids: list[str]) -> None:
    assert repeat("0000000000000").exit_code == 3
