"""Who comes in, and what may be changed from where: whatever the path, however the dashboard is mounted."""

from __future__ import annotations

import asyncio
import logging
import re
import runpy
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Header, Security
from fastapi import HTTPException as FastAPIsException
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.types import ASGIApp, Message

import outlast
from outlast.board.board import board
from outlast.board.door import HEADERS
from outlast.board.guard import Gate
from outlast.board.key import Key
from outlast.errors import ExtraMissing, NotInstalled, SettingsError
from outlast.settings.settings import Settings
from tests.board.asking import SENT_FROM_HERE, ask, post
from tests.board.conftest import Tasks, of

PATHS = [
    *("", "/", "//", "/tasks", "/tasks/", "//tasks", "/TASKS", "/tasks;x=1", "/tasks/0000000000000", "/./tasks"),
    *("/assets/board.js", "/assets/board.css", "/assets/../board.py", "/assets/..%2fboard.py", "/assets//etc/passwd"),
    *("/../tasks", "/%2e%2e/tasks", "/..%2f..%2f", "/change", "/confirm", "/nowhere", "/api/tasks", "/\0", "/\udcff"),
]
DOCS = Path(__file__).parents[2] / "docs"
FORM = {"content-type": "application/x-www-form-urlencoded"}
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "get"]


def closed(request: Request) -> bool:
    return False


def mounted(at: str, guard: Any, url: str) -> ASGIApp:
    """An app with a dashboard at that path, and something of its own beside it."""
    app = FastAPI()
    outlast.install(app, url=url)
    app.mount(at, outlast.dashboard(app, guard=guard))
    return app


def nested(at: str, guard: Any, url: str) -> ASGIApp:
    """The same in an app that is mounted in another."""
    outer = Starlette()
    outer.mount("/outer", mounted(at, guard, url))
    return outer


@pytest.mark.parametrize("where", ["alone", "mounted", "deep", "nested", "behind a proxy"])
def test_no_path_leads_past_the_guard(tasks: Tasks, where: str) -> None:
    alone = board(lambda: Settings(url=tasks.url), Gate(closed, lambda: True), is_read_only=False)
    way, app, root = {
        "alone": ("", alone, ""),
        "mounted": ("/outlast", mounted("/outlast", closed, tasks.url), ""),
        "deep": ("/a/b/c", mounted("/a/b/c", closed, tasks.url), ""),
        "nested": ("/outer/outlast", nested("/outlast", closed, tasks.url), ""),
        "behind a proxy": ("/outlast", mounted("/outlast", closed, tasks.url), "/api"),
    }[where]
    (one,) = tasks.fail("app:send")
    for path, method in product(PATHS, ("GET", "POST")):
        raw = f"{way}{path}".encode(errors="surrogateescape")
        scope = {"path": f"{way}{path}", "raw_path": raw, "root_path": root}
        answer = ask(app, way, method, headers=SENT_FROM_HERE, form=[("verb", "retry"), ("task", one)], **scope)
        assert answer.status in (307, 403, 404, 405), path
        assert "<html" not in answer.text, path
        assert answer.status == 403 or where != "alone", path
        assert answer.status != 307 or path == "", "only the slash is added to where the dashboard is mounted"
    assert tasks.states([one]) == ["failed"]


@pytest.mark.parametrize("method", METHODS)
def test_no_method_leads_past_the_guard(tasks: Tasks, method: str) -> None:
    app = board(lambda: Settings(url=tasks.url), Gate(closed, lambda: True), is_read_only=False)
    for path in ("/", "/tasks", "/change"):
        assert ask(app, path, method).status == 403


@pytest.mark.parametrize(
    ("client", "headers", "debug", "status"),
    [
        (("127.0.0.1", 5), {}, True, 200),
        (("127.0.0.1", 5), {"host": "127.0.0.1:8000"}, True, 200),
        (("::1", 5), {"host": "[::1]:8000"}, True, 200),
        (("127.0.0.1", 5), {}, False, 403),
        (("10.0.0.7", 5), {}, True, 403),
        (("10.0.0.7", 5), {}, False, 403),
        (None, {}, True, 403),
        (("127.0.0.1", 5), {"host": "evil.example"}, True, 403),
        (("127.0.0.1", 5), {"host": "localhost.evil.example:8000"}, True, 403),
        (("127.0.0.1", 5), {"host": ""}, True, 403),
        (("127.0.0.1", 5), {"host": "[::1"}, True, 403),
        (("127.0.0.1", 5), {"host": "localhost@evil.example"}, True, 403),
        (("127.0.0.1", 5), {"x-forwarded-for": "127.0.0.1"}, True, 403),
        (("127.0.0.1", 5), {"forwarded": "for=127.0.0.1"}, True, 403),
        (("127.0.0.1", 5), {"x-real-ip": "127.0.0.1"}, True, 403),
        (("localhost", 5), {}, True, 403),
    ],
)
def test_without_a_guard_it_opens_only_here_and_only_for_debugging(
    tasks: Tasks, client: tuple[str, int] | None, headers: dict[str, str], debug: bool, status: int
) -> None:
    app = FastAPI(debug=debug)
    outlast.install(app, url=tasks.url, dashboard="/outlast")
    answer = ask(app, "/outlast/", headers=headers, client=client)
    assert answer.status == status
    assert status == 200 or "dashboard_guard=" in answer.text


@pytest.mark.parametrize(
    "name",
    [
        "via",
        "x-forwarded-proto",
        "X-Forwarded-Port",
        "x-forwarded-prefix",
        "cf-connecting-ip",
        "true-client-ip",
        "x-client-ip",
    ],
)
def test_without_a_guard_no_proxy_that_says_so_leads_in(tasks: Tasks, name: str) -> None:
    app = FastAPI(debug=True)
    outlast.install(app, url=tasks.url, dashboard="/outlast")
    assert ask(app, "/outlast/", headers={name.lower(): "x"}).status == 403


def test_without_a_guard_who_speaks_as_proxies_do_is_not_let_in(tasks: Tasks) -> None:
    """No browser of these days asks by HTTP/1.0, as some proxies do that add no header."""
    app = FastAPI(debug=True)
    outlast.install(app, url=tasks.url, dashboard="/outlast")
    assert ask(app, "/outlast/", http_version="1.0").status == 403


def test_a_closed_dashboard_says_so_once_in_the_log(tasks: Tasks, caplog: pytest.LogCaptureFixture) -> None:
    app = FastAPI()
    outlast.install(app, url=tasks.url, dashboard="/outlast")
    for _ in range(3):
        ask(app, "/outlast/tasks")
    (record,) = [one for one in caplog.records if vars(one).get("event") == "dashboard_closed"]
    assert record.levelno == logging.WARNING
    assert "at /outlast," in record.getMessage()


class Secret:
    """A guard that is an object, as those of fastapi.security are."""

    async def __call__(self, request: Request) -> bool:
        if "authorization" not in request.headers:
            raise HTTPException(401, "who are you?", {"WWW-Authenticate": "Basic"})
        return request.headers["authorization"] == "it is me"


def says(answer: object) -> Callable[[Request], object]:
    return lambda _: answer


def later(answer: bool) -> Callable[[Request], object]:
    """A plain function that gives a coroutine."""
    return lambda request: async_true(request) if answer else async_false(request)


async def async_true(request: Request) -> bool:
    return True


async def async_false(request: Request) -> bool:
    return False


@pytest.mark.parametrize(
    ("guard", "headers", "status"),
    [
        (says(True), {}, 200),
        (says(False), {}, 403),
        (says(None), {}, 403),
        (says(1), {}, 403),
        (says("yes"), {}, 403),
        (says({"user": "Ada"}), {}, 403),
        (async_true, {}, 200),
        (async_false, {}, 403),
        (later(True), {}, 200),
        (later(False), {}, 403),
        (says(RedirectResponse("/login")), {}, 307),
        (says(PlainTextResponse("no", 418)), {}, 418),
        (Secret(), {}, 401),
        (Secret(), {"authorization": "it is somebody else"}, 403),
        (Secret(), {"authorization": "it is me"}, 200),
    ],
)
def test_only_true_lets_in(tasks: Tasks, guard: Any, headers: dict[str, str], status: int) -> None:
    answer = ask(mounted("/outlast", guard, tasks.url), "/outlast/", headers=headers)
    assert answer.status == status
    assert ("<html" in answer.text) is (status == 200)


def test_what_the_guard_raises_for_who_is_not_known_says_how_to_log_in(tasks: Tasks) -> None:
    answer = ask(mounted("/outlast", Secret(), tasks.url), "/outlast/")
    assert (answer.headers["www-authenticate"], answer.text) == ("Basic", "who are you?")


@pytest.mark.parametrize(
    ("detail", "text"),
    [
        ({"code": "no_user"}, '{"code": "no_user"}'),
        (["a", 1], '["a", 1]'),
        (7, "7"),
        ({"at": Path("x")}, '{"at": "x"}'),
    ],
)
def test_what_the_guard_raises_may_have_any_detail(tasks: Tasks, detail: Any, text: str) -> None:
    def guard(request: Request) -> bool:
        raise FastAPIsException(401, detail)

    answer = ask(mounted("/outlast", guard, tasks.url), "/outlast/")
    assert (answer.status, answer.text) == (401, text)


def test_a_guard_that_says_neither_is_named_in_the_log(tasks: Tasks, caplog: pytest.LogCaptureFixture) -> None:
    app = mounted("/outlast", says("yes"), tasks.url)
    for _ in range(3):
        ask(app, "/outlast/")
    (record,) = [one for one in caplog.records if vars(one).get("event") == "guard_unclear"]
    assert "<class 'str'>" in record.getMessage()


def known(request: Request) -> str:
    return "somebody"


def by_default(request: Request, user: str = Depends(known)) -> bool:
    return True


def by_hint(request: Request, user: Annotated[str, Security(known)]) -> bool:
    return True


def by_header(token: Annotated[str, Header()]) -> bool:
    return True


def instead_of_the_request(user: str = Depends(known)) -> bool:
    return True


def of_two(request: Request, role: str) -> bool:
    return True


def of_none() -> bool:
    return True


@pytest.mark.parametrize(
    "guard",
    [by_default, by_hint, by_header, instead_of_the_request, of_two, of_none, True, "is_admin"],
    ids=lambda one: getattr(one, "__name__", repr(one)),
)
def test_what_cannot_be_called_with_a_request_alone_is_no_guard(tasks: Tasks, guard: Any) -> None:
    app = FastAPI()
    with pytest.raises(SettingsError, match=r"no guard of the dashboard.*request: Request\) -> bool"):
        outlast.install(app, url=tasks.url, dashboard="/outlast", dashboard_guard=guard)
    with pytest.raises(SettingsError, match="no guard of the dashboard"):
        mounted("/outlast", guard, tasks.url)


def with_a_role(request: Request, role: str = "admin") -> bool:
    return role == "admin"


def test_a_guard_may_have_a_parameter_of_its_own(tasks: Tasks) -> None:
    assert ask(mounted("/outlast", with_a_role, tasks.url), "/outlast/").status == 200


@pytest.mark.parametrize("how", [Request.body, Request.form, Request.json], ids=lambda one: one.__name__)
def test_a_guard_may_read_the_body(tasks: Tasks, how: Any) -> None:
    async def reads(request: Request) -> bool:
        with suppress(ValueError):
            await how(request)
        return True

    (task,) = tasks.add("main:work")
    fields, headers = [("verb", "cancel"), ("task", task)], SENT_FROM_HERE | FORM
    answer = post(mounted("/outlast", reads, tasks.url), "/outlast/confirm", *fields, headers=headers)
    assert (answer.status, task in answer.text) == (200, True)


def test_a_guard_that_breaks_lets_nobody_in(tasks: Tasks) -> None:
    def broken(request: Request) -> bool:
        raise RuntimeError("no connection to the directory")

    with pytest.raises(RuntimeError, match="directory"):
        ask(mounted("/outlast", broken, tasks.url), "/outlast/")


def test_a_websocket_is_turned_away(tasks: Tasks) -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/", "headers": [], "root_path": "", "query_string": b""}
    asyncio.run(of(tasks.url)(scope, receive, send))  # type: ignore[arg-type]
    assert [one["type"] for one in sent] == ["websocket.close"]


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        *(("/", "GET", 200), ("/", "HEAD", 200), ("/assets/board.js", "GET", 200), ("/nowhere", "GET", 404)),
        *(("/change", "GET", 405), ("/tasks/zz", "GET", 404), ("/incidents/zz", "GET", 404), ("/change", "POST", 403)),
    ],
)
def test_each_answer_has_the_headers(dashboard: ASGIApp, path: str, method: str, status: int) -> None:
    answer = ask(dashboard, path, method)
    assert answer.status == status
    assert {name: answer.headers[name.lower()] for name in HEADERS} == HEADERS
    assert "no-store" in answer.headers["cache-control"] or path.startswith("/assets/")


def test_what_the_guard_refuses_has_them_too(tasks: Tasks) -> None:
    answer = ask(mounted("/outlast", closed, tasks.url), "/outlast/")
    assert {name: answer.headers[name.lower()] for name in HEADERS} == HEADERS


def test_nothing_is_allowed_that_stands_in_a_page() -> None:
    policy = HEADERS["Content-Security-Policy"]
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy


@pytest.mark.parametrize(
    ("headers", "is_let_through"),
    [
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "same-origin", "origin": "null"}, True),
        ({"origin": "http://localhost:8000"}, True),
        ({}, False),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site"}, False),
        ({"sec-fetch-site": "none"}, False),
        ({"sec-fetch-site": ""}, False),
        ({"sec-fetch-site": "cross-site", "origin": "http://localhost:8000"}, False),
        ({"origin": "http://evil.example"}, False),
        ({"origin": "http://localhost:8001"}, False),
        ({"origin": "http://localhost:8000.evil.example"}, False),
        ({"origin": "null"}, False),
        ({"origin": "http://["}, False),
        ({"origin": "http://evil@localhost:8000"}, False),
        ({"origin": "http://localhost:8000/"}, False),
        ({"origin": ""}, False),
        ({"origin": "", "host": ""}, False),
        ({"referer": "http://localhost:8000/"}, False),
    ],
)
def test_nothing_is_changed_from_another_site(tasks: Tasks, headers: dict[str, str], is_let_through: bool) -> None:
    (failed,) = tasks.fail("app:send")
    answer = post(of(tasks.url), "/change", ("verb", "retry"), ("task", failed), headers=headers)
    assert answer.status == (303 if is_let_through else 403)
    assert tasks.states([failed]) == ["waiting" if is_let_through else "failed"]


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
def test_nothing_is_changed_by_looking(tasks: Tasks, dashboard: ASGIApp, method: str) -> None:
    (failed,) = tasks.fail("app:send")
    for path in ("/change", "/confirm"):
        answer = ask(dashboard, f"{path}?verb=retry&task={failed}", method, form=[("verb", "retry"), ("task", failed)])
        assert answer.status == 405
    assert tasks.states([failed]) == ["failed"]


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "BREW"])
def test_nothing_is_changed_where_one_may_only_read(tasks: Tasks, method: str) -> None:
    (failed,) = tasks.fail("app:send")
    fields = [("verb", "delete"), ("task", failed)]
    for path in ("/change", "/confirm", "/repeat", "/tasks"):
        answer = ask(of(tasks.url, is_read_only=True), path, method, headers=SENT_FROM_HERE, form=fields)
        assert answer.status == 403
    assert tasks.states([failed]) == ["failed"]


def test_where_one_may_only_read_no_page_has_a_button_for_more(tasks: Tasks) -> None:
    (failed,) = tasks.fail("app:send")
    for path in ("/", "/tasks", f"/tasks/{failed}", "/failures", "/workers", "/incidents", "/system"):
        page = ask(of(tasks.url, is_read_only=True), path).page
        assert not [one for one in page.all_of("form") if one.get("method") == "post"]
        assert "read-only" in page.said


@pytest.mark.parametrize("body", [b"x" * (2 << 20), b"&".join([b"id=1"] * 5_000)], ids=["long", "many fields"])
def test_a_form_that_is_too_large_changes_nothing(tasks: Tasks, dashboard: ASGIApp, body: bytes) -> None:
    (failed,) = tasks.fail("app:send")
    whole = f"verb=delete&task={failed}&".encode() + body
    assert ask(dashboard, "/change", "POST", headers=SENT_FROM_HERE, form=whole).status == 413
    assert tasks.states([failed]) == ["failed"]


@pytest.mark.parametrize("body", [b"", b"\xff\xfe", b"verb=drop&task=1", b"verb", b"{}", b"verb=retry&verb=drop"])
def test_what_is_no_form_changes_nothing(tasks: Tasks, dashboard: ASGIApp, body: bytes) -> None:
    (failed,) = tasks.fail("app:send")
    assert ask(dashboard, "/change", "POST", headers=SENT_FROM_HERE, form=body).status in (303, 400)
    assert tasks.states([failed]) == ["failed"]


class TestKey:
    """Of `outlast dashboard`."""

    @pytest.fixture
    def key(self) -> Key:
        return Key()

    @pytest.fixture
    def alone(self, tasks: Tasks, key: Key) -> ASGIApp:
        return board(lambda: Settings(url=tasks.url), Gate(key, lambda: True), is_read_only=False)

    def test_the_address_lets_in_by_a_cookie(self, alone: ASGIApp, key: Key) -> None:
        first = ask(alone, f"/?key={key.secret}")
        assert (first.status, first.headers["location"]) == (303, "/")
        assert "HttpOnly" in first.headers["set-cookie"]
        cookie = first.headers["set-cookie"].partition(";")[0]
        assert ask(alone, "/tasks", headers={"cookie": cookie}).status == 200

    @pytest.mark.parametrize("given", ["", "?key=", "?key=guessed", "?key=%00", "?key=%ff"])
    def test_nothing_else_does(self, alone: ASGIApp, given: str) -> None:
        for cookie in ({}, {"cookie": "outlast=x"}):
            answer = ask(alone, f"/{given}", headers=cookie)
            assert (answer.status, "address that `outlast dashboard` has printed" in answer.text) == (403, True)


def test_the_example_of_the_docs_asks_for_a_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (DOCS / "dashboard.md").read_text(), re.DOTALL)
    (tmp_path / "example.py").write_text(example)
    monkeypatch.chdir(tmp_path)
    app = runpy.run_path("example.py")["app"]
    assert ask(app, "/outlast/").headers["www-authenticate"] == "Basic"
    for password, status in (("guessed", 403), ("from your settings", 200)):
        given = b64encode(f"ada:{password}".encode()).decode()
        assert ask(app, "/outlast/", headers={"authorization": f"Basic {given}"}).status == status


def test_an_app_needs_outlast_before_it_has_a_dashboard() -> None:
    with pytest.raises(NotInstalled, match="install"):
        outlast.dashboard(FastAPI())


def test_a_second_install_cannot_add_one_silently(tasks: Tasks) -> None:
    app = FastAPI()
    outlast.install(app, url=tasks.url)
    with pytest.raises(SettingsError, match="dashboard"):
        outlast.install(app, dashboard="/outlast")


@pytest.mark.parametrize(
    "path", ["outlast", "", "/", "//x", "/a//b", "/a?b", "/a#b", "/{x}", True, None, Path("/x"), b"/x"]
)
def test_a_path_that_is_none_is_refused(tasks: Tasks, path: Any) -> None:
    app = FastAPI()
    with pytest.raises(SettingsError, match=r"the dashboard's path is .*, but it has to be one such as '/outlast'"):
        outlast.install(app, url=tasks.url, dashboard=path, dashboard_guard=closed)


@pytest.mark.parametrize("is_last", [False, True])
@pytest.mark.parametrize(("root", "asked"), [("", "/outlast"), ("/api", "/api/outlast"), ("/api", "/outlast")])
def test_it_is_found_whatever_else_an_app_has(tasks: Tasks, root: str, asked: str, is_last: bool) -> None:
    app = FastAPI(redirect_slashes=False)
    if not is_last:
        outlast.install(app, url=tasks.url, dashboard="/outlast", dashboard_guard=lambda _: True)
    app.get("/{path:path}")(lambda path: f"the page of a single-page app at {path}")
    app.mount("/", Starlette())
    if is_last:
        outlast.install(app, url=tasks.url, dashboard="/outlast", dashboard_guard=lambda _: True)
    answer = ask(app, f"{asked}?pace=off", root_path=root)
    assert (answer.status, answer.headers["location"]) == (307, "./outlast/?pace=off")
    assert "<html" in ask(app, f"{asked}/?pace=off", root_path=root).text


def test_a_second_install_cannot_guard_what_is_open(tasks: Tasks) -> None:
    app = FastAPI()
    outlast.install(app, url=tasks.url, dashboard="/outlast")
    with pytest.raises(SettingsError, match="would guard nothing"):
        outlast.install(app, url=tasks.url, dashboard_guard=closed)


def test_without_a_path_there_is_none(tasks: Tasks) -> None:
    app = FastAPI()
    outlast.install(app, url=tasks.url)
    assert ask(app, "/outlast/").status == 404


def test_without_jinja2_it_says_what_to_install(tasks: Tasks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("outlast.board.board.find_spec", lambda _: None)
    with pytest.raises(ExtraMissing, match=r"pip install 'outlast\[dashboard\]'"):
        outlast.install(FastAPI(), url=tasks.url, dashboard="/outlast")
