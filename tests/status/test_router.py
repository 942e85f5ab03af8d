"""The routes by which users of an app follow their tasks, asked over HTTP as a client does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import apsw
import httpx2
import pytest
from click.testing import CliRunner
from fastapi import FastAPI

import outlast
from outlast.cli.main import cli
from outlast.ids import number_of
from outlast.status.places import Place, place_of
from tests.support.servers import PATIENCE, Server, eventually, lay_out, serving

APP = """

import outlast
from fastapi import Depends, Header, HTTPException, Response


def count(name: str, most: int) -> dict[str, int | str]:
    for number in outlast.track(range(most)):
        while not Path(f"{name}.{number}").exists():
            outlast.current().check()
            time.sleep(0.01)
    return {"counted": most, "password": "hidden", "markup": "<script>"}


def broken(name: str) -> None:
    raise ValueError(f"of {name}")


def known(x_user: str = Header("")) -> None:
    if x_user != "me":
        raise HTTPException(401, "who are you?")


inner, bare, shops = FastAPI(), FastAPI(), FastAPI()


@app.post("/plain/{name}", status_code=202, response_model=outlast.TaskStatus, responses=outlast.ACCEPTED)
async def ask(name: str, most: int = 1, delay: float = 0.0):
    return outlast.accepted(await outlast.options(delay=delay).enqueue(count, name, most))


@app.post("/after/{name}")
def after(name: str, tasks: outlast.BackgroundTasks):
    return outlast.accepted(tasks.add_task(broken, name), headers={"X-Own": "kept"})


@app.post("/none")
def no_handle(tasks: BackgroundTasks):
    try:
        return outlast.accepted(tasks.add_task(ok, "none"))
    except TypeError as error:
        return Response(str(error), 400)


@app.post("/keyed/{name}")
def keyed(name: str, tasks: outlast.BackgroundTasks):
    return outlast.accepted(tasks.options(key="one").add_task(count, name, 1))


@inner.post("/ask/{name}")
@bare.post("/ask/{name}")
async def ask_inside(name: str):
    return outlast.accepted(await outlast.enqueue(count, name, 1))


@shops.post("/{shop}/users/{user}/{name}", status_code=202)
async def ask_in_shop(shop: str, user: str, name: str):
    return outlast.accepted(await outlast.enqueue(broken, name))


shops.include_router(outlast.router("/users/{user}/tasks", reasons=True), prefix="/{shop}")
app.mount("/shops", shops)
app.include_router(outlast.router())
app.include_router(outlast.router("/guarded", dependencies=[Depends(known)], reasons=True))
inner.include_router(outlast.router("/follow"))
app.mount("/inner", inner)
app.mount("/bare", bare)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving("uvicorn", lay_out(tmp_path_factory.mktemp("status"), APP)) as server:
        yield server


@pytest.fixture(scope="module")
def client(server: Server) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=f"http://127.0.0.1:{server.port}", timeout=30 * PATIENCE) as client:
        yield client


def tell(server: Server, name: str, *numbers: int) -> None:
    """Let a task `count` go on."""
    for number in numbers:
        (server.folder / f"{name}.{number}").touch()


def order(client: httpx2.Client, path: str, **headers: str) -> dict[str, Any]:
    answer = client.post(path, headers=headers)
    assert answer.status_code == 202, answer.text
    assert answer.headers["location"] == answer.json()["status_url"]
    return dict(answer.json())


def events(client: httpx2.Client, path: str, **headers: str) -> list[dict[str, str]]:
    """What a stream sends until it ends: each event by its fields."""
    text = client.get(path, headers=headers).text
    return [dict(line.split(": ", 1) for line in block.split("\n") if line) for block in text.split("\n\n") if block]


def test_who_asked_for_a_task_can_follow_it_to_its_result(server: Server, client: httpx2.Client) -> None:
    status = order(client, "/plain/followed?most=2")
    tell(server, "followed", 0)
    step = {"done": 1.0, "total": 2.0, "note": ""}
    eventually(lambda: client.get(status["status_url"]).json()["progress"] == step, "its first step is done")
    answer = client.get(status["status_url"])
    assert (answer.json()["state"], answer.headers["retry-after"]) == ("running", "1")
    tell(server, "followed", 1)
    answer = client.get(status["status_url"], params={"wait": 20})
    assert "retry-after" not in answer.headers
    assert answer.json()["state"] == "done"
    assert answer.json()["result"] == {"counted": 2, "password": "[redacted]", "markup": "<script>"}
    assert answer.headers["cache-control"] == "private, no-cache"


def test_what_has_not_changed_is_not_sent_again_and_a_change_is_waited_for(
    server: Server, client: httpx2.Client
) -> None:
    url = order(client, "/plain/etag")["status_url"]
    eventually(lambda: client.get(url).json()["progress"], "it runs, and has said how far it is")
    before = client.get(url).headers["etag"]
    answer = client.get(url, headers={"If-None-Match": f'"other", W/{before}'}, params={"wait": 0.01})
    assert (answer.status_code, answer.headers["etag"], answer.content) == (304, before, b"")
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(client.get, url, headers={"If-None-Match": before}, params={"wait": 20})
        tell(server, "etag", 0)
        assert waiting.result().status_code == 200
        assert waiting.result().headers["etag"] != before


def test_a_task_of_add_task_is_accepted_before_it_can_begin_and_its_error_is_nobodys_business(
    client: httpx2.Client,
) -> None:
    answer = client.post("/after/secret", headers={"Prefer": "respond-async, wait=20"})
    assert (answer.status_code, answer.json()["state"], answer.headers["x-own"]) == (202, "held", "kept")
    assert "preference-applied" not in answer.headers, "nobody has waited"
    ended = client.get(answer.headers["location"], headers={"Prefer": "wait=20"})
    assert (ended.json()["state"], ended.json()["reason"]) == ("failed", "")
    guarded = answer.headers["location"].replace("/tasks/", "/guarded/")
    assert client.get(guarded).status_code == 401
    assert client.get(guarded, headers={"X-User": "me"}).json()["reason"] == "ValueError: of secret"


def test_who_prefers_to_wait_gets_the_end(server: Server, client: httpx2.Client) -> None:
    tell(server, "preferred", 0)
    answer = client.post("/plain/preferred", headers={"Prefer": "respond-async, wait=20"})
    assert (answer.status_code, answer.json()["state"]) == (200, "done")
    assert (answer.headers["preference-applied"], answer.headers["vary"]) == ("wait", "Prefer")


def test_the_second_request_with_a_key_is_told_of_the_first_task(server: Server, client: httpx2.Client) -> None:
    first, second = order(client, "/keyed/keyed"), order(client, "/keyed/keyed")
    assert first["id"] == second["id"]
    tell(server, "keyed", 0)
    assert client.get(second["status_url"], params={"wait": 20}).json()["state"] == "done"


def test_each_change_is_sent_once_and_who_comes_back_goes_on(server: Server, client: httpx2.Client) -> None:
    task = order(client, "/plain/streamed?most=2")
    eventually(lambda: client.get(task["status_url"]).json()["state"] == "running", "it runs")
    seen: list[dict[str, Any]] = []
    with client.stream("GET", task["events_url"]) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        for line in stream.iter_lines():
            if line.startswith("data: "):
                seen.append(json.loads(line.removeprefix("data: ")))
                tell(server, "streamed", len(seen) - 1)
    assert (seen[0]["state"], seen[-1]["state"]) == ("running", "done")
    assert len({json.dumps(one) for one in seen}) == len(seen)
    (last,) = [one for one in events(client, task["events_url"]) if "event" in one]
    assert (last["event"], json.loads(last["data"])["state"]) == ("done", "done")


def test_what_a_client_has_seen_is_not_sent_when_it_comes_back(server: Server, client: httpx2.Client) -> None:
    task = order(client, "/plain/again")
    eventually(lambda: client.get(task["status_url"]).json()["progress"], "it runs, and has said how far it is")
    known = client.get(task["status_url"]).headers["etag"]
    with ThreadPoolExecutor() as threads:
        streamed = threads.submit(events, client, task["events_url"], **{"Last-Event-ID": known})
        assert not client.get(task["status_url"], headers={"If-None-Match": known}, params={"wait": 0.5}).content
        tell(server, "again", 0)
        assert [one["event"] for one in streamed.result() if "event" in one][-1] == "done"
        assert known not in [one.get("id") for one in streamed.result()]


def test_a_task_is_cancelled_as_long_as_it_has_not_ended(server: Server, client: httpx2.Client) -> None:
    url = order(client, "/plain/cancelled?delay=3600")["status_url"]
    assert client.get(url).headers["retry-after"] == "60"
    for _ in range(2):
        answer = client.delete(url)
        assert (answer.status_code, answer.json()["state"]) == (202, "cancelled")
    ended = order(client, "/plain/ended")["status_url"]
    tell(server, "ended", 0)
    assert client.get(ended, params={"wait": 20}).json()["state"] == "done"
    late = client.delete(ended)
    assert (late.status_code, late.headers["content-type"]) == (409, "application/problem+json")
    assert late.json() == {"title": "Conflict", "status": 409, "detail": late.json()["detail"]}


def test_nobody_finds_a_task_by_guessing(server: Server, client: httpx2.Client) -> None:
    task, other = order(client, "/plain/mine?delay=3600")["id"], order(client, "/plain/other?delay=3600")["id"]
    assert len(task) == 33
    assert task[13:] != other[13:]
    letter = "a" if task[-1] != "a" else "b"
    guesses = [
        task[:13],
        task[:13] + other[13:],
        task[:-1] + letter,
        task.upper(),
        task + "a",
        "%00",
        "ä" * 33,
        "..",
        "0",
    ]
    for guess in guesses:
        answer = client.get(f"/tasks/{guess}")
        assert answer.status_code == 404, guess
    assert client.delete(f"/tasks/{task[:13]}").status_code == 404
    assert {one.state for one in server.records() if one.function == "main:count"} >= {"waiting"}


def test_a_task_that_was_deleted_is_gone(server: Server, client: httpx2.Client) -> None:
    task = order(client, "/plain/deleted?delay=3600")
    client.delete(task["status_url"])
    CliRunner().invoke(cli, ["delete", task["id"][:13], "--url", f"sqlite:///{server.journal}"], catch_exceptions=False)
    answer = client.get(task["status_url"])
    assert (answer.status_code, answer.json()["title"]) == (410, "Gone")


def deleted(server: Server, task: str) -> None:
    """As one that is parked can be while it is watched."""
    with closing(apsw.Connection(str(server.journal))) as connection:
        connection.set_busy_timeout(int(5000 * PATIENCE))
        connection.execute("DELETE FROM task WHERE id = ?", (number_of(task[:13]),))


def test_a_stream_ends_when_its_task_is_deleted_and_who_comes_back_is_told(
    server: Server, client: httpx2.Client
) -> None:
    task = order(client, "/plain/watched?delay=3600")
    with client.stream("GET", task["events_url"]) as stream:
        lines = stream.iter_lines()
        assert next(line for line in lines if line.startswith("event: ")) == "event: state"
        deleted(server, task["id"])
        assert not [line for line in lines if line.startswith("event: done")], "it has not been done"
    answer = client.get(task["events_url"])
    assert (answer.status_code, answer.headers["content-type"]) == (410, "application/problem+json")
    assert "Exception in ASGI application" not in server.output


def test_a_task_that_is_deleted_while_it_is_waited_for_is_gone(server: Server, client: httpx2.Client) -> None:
    task = order(client, "/plain/awaited?delay=3600")
    known = client.get(task["status_url"]).headers["etag"]
    with ThreadPoolExecutor() as threads:
        waiting = threads.submit(client.get, task["status_url"], headers={"If-None-Match": known}, params={"wait": 20})
        deleted(server, task["id"])
        assert (waiting.result().status_code, waiting.result().json()["title"]) == (410, "Gone")


def test_parameters_of_the_path_are_those_of_the_request(client: httpx2.Client) -> None:
    answer = client.post("/shops/north/users/jä n/of-it", headers={"Prefer": "wait=20"})
    place = answer.headers["location"]
    assert place == f"/shops/north/users/j%C3%A4%20n/tasks/{answer.json()['id']}"
    told = client.get(place).json()
    assert told == answer.json()
    assert told["reason"] == "ValueError: of of-it", "as `accepted` tells it, too"
    assert told["events_url"] == f"{place}/events"


def test_routes_whose_parameters_a_request_does_not_have_are_said_to_be_none_for_it() -> None:
    app = FastAPI()
    app.include_router(outlast.router("/users/{user}/tasks"))
    scope = {"type": "http", "app": app, "router": app.router, "path_params": {"order": "1"}}
    with pytest.raises(outlast.NotInstalled, match="parameters in their paths that this request does not have"):
        place_of(scope, "ticket")
    place = place_of({**scope, "path_params": {"order": "1", "user": "ann", "task": "other"}}, "ticket")
    assert place == Place("/users/ann/tasks/ticket", "/users/ann/tasks/ticket/events", tells_reasons=False)


@pytest.mark.parametrize("query", ["wait=x", "wait=-1", "wait=21", "wait=nan"])
def test_a_wrong_parameter_is_a_problem(client: httpx2.Client, query: str) -> None:
    url = order(client, "/plain/wrong?delay=3600")["status_url"]
    answer = client.get(f"{url}?{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert "query.wait" in answer.json()["detail"]


def test_what_is_no_handle_is_refused_with_the_remedy(client: httpx2.Client) -> None:
    assert "annotate the parameter of the endpoint as outlast.BackgroundTasks" in client.post("/none").text


def test_who_has_not_awaited_hears_that() -> None:
    async def handle() -> None: ...

    forgotten: Any = handle()
    with pytest.raises(TypeError, match=r"accepted\(await outlast.enqueue"):
        outlast.accepted(forgotten)
    forgotten.close()


def test_the_location_leads_to_the_routes_of_the_app_that_answers(server: Server, client: httpx2.Client) -> None:
    inside, outside = order(client, "/inner/ask/inside"), order(client, "/bare/ask/outside")
    assert inside["status_url"].startswith("/inner/follow/")
    assert outside["status_url"].startswith("/tasks/")
    tell(server, "inside", 0)
    tell(server, "outside", 0)
    for task in (inside, outside):
        assert client.get(task["status_url"], params={"wait": 20}).json()["state"] == "done"


def test_openapi_has_all_of_it(client: httpx2.Client) -> None:
    described = client.get("/openapi.json").json()
    asked = described["paths"]["/tasks/{task}"]
    assert set(asked["get"]["responses"]) == {"200", "304", "404", "410", "422", "503"}
    assert set(asked["delete"]["responses"]) == {"202", "404", "409", "410", "422", "503"}
    assert "application/problem+json" in asked["get"]["responses"]["404"]["content"]
    for status in ("404", "410", "422", "503"):
        example = asked["get"]["responses"][status]["content"]["application/problem+json"]["example"]
        assert (example["status"], bool(example["detail"])) == (int(status), True)
    assert {one["name"] for one in asked["get"]["parameters"]} == {"task", "wait", "if-none-match", "prefer"}
    ordered = described["paths"]["/plain/{name}"]["post"]["responses"]
    assert set(ordered) == {"200", "202", "422", "503"}
    assert set(ordered["202"]["headers"]) == {"Location", "Retry-After"}
    assert ordered["200"]["content"] == ordered["202"]["content"]
    assert "text/event-stream" in described["paths"]["/tasks/{task}/events"]["get"]["responses"]["200"]["content"]
    assert described["components"]["schemas"]["TaskStatus"]["examples"]
