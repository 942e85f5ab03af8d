"""What nobody can mean is refused by the call that was wrong, in a sentence that names it."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Coroutine, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

import outlast
from outlast import NotStorable, OptionError
from outlast.errors import SettingsError
from outlast.functions.checkpoints import encoded
from outlast.system.process import this

HUGE = 10**400  # more than a float can be


def plain(number: int = 0) -> int:
    return number


def open_to_any(n: int, **more: int) -> int:
    return n + len(more)


class Mailer:
    def send(self) -> None: ...


@pytest.fixture(autouse=True)
def app() -> Iterator[FastAPI]:
    before = this.apps.newest
    app = FastAPI()
    outlast.install(app)
    yield app
    this.apps.newest = before


def refused(call: Callable[[], Any], kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        made = call()
        if isinstance(made, Coroutine):
            asyncio.run(made)


@pytest.mark.parametrize("verb", [outlast.get_sync, outlast.cancel_sync, outlast.retry_sync])
@pytest.mark.parametrize("task", [None, True, 1.5, b"x", []])
def test_what_is_no_id(verb: Callable[[Any], object], task: object) -> None:
    refused(lambda: verb(task), TypeError, f"{task!r} is no id of a task: give handle.id".replace("[", r"\["))


def test_a_handle_is_no_id_but_has_one() -> None:
    handle = outlast.enqueue_sync(plain)
    refused(lambda: outlast.get_sync(handle), TypeError, rf"Handle\({handle.id}\) is no id of a task: give handle.id")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"limit": "x"}, "'limit' is 'x', but it has to be a whole number"),
        ({"limit": None}, "'limit' is None"),
        ({"limit": True}, "'limit' is True"),
        ({"limit": -1}, "'limit' is -1"),
        ({"limit": 2**63}, "'limit' is 9223372036854775808"),
        ({"since": 3600}, "'since' is 3600, but it has to be a datetime, or a timedelta"),
        ({"since": date(2026, 1, 1)}, "'since' is datetime.date"),
        ({"state": None}, "there is no state None: there are held, waiting"),
        ({"state": 5}, "there is no state 5"),
        ({"state": [[]]}, r"there is no state \[\]"),
        ({"name": 5}, "'name' is 5, but it has to be text"),
        ({"key": None}, "'key' is None"),
        ({"queue": []}, r"'queue' is \[\]"),
        ({"name": "\ud800"}, r"'name' is '\\ud800'"),
    ],
)
def test_what_no_task_can_have(asked: dict[str, Any], said: str) -> None:
    refused(lambda: outlast.find_sync(**asked), OptionError, said)
    refused(lambda: outlast.find(**asked), OptionError, said)


@pytest.mark.parametrize("timeout", ["5", float("nan"), []])
def test_what_is_no_time_to_wait(timeout: Any) -> None:
    handle = outlast.enqueue_sync(plain)
    for ask in (handle.wait, handle.wait_sync, handle.result, handle.result_sync):
        refused(lambda: ask(timeout), OptionError, "'timeout' is .*, but it has to be a number of seconds")  # noqa: B023


@pytest.mark.parametrize("timeout", [timedelta(days=1), -1, HUGE, float("inf"), None])
def test_any_time_may_be_waited(timeout: Any) -> None:
    handle = outlast.enqueue_sync(plain, 7)
    assert handle.result_sync(timeout) == asyncio.run(handle.result(timeout)) == 7


@pytest.mark.parametrize("since", [datetime.min, datetime.min.replace(tzinfo=UTC), timedelta.max])
def test_any_time_in_the_past_may_be_meant(since: datetime | timedelta) -> None:
    handle = outlast.enqueue_sync(plain)
    assert handle.id in [one.id for one in outlast.find_sync(since=since)]


@pytest.mark.parametrize("option", ["delay", "expires", "timeout", "backoff", "key_for"])
@pytest.mark.parametrize("time", [HUGE, -1, float("nan"), float("inf"), "5", True])
def test_what_is_no_time(option: str, time: object) -> None:
    refused(lambda: outlast.options(**{option: time}), OptionError, f"option '{option}' is")  # type: ignore[arg-type]


@pytest.mark.parametrize("at", [datetime.min, datetime.max, date(2026, 1, 1), 5])
def test_what_is_no_moment(at: Any) -> None:
    refused(lambda: outlast.options(run_at=at), OptionError, "option 'run_at' is")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"seconds": HUGE}, "option 'seconds' is"),
        ({"seconds": 5, "missed": []}, r"'missed' is \[\], but it has to be one of"),
        ({"seconds": 5, "name": []}, r"the name of a schedule is \[\]"),
    ],
)
def test_what_is_no_schedule(given: dict[str, Any], said: str) -> None:
    refused(lambda: outlast.every(**given), OptionError, said)


@pytest.mark.parametrize("function", [None, 5, "text"])
def test_what_is_no_function(function: Any) -> None:
    refused(lambda: outlast.every(seconds=5)(function), OptionError, r"every\(\.\.\.\) decorates a function, and")
    refused(lambda: outlast.task(retries=1)(function), OptionError, "cannot be decorated with @outlast.task")
    refused(lambda: outlast.on_failure(function), OptionError, "cannot be told of the ends of tasks")
    refused(lambda: outlast.on_end(function), OptionError, "cannot be told of the ends of tasks")


@pytest.mark.parametrize("function", [Mailer().send, len, print, int])
def test_what_cannot_be_decorated(function: Any) -> None:
    for decorate in (outlast.task, outlast.task(retries=1)):
        refused(lambda: decorate(function), OptionError, "decorate a function or method where it is written")  # noqa: B023


@pytest.mark.parametrize("when", [None, 5, "* * * * *"])
def test_what_is_no_time_of_a_schedule(when: Any) -> None:
    refused(lambda: outlast.schedule_sync("x", when, plain), OptionError, r"give outlast\.every\(\.\.\.\)")
    refused(lambda: outlast.schedule("x", when, plain), OptionError, r"give outlast\.every\(\.\.\.\)")


@pytest.mark.parametrize("source", [None, 5, "text", io.StringIO("text")])
def test_what_is_no_file(source: Any) -> None:
    refused(lambda: outlast.stash(source), NotStorable, "cannot be stashed: give an upload, a file that is open in")


@pytest.mark.parametrize(("name", "given"), [("filename", 5), ("content_type", 5), ("content_type", "\u20ac")])
def test_what_no_file_can_have(name: str, given: Any) -> None:
    refused(lambda: outlast.stash(b"x", **{name: given}), NotStorable, f"the {name} of a stashed file is")


@pytest.mark.parametrize("source", [bytearray(b"bytes"), memoryview(b"bytes")])
def test_bytes_of_any_kind_are_stashed(source: Any) -> None:
    assert asyncio.run(outlast.stash(source)).size == 5


@pytest.mark.parametrize("given", [None, 5, "main:app"])
def test_what_is_no_app(given: Any) -> None:
    refused(lambda: outlast.install(given), TypeError, r"install\(\) takes the app itself, FastAPI\(\.\.\.\)")
    refused(lambda: outlast.dashboard(given), outlast.NotInstalled, "this app has no outlast")


@pytest.mark.parametrize("answer", [lambda handle: handle, lambda handle: {"tasks": [handle]}])
def test_an_endpoint_that_returns_a_handle_hears_what_to_return(
    app: FastAPI, answer: Callable[[object], object]
) -> None:
    @app.get("/")
    async def ask():  # type: ignore[no-untyped-def]  # noqa: ANN202
        return answer(await outlast.enqueue(plain))

    with TestClient(app) as client, pytest.raises(ValueError, match=r"return outlast\.accepted\(handle\)"):
        client.get("/")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"retry": 3}, "'retry' is no option of a task: did you mean 'retries'"),
        ({"countdown": 5}, "did you mean 'delay'"),
        ({"eta": 5}, "did you mean 'run_at'"),
        ({"parallel": True}, r"'parallel' is no option here: it is one of tasks.options\("),
        ({"travels": True}, r"it is one of a function, @outlast.task\("),
    ],
)
def test_an_option_by_another_name(options: dict[str, Any], said: str) -> None:
    refused(lambda: outlast.options(**options), OptionError, said)


def test_options_among_the_arguments_of_a_call() -> None:
    said = r"plain: it has no parameter 'retries': options stand before the call, tasks.options\(retries=...\).add_task"
    refused(lambda: outlast.enqueue_sync(plain, 1, retries=3), NotStorable, said)  # type: ignore[call-arg, arg-type]
    refused(lambda: outlast.enqueue_sync(plain, 1, odd=3), NotStorable, "call it as its signature says")  # type: ignore[call-arg, arg-type]
    refused(lambda: outlast.enqueue_sync(open_to_any, retries=3), NotStorable, "missing a required argument: 'n'")  # type: ignore[call-overload]


def test_a_call_is_no_function() -> None:
    said = r"is a call by `.s\(...\)`, for outlast.chain and its like: pass the function"
    refused(lambda: outlast.enqueue_sync(outlast.s(plain, 1)), NotStorable, said)  # type: ignore[call-overload]


@pytest.mark.parametrize("given", [[outlast.s(plain)], (outlast.s(plain),), (one for one in [outlast.s(plain)])])
def test_calls_are_given_one_by_one(given: Any) -> None:
    said = rf"one by one, not as a {type(given).__name__}: write chain\(\*calls\)"
    refused(lambda: outlast.chain(given), OptionError, said)
    refused(lambda: outlast.group(given, then=outlast.s(plain)), OptionError, said)


def test_sequences_do_not_nest() -> None:
    def nested() -> Any:
        return outlast.chain(outlast.group(outlast.s(plain), then=outlast.s(plain)))  # type: ignore[call-overload]

    refused(nested, OptionError, r"Neither a chain nor a group is part of another: give .* options\(then=")


@pytest.mark.parametrize("given", [30, timedelta(hours=1), plain])
def test_every_is_told_when(given: Any) -> None:
    refused(lambda: outlast.every(given), OptionError, r"say when: every\('0 6 .* or every\(seconds=30\), not ")


@pytest.mark.parametrize("name", ["minutes", "hours", "cron"])
def test_every_has_no_other_keyword(name: str) -> None:
    said = rf"every\(...\) has no '{name}': it has cron text in front, or seconds="
    refused(lambda: outlast.every(**{name: 5}), OptionError, said)  # type: ignore[arg-type]


def test_backoff_has_no_other_keyword() -> None:
    refused(lambda: outlast.backoff(max=5), OptionError, r"backoff\(...\) has no 'max': it has first, factor, most")  # type: ignore[call-arg]


def test_find_has_no_other_keyword() -> None:
    said = r"find\(...\) has no 'status': it has state, since, limit, name, key, queue"
    refused(lambda: outlast.find_sync(status="failed"), OptionError, said)  # type: ignore[call-arg]


def test_an_option_is_no_setting() -> None:
    said = r"no setting 'retries'; of tasks it is an option: options=\{'retries': ...\}"
    refused(lambda: outlast.install(FastAPI(), retries=3), SettingsError, said)  # type: ignore[call-arg]
    refused(lambda: outlast.install(FastAPI(), dashboard=True), SettingsError, "the dashboard's path is True")  # type: ignore[arg-type]


@pytest.mark.parametrize("value", [(1, 2), {"seen": {3}}])
def test_a_checkpoint_is_not_called_a_parameter(value: Any) -> None:
    said = r"this checkpoint cannot be kept: it (is|has) a (tuple|set)( at `value.seen`)?, .*: give a list$"
    refused(lambda: encoded(value), NotStorable, said)
