"""What pages show, and what they never do: let a task, a request or a link put markup or secrets into them."""

from __future__ import annotations

import json
import os
import pathlib
import traceback
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
from fastapi import FastAPI
from starlette.types import ASGIApp

import outlast
from outlast.board import charts
from outlast.board.board import PAGES, board
from outlast.board.guard import Gate
from outlast.board.links import Links
from outlast.board.pages.failures import exception_in, grouped, place_in
from outlast.board.pages.overview import waited
from outlast.board.pages.processes import last_frames
from outlast.board.rendering import seconds, size
from outlast.events import words
from outlast.events.board import how_to_mend, what_it_means
from outlast.ids import shown
from outlast.journal.contract import ProcessEntry
from outlast.journal.read import Event
from outlast.journal.survey import Failure, Minute
from outlast.journal.telling import counted
from outlast.journal.turn import Reached, Turn
from outlast.settings.settings import Settings
from outlast.tasks.log import TaskLog
from outlast.tasks.task import NO_OPTIONS, End, Lane, NewTask, Sequel, Settlement, State
from outlast.watch.incident import Cause, Flight, Incident, IncidentKind
from tests.board.asking import Answer, ask, post
from tests.board.conftest import IDS, Tasks, of
from tests.support.turns import claim, settle

EVIL = "\"'><evil onload=alert(1)><script>alert(1)</script></pre></td>{{ 7919*7 }}{% raw %}\r\nX-Evil: 1\x1b[31m\u202e"
OURS = {"htmx.min.js", "board.js"}


@pytest.fixture
def evil(tasks: Tasks) -> Tasks:
    """A journal in which each text that a task, a request or a process can choose is markup."""
    process = ProcessEntry("web", 4712, EVIL, 1.0)
    with tasks.journal.transaction():
        web = tasks.journal.processes.enter(process)
    text = json.dumps({EVIL: EVIL})
    new = NewTask(
        IDS.next(),
        f"app:{EVIL}",
        text,
        Lane.LOOP,
        State.WAITING,
        1.8e9,
        EVIL,
        options=replace(NO_OPTIONS, key="k<evil>"),
    )
    done = new._replace(id=IDS.next(), options=NO_OPTIONS, context=text)
    with tasks.journal.transaction():
        tasks.journal.tasks.add([new, done], web)
    failed, ended = claim(tasks.journal, tasks.runner)
    tasks.journal.turn(Turn(0, reached=[Reached(failed.id, 1, log=TaskLog(f"{EVIL}\n", 0, 10_000))]))
    settle(
        tasks.journal,
        Settlement(failed.id, 1, End.ERROR, State.FAILED, f"<evil>: {EVIL}", f'  File "{EVIL}", line 7, in {EVIL}'),
    )
    settle(tasks.journal, Settlement(ended.id, 1, End.DONE, State.DONE, result=json.dumps({"result": EVIL})))
    stall = Incident(
        IncidentKind.STALL,
        Cause.BLOCKED,
        EVIL,
        4712,
        1.8e9,
        2.0,
        EVIL,
        EVIL,
        EVIL,
        (Flight(EVIL, 1.0, failed.id, EVIL),),
    )
    with tasks.journal.transaction():
        tasks.journal.processes.note([stall])
    tasks.schedule("nightly <evil>", f"app:{EVIL}")
    return tasks


def pages_of(tasks: Tasks, app: ASGIApp, root: str = "") -> Iterator[tuple[str, Answer]]:
    """All that there are for a journal, by their paths; also those that are reached by links in others."""
    seen: set[str] = set()
    waiting = [f"{root}/"]
    while waiting:
        path = waiting.pop()
        seen.add(path)
        answer = ask(app, path, root_path=root if root.startswith("/proxy") else "")
        yield path, answer
        for link in answer.page.all_of("a"):
            target = link["href"].partition("#")[0]
            if target and target not in seen and target not in waiting:
                waiting.append(target)


def test_nothing_that_a_task_says_is_markup(evil: Tasks) -> None:
    shown = 0
    for path, answer in pages_of(evil, of(evil.url)):
        page = answer.page
        assert answer.status == 200, path
        assert not page.all_of("evil"), path
        assert {one["src"].partition("?")[0].rpartition("/")[2] for one in page.all_of("script")} == OURS, path
        assert "alert(1)" not in "".join(name for _, attributes in page.elements for name in attributes), path
        assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")], path
        assert not [one for _, one in page.elements if one.get("href", "").lower().startswith("javascript")], path
        assert not [one for _, one in page.elements if "style" in one], "the policy forbids it"
        assert "55433" not in answer.text, "nobody evaluates a template in it"
        assert "\x1b" not in answer.text
        assert "\u202e" not in answer.text
        shown += "<evil onload" in page.said
    assert shown >= 5, "it is shown, as text"


@pytest.mark.parametrize("at", ["/outlast", "/in/two/steps"])
def test_an_app_may_say_what_a_proxy_takes_away(tasks: Tasks, at: str) -> None:
    """Where the server leaves paths so, as gunicorn's own worker does: they come without that part, links have it."""
    app = FastAPI()
    app.root_path = "/api"  # FastAPI(root_path="/api") is deprecated in newer versions
    app.mount(at, of(tasks.url))
    (task,) = tasks.fail("app:send")
    for path in (f"{at}/", f"{at}/tasks", f"{at}/tasks/{task}", f"{at}/assets/board.js", f"/api{at}/tasks"):
        answer = ask(app, path)
        assert answer.status == 200, path
        links = [one["href"] for one in answer.page.all_of("a") if one["href"].startswith("/")]
        assert all(one.startswith(f"/api{at}/") for one in links), path
    assert ask(app, f"{at}/nowhere").status == 404
    answer = post(app, f"{at}/change", ("verb", "retry"), ("task", task), ("on", "task"))
    assert (answer.status, answer.headers["location"]) == (303, f"/api{at}/tasks/{task}?said=retried-1-0")


@pytest.mark.parametrize("name", ["state", "name", "key", "queue", "text", "since", "after", "said", "pace", "nothing"])
@pytest.mark.parametrize("path", ["/tasks", "/failures", "/"])
def test_nothing_that_a_link_says_is_markup(dashboard: ASGIApp, name: str, path: str) -> None:

    for value in (
        EVIL,
        "\0",
        "\udcff".encode(errors="surrogateescape").decode("latin-1"),
        "x" * 5_000,
        "-1",
        "1e999-0",
        "NaN",
    ):
        answer = ask(dashboard, f"{path}?{name}={quote(value)}")
        assert answer.status == 200
        assert not answer.page.all_of("evil")
        assert "x-evil" not in answer.headers
        assert len(answer.body) < 40_000


@pytest.mark.parametrize("name", ["name", "key", "queue", "text", "since", "state", "group", "on", "task", "scope"])
def test_nothing_that_a_form_says_is_markup(tasks: Tasks, dashboard: ASGIApp, name: str) -> None:
    (failed,) = tasks.fail("app:send")
    meant = [("verb", "delete"), ("scope", "all"), ("state", "failed"), ("task", failed)]
    for path in ("/confirm", "/repeat"):
        fields = [(field, value) for field, value in meant if field != name]
        answer = post(dashboard, path, *fields, (name, EVIL))
        assert answer.status in (200, 303)
        assert not answer.page.all_of("evil")
        assert not [one for _, attributes in answer.page.elements for one in attributes if one.startswith("on")]
        assert "x-evil" not in answer.headers
        assert "evil" not in answer.headers.get("location", "")


@pytest.mark.parametrize(
    "path",
    ["/tasks/%0d%0aX-Evil:1", "/tasks/<script>", "/incidents/99999999999999999999", "/incidents/-1", "/incidents/1e3"],
)
def test_what_is_not_there_is_not_found(dashboard: ASGIApp, tasks: Tasks, path: str) -> None:
    answer = ask(dashboard, path)
    assert answer.status == 404
    assert not answer.page.all_of("script", src="")
    assert "x-evil" not in answer.headers


def test_where_it_goes_on_after_a_change_is_a_page_of_its_own(tasks: Tasks, dashboard: ASGIApp) -> None:
    (failed,) = tasks.fail("app:send")
    for name in ("back", "next", "name", "text", "key"):
        answer = post(
            dashboard, "/change", ("verb", "retry"), ("task", failed), (name, f"https://evil.example/\r\n{EVIL}")
        )
        assert answer.status == 303
        assert answer.headers["location"].startswith("/tasks?")
        assert "x-evil" not in answer.headers


def test_a_task_of_a_chain_leads_to_the_others(tasks: Tasks, dashboard: ASGIApp) -> None:
    head, last = (NewTask(IDS.next(), "app:step", "{}", Lane.LOOP, State.WAITING, 1.8e9, "GET /") for _ in range(2))
    with tasks.journal.transaction():
        tasks.journal.tasks.add([head._replace(sequels=(Sequel(last, (head.id,), "result", ("it",)),))], tasks.runner)
    assert f"/tasks/{shown(last.id)}" in ask(dashboard, f"/tasks/{shown(head.id)}").text
    page = ask(dashboard, f"/tasks/{shown(last.id)}").text
    assert f"/tasks/{shown(head.id)}" in page
    assert f"waits for task {shown(head.id)}" in page


def test_secrets_are_shown_nowhere(tasks: Tasks) -> None:
    (one,) = tasks.add("app:send", arguments='{"password":"hunter2","user":{"api_key":"hunter2"},"card":"hunter2"}')
    settings = Settings(url=tasks.url, redact=("card",))
    app = board(lambda: settings, Gate(lambda _: True, lambda: False), is_read_only=False)
    for path, answer in pages_of(tasks, app):
        assert "hunter2" not in answer.text, path
    assert "[redacted]" in ask(app, f"/tasks/{one}").text
    assert "hunter2" not in ask(app, "/tasks?text=hunter2").text.replace('value="hunter2"', "")
    assert one not in ask(app, "/tasks?text=hunter2").text, "nobody finds a secret by trying"


def test_giant_values_make_no_giant_pages(tasks: Tasks) -> None:
    for text in ("x" * 900_000, "\n" * 200_000):
        tasks.fail("app:" + "f" * 900, reason=text[:100_000], traceback=text)
        tasks.add("app:send", arguments=json.dumps({"text": text}), origin="o" * 10_000)
    for path, answer in pages_of(tasks, of(tasks.url)):
        assert answer.status == 200
        assert len(answer.body) < 150_000, path


@pytest.mark.parametrize("root", ["", "/outlast", "/a/b", "/proxy/api/outlast"])
def test_links_lead_to_pages_wherever_it_is_mounted(tasks: Tasks, root: str) -> None:
    tasks.fail("app:send")
    app: ASGIApp = of(tasks.url)
    if root and not root.startswith("/proxy"):
        outer = FastAPI()
        outlast.install(outer, url=tasks.url)
        outer.mount(root, outlast.dashboard(outer, guard=lambda _: True))
        app = outer
    found = dict(pages_of(tasks, app, root))
    assert len(found) > len(PAGES) - 2
    for path, answer in found.items():
        assert answer.status == 200, path
        assert path.startswith(f"{root}/")
        assert {one["action"].startswith(f"{root}/") for one in answer.page.all_of("form")} <= {True}


@pytest.mark.parametrize(("pace", "every"), [("10", "10"), ("off", "0")])
def test_who_has_chosen_how_often_pages_are_asked_for_again_need_not_again(evil: Tasks, pace: str, every: str) -> None:
    evil.fail("app:send")
    app = of(evil.url)
    page = ask(app, f"/failures?pace={pace}").page
    (chosen,) = page.all_of("button", **{"aria-pressed": "true"})
    assert chosen["value"] == pace
    assert page.all_of("main", **{"data-every": every})
    links = [one["href"] for one in page.all_of("a") if not one["href"].startswith("#")]
    assert len(links) > len(PAGES) - 2
    assert [one for one in links if f"pace={pace}" not in one] == []
    mark = page.all_of("input", name="group")[0]["value"]
    asked = post(app, f"/confirm?pace={pace}", ("verb", "retry"), ("group", mark), ("on", "failures")).page
    hidden = [(one["name"], one["value"]) for one in asked.all_of("input", type="hidden")]
    answer = post(app, asked.all_of("form")[0]["action"], *hidden)
    assert answer.headers["location"] == f"/failures?pace={pace}&said=retried-1-0"


@pytest.mark.parametrize("pace", ["", "0", "-1", "1", "1e9", "OFF", "'><evil>"])
def test_any_other_pace_is_the_usual_one(dashboard: ASGIApp, pace: str) -> None:
    page = ask(dashboard, f"/tasks?pace={quote(pace)}&name=send").page
    assert page.all_of("main", **{"data-every": "2"})
    (form,) = page.all_of("form", **{"class": "pace with-script"})
    assert form["action"] == "/tasks"
    assert page.all_of("input", type="hidden") == [{"type": "hidden", "name": "name", "value": "send"}]


def test_files_are_there(dashboard: ASGIApp) -> None:
    page = ask(dashboard, "/").page
    files = [*page.all_of("script"), *page.all_of("link")]
    assert len(files) == 4
    for one in files:
        answer = ask(dashboard, one.get("src") or one["href"])
        assert (answer.status, bool(answer.body)) == (200, True)
        assert answer.headers["content-type"].split(";")[0] in ("text/javascript", "text/css", "image/svg+xml")


def test_who_has_a_page_as_it_is_gets_it_no_second_time(tasks: Tasks, dashboard: ASGIApp) -> None:
    tasks.fail("app:send")
    first = ask(dashboard, "/tasks")
    again = ask(dashboard, "/tasks", headers={"if-none-match": first.headers["etag"]})
    assert (again.status, again.body) == (304, b"")
    weak = f"W/{first.headers['etag']}"  # as a proxy makes it that compresses the page
    assert ask(dashboard, "/tasks", headers={"if-none-match": weak}).status == 304
    tasks.fail("app:send")
    assert ask(dashboard, "/tasks", headers={"if-none-match": first.headers["etag"]}).status == 200


def test_before_the_first_task_it_says_that_there_is_none(tmp_path: Path) -> None:
    app = of(f"sqlite:///{tmp_path}/journal.db")
    answer = ask(app, "/")
    assert answer.status == 200
    assert "Nobody has stored a task yet" in answer.page.said
    assert not (tmp_path / "journal.db").exists(), "a look makes none"


def test_a_journal_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_text("this is no journal")
    answer = ask(of(f"sqlite:///{tmp_path}/journal.db"), "/tasks")
    assert answer.status == 503
    assert "journal.db" in answer.page.said


def test_another_journal_that_comes_to_the_place_is_read(tasks: Tasks, dashboard: ASGIApp, tmp_path: Path) -> None:
    (one,) = tasks.fail("app:send")
    assert one in ask(dashboard, "/tasks").text
    tasks.journal.close()
    for file in tmp_path.glob("journal.db*"):
        file.unlink()
    assert "Nobody has stored a task yet" in ask(dashboard, "/tasks").text


def test_tasks_are_filtered_by_the_url(tasks: Tasks, dashboard: ASGIApp) -> None:
    (failed,) = tasks.fail("shop:send")
    (done,) = tasks.finish("shop:print")
    (waiting,) = tasks.add("mail:send", key="order-7")

    def shown(query: str) -> set[str]:
        page = ask(dashboard, f"/tasks?{query}")
        return {one for one in (failed, done, waiting) if f"/tasks/{one}" in page.text}

    assert shown("") == {failed, done, waiting}
    assert shown("state=failed&state=done") == {failed, done}
    assert shown("name=shop:") == {failed, done}
    assert shown("key=order-7") == {waiting}
    assert shown("text=valueerror") == {failed}
    assert shown(f"text={done}") == {done}
    assert shown("since=10m") == {failed, done, waiting}
    assert shown("state=nothing") == {failed, done, waiting}
    assert shown("name=nobody") == set()


def test_older_tasks_are_on_further_pages(tasks: Tasks, dashboard: ASGIApp) -> None:
    ids = [*tasks.fail(*["app:send"] * 60)]
    for query in ("", "?state=failed"):
        seen: list[str] = []
        path = f"/tasks{query}"
        while path:
            page = ask(dashboard, path).page
            seen += [one["value"] for one in page.all_of("input", type="checkbox", name="task")]
            path = next((one["href"] for one in page.all_of("a") if "after=" in one["href"]), "")
        assert seen == ids[::-1]


def test_a_task_has_all_that_happened_to_it(tasks: Tasks, dashboard: ASGIApp) -> None:
    (failed,) = tasks.fail("app:send")
    answer = ask(dashboard, f"/tasks/{failed}")
    page = answer.page
    assert "attempt 1 error after" in page.said
    assert "orders.py" in page.said
    assert page.all_of("svg", role="img")
    assert f"outlast retry {failed}" in page.said


def test_system_says_where_settings_come_from(tasks: Tasks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUTLAST_GRACE", "7")
    settings = Settings.load(url=tasks.url)
    app = board(lambda: settings, Gate(lambda _: True, lambda: False), is_read_only=False)
    said = ask(app, "/system").page.said
    assert "grace 7.0 OUTLAST_GRACE" in said
    assert f"url {tasks.url} install(app)" in said
    assert "drain 25.0 default" in said


def test_failures_of_one_kind_are_one_row() -> None:
    where = (
        'File "/srv/shop/orders.py", line 12, in send\n  x\n  File "/srv/lib/pay.py", line 7, in charge\nValueError: no'
    )
    found = [Failure(9 - n, "app:send", f"ValueError: order {n} is unknown", 100.0 - n, where) for n in range(3)]
    found += [Failure(3, "app:send", "KeyError: 'to'", 50.0, where), Failure(2, "app:mail", "KeyError", 40.0, "")]
    first, second, third = grouped(found)
    assert (first.function, first.exception, first.place) == ("app:send", "ValueError", "lib/pay.py:7")
    assert (first.count, first.first, first.last, first.ids) == (3, 98.0, 100.0, (9, 8, 7))
    assert (second.exception, second.count, second.line) == ("KeyError", 1, "")
    assert (third.function, third.place) == ("app:mail", "")
    assert len({first.mark, second.mark, third.mark}) == 3


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        ("ValueError: order 7", "ValueError"),
        ("httpx.ConnectTimeout", "httpx.ConnectTimeout"),
        ("TimeoutError; no retry is left (of 2)", "TimeoutError"),
        ("it has ended its process 2 times", "it has ended its process … times"),
        ("", ""),
        ("two words: no", "two words: no"),
    ],
)
def test_what_a_reason_is_one_of(reason: str, kind: str) -> None:
    assert exception_in(reason) == kind


def test_the_place_is_that_of_the_last_frame() -> None:
    assert place_in("no traceback") == ""
    assert place_in('  File "x.py", line 3, in <module>\n') == "x.py:3"


def failing() -> None:
    raise ValueError("no")


def test_the_place_of_a_group_is_that_of_what_is_in_it() -> None:
    with pytest.raises(ValueError, match="no") as inner:
        failing()
    told = "".join(traceback.format_exception(ExceptionGroup("some", [inner.value])))
    assert place_in(told) == f"board/test_pages.py:{failing.__code__.co_firstlineno + 1}"


def test_the_place_is_where_users_can_mend_it() -> None:
    own = '  File "/srv/shop/orders.py", line 12, in send\n'
    library = f'  File "{pathlib.__file__}", line 1044, in open\n'
    assert place_in(own + library) == "shop/orders.py:12"
    assert place_in(library) == f"{'/'.join(Path(pathlib.__file__).parts[-2:])}:1044"


def test_how_long_tasks_waited() -> None:
    assert waited([]) is None
    assert waited([3.0]) == waited([3.0, 3.0])
    found = waited([float(one) for one in range(101)])
    assert found is not None
    assert (found.half, found.most) == (50.0, 99.0)


def test_bars_are_of_all_minutes() -> None:
    found = charts.bars([Minute(99, 3, 1), Minute(98, 0, 2)], until=100)
    assert len(found) == 60
    last, before, empty = found[-1], found[-2], found[0]
    assert (last.done + last.failed, last.done_y, last.failed_y) == (80.0, 20.0, 0.0)
    assert (before.done, before.failed) == (0.0, 40.0)
    assert (empty.done, empty.failed) == (0.0, 0.0)


def test_a_timeline_has_each_attempt_with_its_end(tasks: Tasks) -> None:
    (one,) = tasks.fail("app:send")
    record = tasks.record(one)
    cut = Event(12.0, "interrupted", 1, "a deploy", "")
    events = (Event(10.0, "started", 1, "", ""), cut, Event(15.0, "started", 2, "", ""), Event(20.0, "done", 2, "", ""))
    found = charts.timeline(replace(record, created_at=0.0, state="done", events=events), now=30.0)
    assert found is not None
    assert [(span.kind, span.x, span.width, span.y) for span in found.spans] == [
        ("waits", 0.0, 300.0, 0),
        ("cut", 300.0, 60.0, 0),
        ("waits", 360.0, 90.0, 26),
        ("good", 450.0, 150.0, 26),
    ]
    assert "a deploy" in found.spans[1].label
    assert found.seconds == 20.0


def test_an_attempt_that_runs_goes_on_until_now(tasks: Tasks) -> None:
    record = replace(tasks.record(*tasks.add("app:send")), created_at=0.0, state="running")
    found = charts.timeline(replace(record, events=(Event(10.0, "started", 1, "", ""),)), now=20.0)
    assert found is not None
    assert [span.kind for span in found.spans] == ["waits", "runs"]
    assert charts.timeline(record, now=20.0) is None


def test_each_cause_has_its_remedy() -> None:
    assert {str(cause) for cause in Cause if not how_to_mend(cause)} == {"unknown"}


def test_figures_are_readable() -> None:
    assert (counted(0), counted(10_000), counted(10_001)) == ("0", "10\u202f000", "10\u202f000+")
    assert [seconds(one) for one in (None, 0.0, 0.0004, 0.25, 3.14159, 42.0, 90.0, 7200.0, 1e6)] == [
        *("–", "0 s", "400 µs", "250 ms", "3.14 s", "42.0 s", "1.5 min", "2.0 h", "11.6 d")
    ]
    assert [size(one) for one in (0, 1023, 1536, 5 << 20, 3 << 30)] == [
        "0 B",
        "1023 B",
        "1.5 KiB",
        "5.0 MiB",
        "3.0 GiB",
    ]


def test_a_root_is_a_path_whatever_stands_in_it() -> None:
    assert Links.below("//evil.example/").to("/") == "/evil.example/"
    assert Links.below("/").to("/tasks") == "/tasks"
    assert Links.below('/a"><b>/').to("/tasks", [("name", "<x>"), ("key", "")]) == "/a%22%3E%3Cb%3E/tasks?name=%3Cx%3E"


POISON = (
    "UPDATE task SET ended_at = 9e999, created_at = -9e999, started_at = 9e999",
    "UPDATE task SET ended_at = -9e999, created_at = 9e999, started_at = NULL, released_at = 9e999",
    "UPDATE task SET ended_at = NULL",
    "UPDATE task SET function = CAST(x'ff00fe' AS TEXT), origin = CAST(x'ff' AS TEXT), reason = CAST(x'fe' AS TEXT)",
    "UPDATE task SET lane = 'nowhere', arguments = '[[', context = 'x', result = '{', progress = '[1e999, null, 3]'",
    "UPDATE task SET attempt = 9223372036854775807, crashes = -1, state = 4",
    "UPDATE event SET at = 9e999, attempt = -1, kind = CAST(x'ff' AS TEXT), traceback = CAST(x'ff0a' AS TEXT)",
    "UPDATE event SET kind = 'started', at = -9e999, attempt = 1",
    "UPDATE process SET started_at = 9e999, pid = -1, kind = CAST(x'ff' AS TEXT), machine = CAST(x'ff' AS TEXT)",
    "UPDATE process SET started_at = -9e999, pid = 9223372036854775807",
    "UPDATE incident SET last_at = 9e999, seconds = 9e999, pid = -1, flights = '[{}]', stack = CAST(x'ff' AS TEXT)",
    "UPDATE schedule SET next_at = 9e999, last_at = -9e999, timing = '{', blueprint = '[', name = CAST(x'ff' AS TEXT)",
)


@pytest.mark.parametrize("poison", POISON)
def test_no_row_breaks_a_page(evil: Tasks, poison: str) -> None:
    evil.fail("app:send", "app:send")
    evil.enqueue("mails", "app:send")
    with evil.journal.transaction():
        evil.journal.connection.opened.execute(poison)  # type: ignore[attr-defined]
    for path, answer in pages_of(evil, of(evil.url)):
        assert answer.status == 200, path
    assert ask(of(evil.url), "/failures").status == 200


def test_who_had_our_pid_before_is_not_taken_for_us(tasks: Tasks, dashboard: ASGIApp, tmp_path: Path) -> None:
    """In a container each web worker may have the pid of the one before."""
    (tmp_path / "processes.lock").touch(mode=0o600)
    with tasks.journal.transaction():
        tasks.journal.processes.enter(ProcessEntry("web", os.getpid(), "here", 1.0))
    assert "No process of this journal lives" in ask(dashboard, "/workers").page.said


def test_what_the_last_hour_has_brought_is_what_a_journal_grows_by(tasks: Tasks, dashboard: ASGIApp) -> None:
    assert "Last hour 0 tasks added Schema" in ask(dashboard, "/system").page.said
    tasks.add("app:send", arguments=json.dumps({"text": "x" * 10_000}))
    assert "Last hour 1 task added; the newest have 9.8 KiB of" in ask(dashboard, "/system").page.said


def test_what_is_wrong_is_said_where_it_can_be_seen(
    tasks: Tasks, dashboard: ASGIApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    typo, nobody = "OUTLAST_GRAZE is set but outlast has no such setting", "no runner: 1 task waits until a server"
    before = ask(dashboard, "/system").page.said
    monkeypatch.setenv("OUTLAST_GRAZE", "7")
    tasks.add("app:send")
    after = ask(dashboard, "/system").page.said
    assert (typo in before, nobody in before) == (False, False)
    assert (typo in after, nobody in after) == (True, True)
    assert "outlast doctor main:app" in after


def test_of_a_stack_the_innermost_frames_are_seen_first() -> None:
    frames = [f'  File "/srv/{number}.py", line {number}, in run\n    go({number})\n' for number in range(5)]
    assert last_frames("".join(frames)) == "".join(frames[-3:])
    assert last_frames("".join(frames[:2])) == "".join(frames[:2])
    assert last_frames("no stack of Python's") == "no stack of Python's"


@pytest.mark.parametrize("process", [words.WEB_WORKER, words.TASK_PROCESS])
@pytest.mark.parametrize("kind", IncidentKind)
def test_each_kind_of_incident_is_explained(kind: IncidentKind, process: str) -> None:
    assert what_it_means(str(kind), process)


def test_an_incident_says_what_it_means_and_what_mends_it(tasks: Tasks, dashboard: ASGIApp) -> None:
    what = "send (mail.py:8)", "the event loop of task process 7 was blocked", ""
    stall = Incident(IncidentKind.STALL, Cause.BLOCKED, words.TASK_PROCESS, 7, 1.8e9, 2.0, *what, ())
    with tasks.journal.transaction():
        tasks.journal.processes.note([stall, replace(stall, kind=IncidentKind.DEATH, cause=Cause.UNKNOWN)])
    page = ask(dashboard, "/incidents/1").page
    assert "What that means A task process runs its async def tasks on one event loop." in page.said
    assert "await asyncio.sleep(5) for time.sleep(5)" in page.said
    assert page.all_of("button", **{"data-copy": f"outlast explain 1 --url {tasks.url}"})
    assert "What has ended it is not known, and nobody guesses here." in ask(dashboard, "/incidents/2").page.said


def test_a_task_shows_its_checkpoint_without_what_is_secret(tasks: Tasks, dashboard: ASGIApp) -> None:
    (task,) = tasks.add("app:send")
    claim(tasks.journal, tasks.runner)
    assert "Checkpoint" not in ask(dashboard, f"/tasks/{task}").page.said
    reached = Reached(tasks.number(task), 1, checkpoint='{"value":{"row":120,"password":"hunter2"}}')
    tasks.journal.turn(Turn(0, reached=[reached]))
    said = ask(dashboard, f"/tasks/{task}").page.said
    assert '"row": 120' in said
    assert "hunter2" not in said
