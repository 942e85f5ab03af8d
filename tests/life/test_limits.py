"""Limits on real servers: how many run at once is seen by the tasks themselves, whoever is killed meanwhile."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.processes import kill
from tests.support.servers import PATIENCE, Server, eventually, lay_out, serving

OUTLAST = str(Path(sys.executable).with_name("outlast"))
TASKS = """

import fcntl
import time
import outlast


def slot():
    # the lowest that nobody holds: the kernel takes it back from the dead
    for number in range(1000):
        descriptor = os.open(f"slot-{number}", os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return number, descriptor
        except BlockingIOError:
            os.close(descriptor)


def held(name, seconds):
    number, descriptor = slot()
    witness("slot", number, name, time.time())
    while os.path.exists("hold"):
        time.sleep(0.01)
    time.sleep(seconds)
    witness("ran", name)
    os.close(descriptor)


@outlast.task(concurrency=3)
def three(name, seconds):
    held(name, seconds)


@outlast.task(queue="few")
async def few(name, seconds):
    number, descriptor = slot()
    witness("slot", number, name, time.time())
    while os.path.exists("hold"):
        await asyncio.sleep(0.01)
    await asyncio.sleep(seconds)
    witness("ran", name)
    os.close(descriptor)


@outlast.task(queue="few")
def few_in_threads(name, seconds):
    held(name, seconds)


@outlast.task(rate="50/s")
async def often(name, seconds):
    witness("slot", 0, name, time.time())


@outlast.task(limit_by="tenant", concurrency=2)
def of_tenant(tenant, seconds):
    witness("slot", 0, tenant, time.time())
    time.sleep(seconds)


@outlast.task(concurrency=1, retries=20, backoff=0.01)
def fails_first(name, seconds):
    held(name, seconds)
    if os.urandom(1)[0] < 128:
        raise OSError("not now")


@app.get("/many/{function}/{count}")
async def many(function: str, count: int, seconds: float = 0, name: str = "n"):
    call = outlast.app.current()
    for number in range(count):
        await call.enqueue(globals()[function], name if function == "of_tenant" else f"{name}{number}", seconds)


@app.get("/bulk/{function}/{count}")
async def bulk(function: str, count: int, tasks: outlast.BackgroundTasks, seconds: float = 0, name: str = "n"):
    for number in range(count):
        called = name if function == "of_tenant" else f"{name}{number}"
        tasks.options(parallel=True).add_task(globals()[function], called, seconds)


@app.get("/plain/{count}")
async def plain(count: int, tasks: BackgroundTasks):
    for number in range(count):
        tasks.add_task(few, f"p{number}", 0)


@app.get("/enqueued")
async def enqueued(name: str, function: str = "few"):
    return {"id": (await outlast.enqueue(globals()[function], name, 0)).id}


@app.get("/caught")
async def caught():
    try:
        await outlast.enqueue(few, "c", 0)
    except outlast.QueueFull as error:
        return {"queue": error.queue, "most": error.max_waiting}
"""
QUEUES = json.dumps({"few": {"concurrency": 2}})


def limited(folder: Path, queues: str = QUEUES, **environment: str) -> Any:
    lay_out(folder, TASKS)
    return serving("uvicorn", folder, OUTLAST_QUEUES=queues, **environment)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with limited(tmp_path_factory.mktemp("limits")) as server:
        yield server


def began(server: Server) -> list[tuple[int, str, float]]:
    """The slot, the name and the time of each task that has begun."""
    return [(int(slot), name, float(at)) for _, slot, name, at in server.witnessed("slot")]


def most_at_once(server: Server, prefix: str) -> int:
    return 1 + max((slot for slot, name, _ in began(server) if name.startswith(prefix)), default=-1)


@contextmanager
def held_until_as_many_run(server: Server, prefix: str, most: int) -> Iterator[None]:
    """None of what is asked for ends before so many run: on a starved machine each ends before the next begins."""
    hold = server.folder / "hold"
    hold.touch()
    try:
        yield
        eventually(lambda: most_at_once(server, prefix) >= most, server.output)
    finally:
        hold.unlink()  # or the tests that share this server would hang, too


def asked(server: Server, path: str) -> tuple[int, str | None, str]:
    with closing(http.client.HTTPConnection("127.0.0.1", server.port, timeout=60 * PATIENCE)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Retry-After"), answer.read().decode()


def ran(server: Server, prefix: str) -> int:
    return sum(name.startswith(prefix) for name in server.times("ran"))


@pytest.mark.parametrize(("function", "most"), [("three", 3), ("few", 2), ("few_in_threads", 2), ("fails_first", 1)])
def test_no_more_run_at_once_than_may(server: Server, function: str, most: int) -> None:
    prefix = f"{function}-"
    with held_until_as_many_run(server, prefix, most):
        assert asked(server, f"/bulk/{function}/30?name={prefix}&seconds=0.01")[0] == 200
    eventually(lambda: ran(server, prefix) == 30, server.output)
    eventually(server.all_settled, server.output)
    assert most_at_once(server, prefix) == most


def test_a_rate_spaces_what_begins(server: Server) -> None:
    asked_at = time.time()
    assert asked(server, "/bulk/often/30?name=often-")[0] == 200
    eventually(lambda: sum(name.startswith("often-") for _, name, _ in began(server)) == 30, server.output)
    last = max(at for _, name, at in began(server) if name.startswith("often-"))
    assert last - asked_at >= 20 / 50, "all but the few that make up for a late one, however late the first is"


def test_one_tenant_does_not_keep_another_from_its_turn(server: Server) -> None:
    assert asked(server, "/bulk/of_tenant/100?name=large&seconds=0.02")[0] == 200
    assert asked(server, "/bulk/of_tenant/4?name=small&seconds=0.02")[0] == 200
    before = len(began(server))  # not earlier: a starved web worker takes seconds to store them
    eventually(lambda: tenants(server) >= Counter(large=100, small=4), server.output)
    assert larges_first([name for _, name, _ in began(server)], before) < 50


def larges_first(order: Sequence[str], stored: int) -> int:
    """How many of `large` begin before the last of `small`; `stored`: how many had begun by then."""
    last = max(at for at, name in enumerate(order) if name == "small")
    return order[stored:last].count("large")


def tenants(server: Server) -> Counter[str]:
    """How many of each have begun."""
    return Counter(name for _, name, _ in began(server))


@pytest.mark.slow
@pytest.mark.parametrize(("function", "most", "count"), [("few", 2, 20), ("three", 3, 30)])
def test_a_limit_holds_through_the_deaths_of_task_processes(
    tmp_path: Path, function: str, most: int, count: int
) -> None:
    with limited(tmp_path, OUTLAST_MAX_CRASHES="1000") as server:
        with held_until_as_many_run(server, "n", most):
            assert asked(server, f"/bulk/{function}/{count}?seconds=0.1")[0] == 200
        storm(server, count, every=3)
        assert most_at_once(server, "n") == most


@pytest.mark.slow
def test_a_limit_holds_for_ten_thousand_through_a_storm(tmp_path: Path) -> None:
    with limited(tmp_path, OUTLAST_MAX_CRASHES="1000000") as server:
        with held_until_as_many_run(server, "p", 3):
            for part in range(20):
                assert asked(server, f"/bulk/three/500?name=p{part}-")[0] == 200
        storm(server, 10_000, every=250)
        assert most_at_once(server, "p") == 3


def storm(server: Server, count: int, every: int) -> None:
    """Kill a task process each time that `every` more have begun, until so many tasks have run."""
    killed_at = 0

    def have_all_ran() -> bool:
        nonlocal killed_at
        if (now := len(began(server))) >= killed_at + every and (living := server.living("child")):
            kill(living[0])
            killed_at = now
        return len(server.times("ran")) == count

    eventually(have_all_ran, server.output, within=200)
    assert killed_at, "somebody was killed"
    eventually(server.all_settled, f"{server.records()}")


@pytest.mark.slow
def test_a_limit_holds_through_the_death_of_everything(tmp_path: Path) -> None:
    with limited(tmp_path) as server:
        with held_until_as_many_run(server, "n", 2):
            asked(server, "/bulk/few/20?seconds=0.2")
        server.kill_everything()
    with limited(tmp_path) as server:
        eventually(lambda: ran(server, "n") == 20, server.output)
        eventually(server.all_settled, f"{server.records()}")
        assert most_at_once(server, "n") == 2


def test_a_full_queue_answers_429_and_stores_nothing(tmp_path: Path) -> None:
    queues = json.dumps({"few": {"concurrency": 1, "max_waiting": 5}})
    with limited(tmp_path, queues) as server:
        assert asked(server, "/bulk/few/5?seconds=0")[0] == 200
        eventually(server.all_settled, server.output)
        queue(server, "pause", "few")
        assert asked(server, "/bulk/few/4?seconds=0")[0] == 200
        for path in ("/bulk/few/2", "/many/few/2", "/plain/2"):
            status, retry_after, text = asked(server, path)
            assert (status, retry_after) == (429, "1"), text
            assert "Too many tasks wait already" in text
        assert asked(server, "/caught")[2] == '{"queue":"few","most":5}'
        assert "answered 429, none of its tasks runs: queue 'few' is full: 5 of its tasks wait" in server.output
        waiting = [one for one in server.records() if one.state == "waiting"]
        assert len(waiting) == 5, "those of before, and one of those that were asked for one by one"
        assert {(one.queue, one.held_back) for one in waiting} == {("few", "paused")}
        queue(server, "resume", "few")
        eventually(server.all_settled, server.output)


def test_a_queue_that_is_paused_goes_on_when_it_is_told_to(server: Server) -> None:
    assert "queue 'few' is paused: nothing of it begins" in queue(server, "pause", "few")
    assert "paused already" in queue(server, "pause", "few")
    before = ran(server, "paused-")
    task = json.loads(asked(server, "/enqueued?name=paused-1")[2])["id"]
    other = json.loads(asked(server, "/enqueued?name=other-1&function=three")[2])["id"]
    eventually(lambda: server.record(other).state == "done", server.output)
    assert ran(server, "paused-") == before
    assert server.record(task).held_back == "paused"
    listed = json.loads(queue(server, "list", "--json"))
    (few,) = [one for one in listed if one["name"] == "few"]
    assert (few["waiting"], few["running"], few["concurrency"]) == (1, 0, 2)
    assert few["paused_at"] is not None
    assert "paused since" in queue(server, "list")
    shown = run(server, "show", task)
    assert "queue      few" in shown
    assert "begins     when queue 'few' goes on, which is paused (`outlast queue resume few`)" in shown
    assert task in run(server, "list", "--queue", "few")
    assert other not in run(server, "list", "--queue", "few")
    assert "queue 'few' goes on" in queue(server, "resume", "few")
    eventually(lambda: server.record(task).state == "done", server.output)
    assert "was not paused" in queue(server, "resume", "few")


def queue(server: Server, *arguments: str) -> str:
    return run(server, "queue", *arguments)


def run(server: Server, *arguments: str) -> str:
    command = [OUTLAST, *arguments, "--url", f"sqlite:///{server.journal}"]
    done = subprocess.run(
        command, cwd=server.folder, capture_output=True, text=True, timeout=60 * PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_a_rate_is_kept_within_a_twentieth(tmp_path: Path) -> None:
    with limited(tmp_path) as server:
        for part in range(3):
            assert asked(server, f"/bulk/often/500?name=p{part}-")[0] == 200
        eventually(lambda: len(began(server)) == 1500, server.output, within=60)
        times = sorted(one.started_at or 0.0 for one in server.records())  # not the tasks' own, which may be late
        assert min(seconds_of(1050, times)) >= 20, "never faster"
        # not slower, where it was not starved: what the runner has slept through is not made up for
        assert min(seconds_of(100, times)) <= 2 * 1.05


def seconds_of(count: int, times: list[float]) -> list[float]:
    """How long so many took, whichever of them was the first."""
    return [later - earlier for earlier, later in zip(times, times[count:], strict=False)]


@pytest.mark.slow
def test_a_small_tenant_is_done_in_the_first_hundredth(tmp_path: Path) -> None:
    with limited(tmp_path) as server:
        for _ in range(20):
            assert asked(server, "/bulk/of_tenant/500?name=large")[0] == 200
        assert asked(server, "/bulk/of_tenant/10?name=small")[0] == 200
        before = len(began(server))  # not earlier: a starved web worker takes seconds to store them
        eventually(lambda: len(began(server)) == 10_010, server.output, within=300)
        assert larges_first([name for _, name, _ in began(server)], before) < 100, "of 10 000"
