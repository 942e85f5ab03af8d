"""The dashboard in a real browser: `make browser` installs what this needs; without it, it is skipped."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.board.browser import AXE, NEEDS_BROWSER, Watched, chromium
from tests.board.test_served import MORE as SERVED
from tests.support.marks import each_started_once
from tests.support.servers import Server, eventually, lay_out, serving

__all__ = ["chromium"]

pytestmark = NEEDS_BROWSER
PAGES = ("/", "/tasks", "/failures", "/workers", "/incidents", "/queues", "/schedules", "/system")
MORE = f"""{SERVED}

@outlast.task(queue="mails")
async def queued(name: str) -> None: ...


@outlast.every("0 6 * * *")
def nightly() -> None: ...
"""


@pytest.fixture(scope="module", params=each_started_once(["uvicorn"]))
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(request.param, lay_out(tmp_path_factory.mktemp("browser"), MORE)) as server:
        server.asked("/asked/fail/first")
        server.wait_for("began", "first")
        yield server


@pytest.fixture
def watched(chromium: Any, server: Server) -> Iterator[Watched]:
    watched = Watched(chromium, server)
    yield watched
    watched.close()


def failed(server: Server, name: str) -> str:
    """The id of a task that has failed."""
    task = server.asked(f"/asked/fail/{name}")
    eventually(lambda: server.record(task).state == "failed", server.output)
    return task


def test_a_page_that_is_looked_at_stays_true(watched: Watched, server: Server) -> None:
    page = watched.go("/tasks")
    task = server.asked("/asked/until_told_async/seen")
    page.wait_for_selector(f"#task-{task} .running")
    server.tell("seen")
    page.wait_for_selector(f"#task-{task} .done")


def test_what_is_selected_stays_selected(watched: Watched, server: Server) -> None:
    chosen = failed(server, "chosen")
    page = watched.go("/tasks?state=failed")
    page.check(f"#task-{chosen} input")
    page.focus(f"#task-{chosen} input")
    other = failed(server, "other")
    page.wait_for_selector(f"#task-{other}")
    assert page.is_checked(f"#task-{chosen} input")
    assert page.evaluate("document.activeElement.value") == chosen


def brought_up_to_date(page: Any) -> None:
    """Wait until it has asked once, and has what has come."""
    page.evaluate("document.addEventListener('htmx:after:swap', () => { window.isNew = true })")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_function("() => window.isNew")


def test_what_is_chosen_for_many_stays_chosen(watched: Watched, server: Server) -> None:
    failed(server, "many")
    page = watched.go("/tasks?state=failed")
    page.select_option("select[name=scope]", "all")
    page.focus("button[value=cancel]")
    page.evaluate("getSelection().selectAllChildren(document.querySelector('tbody code'))")
    selected = page.evaluate("getSelection().toString()")
    other = failed(server, "more")
    page.wait_for_selector(f"#task-{other}")
    assert page.input_value("select[name=scope]") == "all"
    assert page.evaluate("document.activeElement.value") == "cancel"
    assert page.evaluate("getSelection().toString()") == selected != ""


def test_nothing_is_replaced_that_has_not_changed(watched: Watched, server: Server) -> None:
    """Else focus would be lost there, and what was typed, chosen or opened."""
    one = failed(server, "kept")
    server.asked("/asked/queued/kept")
    incident = incident_of(server)
    for path in (*PAGES, f"/tasks/{one}", f"/incidents/{incident}"):
        page = watched.go(path)
        page.evaluate("""() => {
            document.querySelectorAll("details").forEach((one) => one.toggleAttribute("open"));
            window.before = [...document.querySelectorAll("#live :is(a, button, form, input, select, details)")];
            window.opened = [...document.querySelectorAll("details[open]")];
        }""")
        brought_up_to_date(page)
        gone = "window.before.filter((one) => !one.isConnected).map((one) => one.outerHTML)"
        assert page.evaluate(gone) == [], path
        assert page.evaluate("window.opened.every((one) => one.open)"), path


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({"status": 401, "content_type": "text/plain; charset=utf-8", "body": "Log <b>in</b>"}, "401: Log <b>in</b>"),
        ({"status": 502, "content_type": "text/html", "body": "<h1>Bad Gateway</h1>"}, "server answers 502"),
        ({"status": 303, "headers": {"location": "/login"}}, "you may have to log in again"),
        ({"status": 200, "content_type": "text/html", "body": "<form>Name</form>"}, "you may have to log in again"),
    ],
    ids=lambda one: str(one["status"]) if isinstance(one, dict) else "",
)
def test_a_page_says_why_it_is_not_up_to_date(chromium: Any, server: Server, answer: dict[str, Any], why: str) -> None:
    task = failed(server, "stale")
    watched = Watched(chromium, server)
    page = watched.go("/failures")
    page.route("**/failures", lambda route: route.fulfill(**answer))
    page.route("**/confirm", lambda route: route.fulfill(**answer))
    page.wait_for_selector(f"#stale >> text=/Not up to date since .*{re.escape(why)}$/")
    page.click("text=Run all again")
    page.wait_for_selector("dialog[open] >> text=Nothing was changed")
    assert page.inner_text("dialog p").endswith(why)
    assert violations(watched) == []
    page.unroute_all()
    page.click("dialog >> text=Close")
    page.wait_for_selector("#stale", state="hidden")
    assert server.record(task).attempt == 1
    watched.context.close()


def test_a_page_says_that_its_server_is_gone(chromium: Any, tmp_path: Path) -> None:
    with serving("uvicorn", lay_out(tmp_path, MORE)) as server:
        failed(server, "gone")
        watched = Watched(chromium, server)
        page = watched.go("/tasks")
        server.stop()
        page.wait_for_selector("#stale >> text=the server does not answer")
        page.click("#bulk button[value=retry]")
        page.wait_for_selector("dialog[open] >> text=Nothing was changed")
        watched.context.close()


def test_the_page_of_a_task_that_is_deleted_says_so(watched: Watched, server: Server) -> None:
    task = failed(server, "forgotten")
    page = watched.go(f"/tasks/{task}")
    other = watched.open()
    other.goto(f"{watched.root}/tasks/{task}")
    other.click("text=Delete")
    other.click("dialog >> text=Delete >> nth=-1")
    page.wait_for_selector("h1 >> text=Not found")
    watched.may_say = "404"


def test_a_tab_that_is_hidden_asks_for_nothing(watched: Watched, server: Server) -> None:
    watched.page.clock.install()
    page = watched.go("/tasks")
    with page.expect_response(lambda answer: answer.url.endswith("/tasks")):
        page.clock.run_for(3_000)
    page.evaluate("Object.defineProperty(document, 'hidden', {configurable: true, get: () => true})")
    before = len(watched.asked)
    page.clock.run_for(60_000)
    assert len(watched.asked) - before <= 1, "one may have been on its way"
    page.evaluate("delete document.hidden; document.dispatchEvent(new Event('visibilitychange'))")
    page.wait_for_function("() => !document.hidden")
    with page.expect_response(lambda answer: answer.url.endswith("/tasks")):
        page.clock.run_for(3_000)


def test_a_page_that_has_not_changed_is_not_sent_again(watched: Watched, server: Server) -> None:
    failed(server, "quiet")
    page = watched.go("/tasks?name=nobody")
    with page.expect_response(lambda answer: answer.status == 304):
        pass


def test_all_failures_of_a_kind_run_again_by_two_clicks(watched: Watched, server: Server) -> None:
    task = failed(server, "clicked")
    page = watched.go("/failures")
    page.click("text=Run all again")
    page.wait_for_selector("dialog[open]")
    assert re.search(r"Run again: \d+ tasks?", page.inner_text("dialog"))
    page.click("dialog button")
    page.wait_for_selector("text=/\\d+ tasks? retried/")
    eventually(lambda: server.record(task).attempt == 2, server.output)


def test_to_leave_it_changes_nothing(watched: Watched, server: Server) -> None:
    task = failed(server, "left")
    page = watched.go(f"/tasks/{task}")
    page.click("text=Delete")
    page.click("dialog >> text=Leave it")
    page.wait_for_selector("dialog", state="hidden")
    assert server.record(task).state == "failed"


def test_the_keyboard_is_enough(watched: Watched, server: Server) -> None:
    """Filter, select, cancel, answer the question: no pointer."""
    task = server.asked("/asked/clean_up_async/keys")
    server.wait_for("began", "keys")
    page = watched.go("/tasks?state=running")

    def tab_to(selector: str) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if page.evaluate("selector => document.activeElement.matches(selector)", selector):
                return
        raise AssertionError(f"no way to {selector}")

    tab_to("input[name=name]")
    page.keyboard.type("clean_up_async")
    page.keyboard.press("Enter")
    page.wait_for_url("**name=clean_up_async**")
    tab_to("select[name=scope]")
    page.keyboard.press("ArrowDown")
    tab_to("button[value=cancel]")
    page.keyboard.press("Enter")
    page.wait_for_selector("dialog[open]")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=/1 task cancelled/")
    server.wait_for("cleaned", "keys")
    assert task


def test_it_works_without_javascript(chromium: Any, server: Server) -> None:
    watched = Watched(chromium, server, java_script_enabled=False)
    task = failed(server, "plain")
    page = watched.go("/tasks")
    page.check("input[name=state][value=failed]")
    page.click("text=Show")
    page.check(f"#task-{task} input")
    page.click("button[value=delete]")
    page.click("text=Delete >> nth=-1")
    page.wait_for_selector("text=/1 task deleted/")
    assert task not in [one.id for one in server.records()]
    watched.close()


def violations(watched: Watched) -> Any:
    """What axe-core finds wrong with what is shown, if it is here."""
    if not AXE.exists():
        return []
    session = watched.context.new_cdp_session(watched.page)
    session.send("Runtime.evaluate", {"expression": AXE.read_text()})
    return watched.page.evaluate("axe.run().then(r => r.violations.map(v => [v.id, v.nodes.map(n => n.html)]))")


def incident_of(server: Server) -> str:
    """The number of one in which something was blocked."""

    def numbers() -> list[str]:
        return re.findall(r'/incidents/(\d+)"', server.get("/outlast/incidents")[1])

    if not numbers():
        server.asked("/asked/block_until_told/axe")
        server.wait_for("began", "axe")
        eventually(lambda: "by <code>until_told" in server.get("/outlast/workers")[1], "it blocks")
        server.tell("axe")
        eventually(numbers, "the incident is there")
    return numbers()[0]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_pages_can_be_read_by_everybody(chromium: Any, server: Server, scheme: str) -> None:
    if not AXE.exists():
        pytest.skip("no axe-core here: `make browser` gets it")
    watched = Watched(chromium, server, color_scheme=scheme)
    server.asked("/asked/queued/queued")
    unknown, one = "/tasks/0000000000000", failed(server, scheme)
    for path in (*PAGES, f"/tasks/{one}", f"/incidents/{incident_of(server)}", "/tasks?name=nobody"):
        watched.go(path)
        assert violations(watched) == [], path
    watched.go("/failures").click("text=Delete all")
    watched.page.wait_for_selector("#dialog[open]")
    assert violations(watched) == [], "a question"
    watched.page.keyboard.press("Escape")
    watched.page.click("#show-keys")
    watched.page.wait_for_selector("#keys[open]")
    assert violations(watched) == [], "the list of keys"
    watched.go(unknown)
    assert violations(watched) == [], "an error"
    watched.may_say = "404"
    watched.close()


def test_dark_is_dark(chromium: Any, server: Server) -> None:
    def background(scheme: str) -> str:
        watched = Watched(chromium, server, color_scheme=scheme)
        found: str = watched.go("/").evaluate("getComputedStyle(document.body).backgroundColor")
        watched.close()
        return found

    assert background("dark") != background("light")


def test_keys_lead_to_pages_and_to_the_filter(watched: Watched) -> None:
    page = watched.go("/")
    for key, path in (("t", "/tasks"), ("w", "/workers"), ("y", "/system"), ("o", "/")):
        page.keyboard.press(key)
        page.wait_for_url(f"{watched.root}{path}")
    page.keyboard.press("t")
    page.wait_for_url("**/tasks")
    page.keyboard.press("/")
    page.keyboard.type("two words")
    assert page.input_value("input[name=name]") == "two words", "who types goes nowhere"
    assert page.url == f"{watched.root}/tasks"


def test_who_is_quicker_than_the_page_is_not_complained_about(watched: Watched, server: Server) -> None:
    task = failed(server, "quick")
    watched.page.add_init_script("""
        const quick = new MutationObserver(() => document.getElementById("live")?.focus());
        quick.observe(document, { childList: true, subtree: true });
        addEventListener("load", () => quick.disconnect());
    """)
    page = watched.go(f"/tasks/{task}")
    page.keyboard.press("?")
    page.wait_for_selector("#keys[open]")
    assert page.evaluate("document.activeElement.textContent") == "Close"
    page.keyboard.press("Enter")
    page.wait_for_selector("#keys", state="hidden")
    page.focus("text=Delete")
    page.keyboard.press("Enter")
    page.wait_for_selector("#dialog[open]")
    assert page.evaluate("document.activeElement.textContent") == "Delete"
    page.keyboard.press("Escape")
    page.evaluate("new Promise((done) => requestAnimationFrame(() => setTimeout(done)))")


def test_keys_are_listed_and_can_be_turned_off(watched: Watched) -> None:
    page = watched.go("/")
    page.keyboard.press("?")
    page.wait_for_selector("#keys[open]")
    page.keyboard.press("t")
    page.uncheck("#use-keys")
    page.keyboard.press("Escape")
    page.wait_for_selector("#keys", state="hidden")
    page.keyboard.press("t")
    page.click("#show-keys")
    page.wait_for_selector("#keys[open]")
    assert page.url == f"{watched.root}/"
    watched.go("/failures").click("#show-keys")
    assert not page.is_checked("#use-keys"), "the browser remembers"
    assert watched.context.cookies() == []


def test_how_often_pages_are_asked_for_is_chosen_and_kept(watched: Watched) -> None:
    watched.page.clock.install()
    page = watched.go("/tasks?name=send")
    page.keyboard.press("p")
    page.wait_for_url("**/tasks?name=send&pace=off")
    page.click("text=Failures")
    page.wait_for_url("**/failures?pace=off")
    looks = [one for one in watched.asked if "/failures" in one]
    page.clock.run_for(60_000)
    assert [one for one in watched.asked if "/failures" in one] == looks
    page.click("button >> text=10 s")
    page.wait_for_url("**/failures?pace=10")
    with page.expect_response(lambda answer: answer.url.endswith("/failures?pace=10")):
        page.clock.run_for(11_000)
    page.keyboard.press("p")
    page.wait_for_url("**/failures?pace=off")
    page.keyboard.press("p")
    page.wait_for_url("**/failures?pace=2")


def test_what_does_the_same_in_a_terminal_is_copied(watched: Watched, server: Server) -> None:
    watched.context.grant_permissions(["clipboard-read", "clipboard-write"])
    task = failed(server, "copied")
    page = watched.go(f"/tasks/{task}")
    page.click(f'[data-copy="outlast retry {task}"]')
    page.wait_for_selector("text=Copied")
    assert page.evaluate("navigator.clipboard.readText()") == f"outlast retry {task}"


def test_a_failed_task_runs_as_a_new_one_by_a_click(watched: Watched, server: Server) -> None:
    task = failed(server, "anew")
    page = watched.go(f"/tasks/{task}")
    page.click("text=Run as a new task")
    page.wait_for_selector(f"text=arguments and options of task {task}")
    new = page.inner_text("h1 code")
    eventually(lambda: server.record(new).state == "failed", server.output)
    assert len(server.witnessed("began", "anew")) == 2
    assert server.record(task).attempt == 1


@pytest.mark.parametrize("kind", ["uvicorn", "gunicorn uvicorn_worker", "gunicorn asgi"])
def test_open_tabs_keep_no_server_from_stopping(chromium: Any, tmp_path: Path, kind: str) -> None:
    """One that waits for its tabs would wait here for ten minutes."""
    patient = {"GUNICORN_CMD_ARGS": "--graceful-timeout 600"}
    with serving(kind, lay_out(tmp_path, MORE), **patient) as server:
        watched = Watched(chromium, server)
        for page in [watched.page, *(watched.open() for _ in range(9))]:
            page.goto(f"{watched.root}/tasks")
        server.stop()
        watched.context.close()
