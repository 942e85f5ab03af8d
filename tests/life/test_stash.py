"""`outlast.stash`: files that are kept for tasks, beside the journal, as long as these need them."""

from __future__ import annotations

import http.client
import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.lines import whole_lines
from tests.support.servers import PATIENCE, Server, eventually, lay_out, serving

CONTENT = b"number,item\n" + b"".join(b"%d,tea\n" % number for number in range(200_000))

TASKS = """

import asyncio
import hashlib
import os

import outlast
from fastapi import HTTPException, UploadFile


def note(name, *words):
    with open(f"{name}.notes", "a") as file:
        file.write(" ".join(map(str, words)) + chr(10))


async def digest(name: str, file: UploadFile):
    data = await file.read()
    await file.seek(0)
    first = await file.read(6)
    digest = hashlib.sha256(data).hexdigest()
    note(name, type(file).__name__, file.filename, file.content_type, file.size, digest, first)


def digest_in_thread(name: str, files: list[UploadFile], more: UploadFile | None = None):
    for one in [*files, more]:
        note(name, one.filename, one.size, hashlib.sha256(one.file.read()).hexdigest())


@outlast.task(retries=1, backoff=0.1)
def second_try(name: str, file: UploadFile):
    note(name, len(file.file.read()))
    if outlast.current().number == 1:
        raise ValueError("not now")


def dies_once(name: str, file: UploadFile):
    note(name, len(file.file.read()))
    if outlast.current().number == 1:
        os.kill(os.getpid(), 9)


def fails(name: str, file: UploadFile):
    raise ValueError("never")


async def waits_for(name: str, file: UploadFile):
    note(name, "began")
    while not os.path.exists(f"{name}.go"):
        await asyncio.sleep(0.01)
    note(name, len(await file.read()))


@outlast.task(travels=False)
async def inline(name: str, file: UploadFile):
    note(name, os.getpid(), len(await file.read()))


async def passes_on(name: str, file: UploadFile):
    await outlast.enqueue(second_try, f"{name}-on", file)


FUNCTIONS = (digest, second_try, dies_once, fails, waits_for, passes_on)
BY_NAME = {one.__name__: one for one in FUNCTIONS}


@app.post("/stash/{function}/{name}")
async def stash(function: str, name: str, file: UploadFile, tasks: outlast.BackgroundTasks):
    stashed = await outlast.stash(file)
    return {"id": tasks.add_task(BY_NAME[function], name, stashed).id, "stash": stashed.held}


@app.post("/several/{name}")
async def several(name: str, file: UploadFile, tasks: outlast.BackgroundTasks, plain: BackgroundTasks):
    stashed, other = await outlast.stash(file), await outlast.stash(b"abc", filename="b.txt", content_type="text/plain")
    plain.add_task(inline, f"{name}-inline", stashed)
    plain.add_task(inline, f"{name}-inline", stashed)
    tasks.add_task(digest, name, file=stashed)
    tasks.add_task(digest_in_thread, name, [stashed, other], more=stashed)
    return {"stash": stashed.held}


@app.post("/replaced/{name}")
async def replaced(name: str, file: UploadFile, tasks: BackgroundTasks):
    stashed = await outlast.stash(file)
    tasks.add_task(digest, name, stashed)
    raise HTTPException(418, stashed.held)


@app.post("/living/{name}")
async def living(name: str, file: UploadFile, tasks: outlast.BackgroundTasks):
    stashed = await outlast.stash(file)
    note(name, stashed.held)
    while not os.path.exists(f"{name}.go"):
        await asyncio.sleep(0.01)
    return {"id": tasks.add_task(digest, name, stashed).id}


@app.post("/too-large")
async def too_large(file: UploadFile):
    try:
        await outlast.stash(file)
    except outlast.NotStorable as error:
        raise HTTPException(413, str(error)) from error


@app.post("/plain/{name}")
async def plain(name: str, file: UploadFile, tasks: outlast.BackgroundTasks):
    tasks.add_task(digest, name, file)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = lay_out(tmp_path_factory.mktemp("stash"), TASKS)
    with serving("uvicorn", folder, OUTLAST_MAX_STASH="4M") as server:
        yield server


def upload(server: Server, path: str, content: bytes = CONTENT) -> tuple[int, dict[str, str]]:
    """POST a file as a form does."""
    head = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.csv"\r\nContent-Type: text/csv\r\n\r\n'
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10 * PATIENCE)
    headers = {"Content-Type": "multipart/form-data; boundary=b"}
    try:
        connection.request("POST", path, head + content + b"\r\n--b--\r\n", headers)
        answer = connection.getresponse()
        text = answer.read().decode()
    finally:
        connection.close()
    return answer.status, json.loads(text) if text.startswith("{") else {"text": text}


def notes(server: Server, name: str) -> list[str]:
    path = server.folder / f"{name}.notes"
    return whole_lines(path)


def stash_of(server: Server) -> Path:
    return server.journal.parent / "stash"


def ended(server: Server, task: str) -> str:
    """The state it has ended in."""
    eventually(lambda: server.record(task).state not in ("held", "waiting", "running"), server.output)
    return server.record(task).state


def is_removed(server: Server, name: str) -> None:
    eventually(lambda: not (stash_of(server) / name).exists(), f"{name} is there still; {server.output}")


def test_a_task_gets_what_was_uploaded(server: Server) -> None:
    import hashlib

    status, answer = upload(server, "/stash/digest/a")
    assert status == 200, answer
    assert ended(server, answer["id"]) == "done", server.output
    digest = hashlib.sha256(CONTENT).hexdigest()
    assert notes(server, "a") == [f"StashedFile a.csv text/csv {len(CONTENT)} {digest} b'number'"]
    is_removed(server, answer["stash"])


def test_nobody_else_may_read_it(server: Server) -> None:
    status, answer = upload(server, "/stash/waits_for/b")
    assert status == 200, answer
    found = (stash_of(server) / answer["stash"]).stat()
    assert (stat.S_IMODE(found.st_mode), found.st_size) == (0o600, len(CONTENT))
    assert stat.S_IMODE(stash_of(server).stat().st_mode) == 0o700
    (server.folder / "b.go").touch()
    assert ended(server, answer["id"]) == "done"
    assert notes(server, "b") == ["began", str(len(CONTENT))]
    is_removed(server, answer["stash"])


@pytest.mark.parametrize("function", ["second_try", "dies_once"])
def test_it_stays_until_the_task_has_ended_for_good(server: Server, function: str) -> None:
    _, answer = upload(server, f"/stash/{function}/{function}")
    assert ended(server, answer["id"]) == "done", server.output
    assert notes(server, function) == [str(len(CONTENT))] * 2
    is_removed(server, answer["stash"])


def test_it_is_removed_when_the_task_has_failed(server: Server) -> None:
    _, answer = upload(server, "/stash/fails/c")
    assert ended(server, answer["id"]) == "failed"
    is_removed(server, answer["stash"])


def test_what_is_gone_is_said_to_be(server: Server) -> None:
    _, answer = upload(server, "/stash/waits_for/d")
    eventually(lambda: notes(server, "d"), server.output)
    (stash_of(server) / answer["stash"]).unlink()
    (server.folder / "d.go").touch()
    assert ended(server, answer["id"]) == "failed"
    assert server.record(answer["id"]).reason.startswith("StashGone: stashed file a.csv is not in ")


def test_several_tasks_have_it_each_from_its_beginning(server: Server) -> None:
    status, answer = upload(server, "/several/e")
    assert status == 200, server.output
    eventually(lambda: len(notes(server, "e")) == 4, server.output)
    assert [line.split()[:2] for line in notes(server, "e")] == [
        ["StashedFile", "a.csv"],
        ["a.csv", str(len(CONTENT))],
        ["b.txt", "3"],
        ["a.csv", str(len(CONTENT))],
    ]
    assert [line.split()[1] for line in notes(server, "e-inline")] == [str(len(CONTENT))] * 2
    is_removed(server, answer["stash"])


def test_a_task_passes_it_on(server: Server) -> None:
    _, answer = upload(server, "/stash/passes_on/f")
    eventually(lambda: len(notes(server, "f-on")) == 2, server.output)
    is_removed(server, answer["stash"])


def test_a_living_request_keeps_it(server: Server) -> None:
    from threading import Thread

    server.add("ok", "first")  # the first task makes the journal
    request = Thread(target=upload, args=(server, "/living/g"))
    request.start()
    eventually(lambda: notes(server, "g"), server.output)
    (name,) = notes(server, "g")
    from outlast.runner.sweeping import LOST, Sweeper
    from outlast.system.place import Place

    clock = iter(range(0, 100 * int(LOST), int(LOST) + 1))
    sweeper = Sweeper(Place.of(server.journal), lambda: float(next(clock)))
    for _ in range(5):
        sweeper.sweep()
    assert (stash_of(server) / name).exists()
    (server.folder / "g.go").touch()
    request.join()
    eventually(lambda: len(notes(server, "g")) == 2, server.output)
    is_removed(server, name)


def test_that_of_a_response_that_failed_is_swept(server: Server) -> None:
    status, answer = upload(server, "/replaced/h")
    assert status == 418
    is_removed(server, answer["detail"])
    assert notes(server, "h") == []


def test_a_larger_one_is_refused_and_nothing_is_left(server: Server) -> None:
    before = set(stash_of(server).iterdir()) if stash_of(server).exists() else set()
    status, answer = upload(server, "/too-large", b"x" * (5 << 20))
    assert (status, answer["detail"]) == (
        413,
        "a.csv is larger than 4194304 bytes, which is what setting max_stash allows",
    )
    assert set(stash_of(server).iterdir()) <= before


def test_an_upload_that_is_not_stashed_is_refused_with_the_remedy(server: Server) -> None:
    assert upload(server, "/plain/i")[0] == 500
    eventually(lambda: "pass `await outlast.stash(file)` instead" in server.output, server.output)


@pytest.mark.slow
def test_it_outlasts_the_death_of_everything(tmp_path: Path) -> None:
    lay_out(tmp_path, TASKS)
    with serving("uvicorn", tmp_path) as server:
        _, answer = upload(server, "/stash/waits_for/j")
        eventually(lambda: notes(server, "j"), server.output)
        server.kill_everything()
    assert (stash_of(server) / answer["stash"]).stat().st_size == len(CONTENT)
    with serving("uvicorn", tmp_path) as server:
        (server.folder / "j.go").touch()
        assert ended(server, answer["id"]) == "done", server.output
        assert notes(server, "j")[-1] == str(len(CONTENT))
        is_removed(server, answer["stash"])


def test_the_example_of_the_docs(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs" / "dependencies.md").read_text()
    code = page.partition("## Uploaded files")[2].partition("```python\n")[2].partition("```")[0]
    (tmp_path / "main.py").write_text(code + '\n\n@app.get("/ping")\ndef ping() -> None: ...\n')
    with serving("uvicorn", tmp_path) as server:
        assert upload(server, "/pictures", b"x" * 100)[0] == 200
        eventually(lambda: "a.csv text/csv 100 100" in server.output, server.output)
        eventually(lambda: "en b'xxxxxxxxxxxxxxxx'" in server.output, server.output)


def test_the_example(tmp_path: Path) -> None:
    example = Path(__file__).parents[2] / "examples" / "upload" / "main.py"
    ping = '\n\n@app.get("/ping")\ndef ping() -> None: ...\n'
    (tmp_path / "main.py").write_text(example.read_text() + ping)
    with serving("uvicorn", tmp_path) as server:
        _, answer = upload(server, "/orders", b"number,item\n1,tea\n2,coffee\n")
        assert ended(server, answer["task"]) == "done"  # awaited here: the example itself gives it 10 s and no more
        assert server.get(f"/orders/{answer['task']}") == (200, "2")
        said = "a.csv (text/csv, 27 bytes) has the columns number,item"
        eventually(lambda: said in server.output, server.output)
        eventually(lambda: not list(stash_of(server).iterdir()), server.output)
