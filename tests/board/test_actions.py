"""What may be done: to one task, to those that are selected, to all that a filter means, to failures of one kind."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.types import ASGIApp

from outlast.board import actions
from outlast.board.pages import failures
from outlast.board.said import said_in
from outlast.ids import shown
from outlast.journal.engines import open_history, open_stashed_files, open_survey
from outlast.journal.location import place_of
from outlast.settings.settings import Settings
from outlast.system.place import Place
from outlast.system.stash import Stash
from outlast.tasks.task import Lane, NewTask, State
from tests.board.asking import Answer, ask, post
from tests.board.conftest import IDS, Tasks
from tests.support.turns import claim, done, settle


def confirmed(dashboard: ASGIApp, *fields: tuple[str, str]) -> Answer:
    """Send a form as a person does: read what it asks, press the button."""
    asked = post(dashboard, "/confirm", *fields)
    assert asked.status == 200
    hidden = [(one["name"], one["value"]) for one in asked.page.all_of("input", type="hidden")]
    return post(dashboard, "/change", *hidden)


def test_a_failed_task_runs_again(tasks: Tasks, dashboard: ASGIApp) -> None:
    (failed,) = tasks.fail("app:send")
    answer = post(dashboard, "/change", ("verb", "retry"), ("task", failed), ("on", "task"))
    assert (answer.status, answer.headers["location"]) == (303, f"/tasks/{failed}?said=retried-1-0")
    assert tasks.states([failed]) == ["waiting"]
    assert "1 task retried" in ask(dashboard, answer.headers["location"]).page.said


def test_a_task_that_waits_is_cancelled(tasks: Tasks, dashboard: ASGIApp) -> None:
    (waiting,) = tasks.add("app:send")
    post(dashboard, "/change", ("verb", "cancel"), ("task", waiting), ("on", "task"))
    assert tasks.states([waiting]) == ["cancelled"]


def test_a_task_that_is_deleted_is_gone_and_so_is_its_page(tasks: Tasks, dashboard: ASGIApp) -> None:
    (failed,) = tasks.fail("app:send")
    answer = confirmed(dashboard, ("verb", "delete"), ("task", failed), ("on", "task"))
    assert answer.headers["location"] == "/tasks?said=deleted-1-0"
    assert tasks.states([failed]) == [""]


def test_what_cannot_be_done_is_counted(tasks: Tasks, dashboard: ASGIApp) -> None:
    (waiting,) = tasks.add("app:send")
    answer = post(dashboard, "/change", ("verb", "delete"), ("task", waiting), ("on", "task"))
    assert "0 tasks deleted, 1 not" in ask(dashboard, answer.headers["location"]).page.said
    assert tasks.states([waiting]) == ["waiting"]


def test_those_that_are_selected_are_changed_and_the_filter_stays(tasks: Tasks, dashboard: ASGIApp) -> None:
    one, two, three = tasks.fail(*["app:send"] * 3)
    chosen = [("task", one), ("task", three), ("task", one), ("task", "zz"), ("task", "0" * 13)]
    answer = confirmed(dashboard, ("verb", "retry"), ("scope", "selected"), ("name", "app:"), *chosen)
    assert tasks.states([one, two, three]) == ["waiting", "failed", "waiting"]
    assert answer.headers["location"] == "/tasks?name=app%3A&said=retried-2-1"


def test_the_question_has_the_number(tasks: Tasks, dashboard: ASGIApp) -> None:
    tasks.fail(*["app:send"] * 3)
    tasks.fail("app:other")
    page = post(dashboard, "/confirm", ("verb", "retry"), ("scope", "all"), ("state", "failed"), ("name", "send")).page
    assert "Run again: 3 tasks" in page.said
    assert "failed, whose function has send in it" in page.said


def test_all_that_a_filter_means_are_changed(tasks: Tasks, dashboard: ASGIApp) -> None:
    ids = tasks.fail(*["app:send"] * 60)
    (other,) = tasks.fail("app:other")
    confirmed(dashboard, ("verb", "retry"), ("scope", "all"), ("state", "failed"), ("name", "send"))
    assert set(tasks.states(ids)) == {"waiting"}, "not only those of the page"
    assert tasks.states([other]) == ["failed"]


def test_of_too_many_the_newest_are_changed_and_it_is_said(
    tasks: Tasks, dashboard: ASGIApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "MOST_AT_ONCE", 2)
    ids = tasks.fail(*["app:send"] * 3)
    fields = (("verb", "delete"), ("scope", "all"), ("state", "failed"))
    page = post(dashboard, "/confirm", *fields).page
    assert "Delete: 2 tasks" in page.said
    assert "There may be more" in page.said
    confirmed(dashboard, *fields)
    assert tasks.states(ids) == ["failed", "", ""]


def test_failures_of_one_kind_run_again(tasks: Tasks, dashboard: ASGIApp) -> None:
    ids = tasks.fail(*["app:send"] * 3)
    (other,) = tasks.fail("app:send", reason="KeyError: 'to'")
    page = ask(dashboard, "/failures").page
    marks = [one["value"] for one in page.all_of("input", name="group")]
    assert len(marks) == 2
    answer = confirmed(dashboard, ("verb", "retry"), ("group", marks[1]), ("on", "failures"))
    assert tasks.states([*ids, other]) == ["waiting"] * 3 + ["failed"]
    assert answer.headers["location"] == "/failures?said=retried-3-0"


def test_it_is_said_that_there_may_be_more_failures_of_a_kind(
    tasks: Tasks, dashboard: ASGIApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks.fail(*["app:send"] * 3)
    for most, are_all in ((2, False), (4, True)):
        monkeypatch.setattr(actions, "MOST_LOOKED_AT", most)
        monkeypatch.setattr(failures, "MOST_LOOKED_AT", most)
        page = ask(dashboard, "/failures").page
        assert ("Run all again Delete all" in page.said) is are_all
        assert ("there may be more of each kind" in page.said) is not are_all
        mark = page.all_of("input", name="group")[0]["value"]
        asked = post(dashboard, "/confirm", ("verb", "delete"), ("group", mark), ("on", "failures")).page.said
        assert f"Delete: {min(most, 3)} tasks" in asked
        assert (f"There may be more: these are among the {most} tasks that have failed last." in asked) is not are_all


def test_a_kind_that_is_not_there_any_more_changes_nothing(tasks: Tasks, dashboard: ASGIApp) -> None:
    ids = tasks.fail("app:send")
    page = post(dashboard, "/confirm", ("verb", "delete"), ("group", "0" * 16), ("on", "failures")).page
    assert "Delete: 0 tasks" in page.said
    assert not page.all_of("input", name="verb")
    assert tasks.states(ids) == ["failed"]


def test_what_has_come_since_the_question_is_not_changed(tasks: Tasks, dashboard: ASGIApp) -> None:
    ids = tasks.fail(*["app:send"] * 2)
    fields = (("verb", "delete"), ("scope", "all"), ("state", "failed"))
    asked = post(dashboard, "/confirm", *fields).page
    (later,) = tasks.fail("app:send")
    hidden = [(one["name"], one["value"]) for one in asked.all_of("input", type="hidden")]
    answer = post(dashboard, "/change", *hidden)
    assert answer.headers["location"] == "/tasks?state=failed&said=deleted-2-0"
    assert tasks.states([*ids, later]) == ["", "", "failed"]


def test_a_filter_changes_nothing_without_a_question(tasks: Tasks, dashboard: ASGIApp) -> None:
    ids = tasks.fail("app:send")
    for more in (("scope", "all"), ("group", "0" * 16)):
        post(dashboard, "/change", ("verb", "delete"), more, ("state", "failed"))
    assert tasks.states(ids) == ["failed"]


def test_without_a_selection_there_is_nothing_to_do(tasks: Tasks, dashboard: ASGIApp) -> None:
    tasks.fail("app:send")
    page = post(dashboard, "/confirm", ("verb", "delete"), ("scope", "selected")).page
    assert "Delete: 0 tasks" in page.said
    assert not page.all_of("input", name="verb")


def test_a_task_is_asked_for_once_more_as_a_new_one(tasks: Tasks, dashboard: ASGIApp) -> None:
    (failed,) = tasks.fail("app:send")
    answer = post(dashboard, "/repeat", ("task", failed))
    new = answer.headers["location"].partition("?")[0].rpartition("/")[2]
    assert answer.status == 303
    assert new != failed
    assert tasks.states([failed, new]) == ["failed", "waiting"]
    assert tasks.record(new).arguments == tasks.record(failed).arguments
    said = ask(dashboard, answer.headers["location"]).page.said
    assert f"This is a new task, with the arguments and options of task {failed}" in said
    assert f"somebody who has repeated task {failed}" in said
    assert f"repeated : task {new} has its arguments" in ask(dashboard, f"/tasks/{failed}").page.said


def test_where_there_can_be_no_second_one_the_reason_is_said(tasks: Tasks, dashboard: ASGIApp) -> None:
    (first,) = tasks.add("app:send", key="order-7")
    (claimed,) = claim(tasks.journal, tasks.runner)
    settle(tasks.journal, done(claimed))
    (holder,) = tasks.add("app:send", key="order-7")
    answer = post(dashboard, "/repeat", ("task", first))
    assert answer.status == 409
    assert f"There is no new task like this one: task {holder} has its key, and has not ended" in answer.page.said
    assert not answer.page.all_of("form", **{"class": "pace with-script"}), (
        "to ask for this page again would change something"
    )


@pytest.mark.parametrize("fields", [[], [("task", "zz")], [("task", "0000000000000")]])
def test_what_means_no_task_makes_none(tasks: Tasks, dashboard: ASGIApp, fields: list[tuple[str, str]]) -> None:
    tasks.fail("app:send")
    assert post(dashboard, "/repeat", *fields).status in (303, 409)
    assert open_survey(tasks.url).overview(1.0).counts["waiting"] == 0


def stashed(tasks: Tasks, place: Place) -> tuple[str, Path]:
    """A task that has ended, and the file that is stashed for it."""
    stash = Stash(place)
    name, file = stash.make()
    file.close()
    new = NewTask(IDS.next(), "app:send", "{}", Lane.LOOP, State.WAITING, 1.8e9, "GET /", stashed=(name,))
    with tasks.journal.transaction():
        tasks.journal.tasks.add([new], tasks.runner)
    settle(tasks.journal, *map(done, claim(tasks.journal, tasks.runner)))
    return shown(new.id), stash.path / name


def test_a_stashed_file_is_kept_for_the_new_task(tasks: Tasks, dashboard: ASGIApp) -> None:
    task, file = stashed(tasks, place_of(Settings(url=tasks.url)))
    answer = post(dashboard, "/repeat", ("task", task))
    assert answer.status == 303
    assert open_stashed_files(tasks.url).needed([file.name]) == {file.name: True}


def test_without_its_stashed_file_there_is_no_new_task(tasks: Tasks, dashboard: ASGIApp) -> None:
    task, file = stashed(tasks, place_of(Settings(url=tasks.url)))
    file.unlink()
    answer = post(dashboard, "/repeat", ("task", task))
    assert answer.status == 409
    assert "a file that was stashed for it is not kept any more" in answer.page.said


def test_failures_of_one_kind_are_deleted_after_a_question(tasks: Tasks, dashboard: ASGIApp) -> None:
    ids = tasks.fail(*["app:send"] * 3)
    (other,) = tasks.fail("app:mail")
    mark = ask(dashboard, "/failures").page.all_of("input", name="group")[1]["value"]
    answer = confirmed(dashboard, ("verb", "delete"), ("group", mark), ("on", "failures"))
    assert answer.headers["location"] == "/failures?said=deleted-3-0"
    assert tasks.states([*ids, other]) == ["", "", "", "failed"]


@pytest.mark.parametrize(
    ("verb", "fields", "command"),
    [
        ("retry", [("scope", "all"), ("state", "failed")], "outlast retry --state failed"),
        (
            "delete",
            [("scope", "all"), ("state", "failed"), ("state", "done"), ("name", "it's; rm -rf")],
            "outlast delete --state failed --state done --name 'it'\"'\"'s; rm -rf'",
        ),
        ("cancel", [("scope", "all"), ("state", "waiting")], "outlast cancel --state waiting"),
        ("cancel", [("scope", "all"), ("state", "failed"), ("name", "nobody")], ""),
        ("retry", [("scope", "all"), ("state", "failed"), ("queue", "mails")], ""),
        ("retry", [("scope", "all"), ("state", "failed"), ("since", "1h"), ("name", "nobody")], ""),
    ],
)
def test_the_question_says_what_does_the_same_in_a_terminal(
    tasks: Tasks, dashboard: ASGIApp, verb: str, fields: list[tuple[str, str]], command: str
) -> None:
    tasks.fail("app:send")
    page = post(dashboard, "/confirm", ("verb", verb), *fields).page
    commands = [one["data-copy"] for one in page.all_of("button") if "data-copy" in one]
    assert commands == ([f"{command} --url {tasks.url}"] if command else [])


def test_a_command_has_the_url_where_a_terminal_would_not_find_the_journal(
    tasks: Tasks, dashboard: ASGIApp, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (task,) = tasks.fail("app:send")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OUTLAST_URL", tasks.url)

    def commands() -> list[str]:
        buttons = ask(dashboard, f"/tasks/{task}").page.all_of("button")
        return [one["data-copy"] for one in buttons if "data-copy" in one]

    assert f"outlast show {task} --url {tasks.url}" in commands(), "the variable is the server's"
    (tmp_path / "pyproject.toml").write_text('[tool.outlast]\nurl = "sqlite:///journal.db"\n')
    assert f"outlast show {task}" in commands()


def test_a_few_tasks_are_named_in_it_and_many_are_not(tasks: Tasks, dashboard: ASGIApp) -> None:
    ids = tasks.fail(*["app:send"] * 21)
    for few, is_there in ((ids[:2], True), (ids, False)):
        page = post(dashboard, "/confirm", ("verb", "retry"), *(("task", one) for one in few)).page
        assert (f"outlast retry {' '.join(few)}" in page.said) is is_there


@pytest.mark.parametrize(
    "text",
    [
        "",
        "you have won",
        "repeated-you-have-won",
        "repeated-youhavewontoo",
        "retried-1",
        "retried-1-0-0",
        "retried-1-0\n",
        "paid-1-0",
        "retried-9999999-0",
    ],
)
def test_no_link_puts_words_into_a_page(text: str) -> None:
    assert said_in(text) == ""


def test_it_says_what_was_done() -> None:
    assert said_in("retried-3-1") == "3 tasks retried, 1 not"


def schedule_states(tasks: Tasks) -> list[tuple[str, bool]]:
    """Of each its state, and whether it was asked for."""
    return [(one.state, one.asked_at is not None) for one in open_history(tasks.url).schedules()]


def test_a_schedule_is_paused_goes_on_and_runs_now(tasks: Tasks, dashboard: ASGIApp) -> None:
    one = tasks.schedule("nightly")
    for verb, state in (
        ("pause", ("paused", False)),
        ("resume", ("ticking", False)),
        ("run", ("ticking", True)),
    ):
        page = ask(dashboard, "/schedules").page
        assert "nightly" in page.said
        assert page.all_of("button", name="verb", value=verb)
        answer = post(dashboard, "/schedules/change", ("verb", verb), ("schedule", one))
        assert (answer.status, answer.headers["location"]) == (303, "/schedules")
        assert schedule_states(tasks) == [state]


@pytest.mark.parametrize(
    "fields", [[], [("verb", "pause")], [("verb", "drop"), ("schedule", "1")], [("verb", "run"), ("schedule", "x")]]
)
def test_what_means_no_schedule_changes_none(tasks: Tasks, dashboard: ASGIApp, fields: list[tuple[str, str]]) -> None:
    tasks.schedule("nightly")
    assert post(dashboard, "/schedules/change", *fields).status in (303, 400)
    assert schedule_states(tasks) == [("ticking", False)]


def test_no_other_site_pauses_a_schedule(tasks: Tasks, dashboard: ASGIApp) -> None:
    one = tasks.schedule("nightly")
    headers = {"sec-fetch-site": "cross-site"}
    assert post(dashboard, "/schedules/change", ("verb", "pause"), ("schedule", one), headers=headers).status == 403
    assert schedule_states(tasks) == [("ticking", False)]


def test_a_queue_is_paused_and_goes_on(tasks: Tasks, dashboard: ASGIApp) -> None:
    task = tasks.enqueue("mails", "app:send")
    for verb, is_paused in (("pause", True), ("resume", False)):
        page = ask(dashboard, "/queues").page
        assert "mails" in page.said
        assert page.all_of("button", name="verb", value=verb)
        answer = post(dashboard, "/queues/change", ("verb", verb), ("queue", "mails"))
        assert (answer.status, answer.headers["location"]) == (303, "/queues")
        assert [one.paused_at is not None for one in open_survey(tasks.url).queues()] == [is_paused]
        said = ask(dashboard, f"/tasks/{task}").page.said
        assert ("outlast queue resume mails" in said) is is_paused
    assert task in ask(dashboard, "/tasks?queue=mails").text
    assert task not in ask(dashboard, "/tasks?queue=reports").text


@pytest.mark.parametrize("name", ["", "reports", "' OR 1=1 --", "mails\0"])
def test_no_queue_is_made_or_paused_that_is_not_there(tasks: Tasks, dashboard: ASGIApp, name: str) -> None:
    tasks.enqueue("mails", "app:send")
    assert post(dashboard, "/queues/change", ("verb", "pause"), ("queue", name)).status == 303
    assert [(one.name, one.paused_at) for one in open_survey(tasks.url).queues()] == [("mails", None)]


def test_queues_stand_on_the_overview_and_are_paused_there(tasks: Tasks, dashboard: ASGIApp) -> None:
    assert "Queues Queues, by name" not in ask(dashboard, "/").page.said
    tasks.enqueue("mails", "app:send")
    assert "Queues Queues, by name" in ask(dashboard, "/").page.said
    answer = post(dashboard, "/queues/change", ("verb", "pause"), ("queue", "mails"), ("on", "overview"))
    assert (answer.status, answer.headers["location"]) == (303, "/")
    assert ask(dashboard, "/").page.all_of("button", name="verb", value="resume")
