"""Two apps that keep their journals in one folder: each has its own runner, and neither is in the other's way."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from outlast.errors import OutlastError
from outlast.journal.contract import ProcessEntry
from outlast.journal.engines import open_journal
from outlast.settings.settings import Settings
from outlast.system.place import Address, Place
from outlast.web.reach import connected
from outlast.wire.frames import packed
from outlast.wire.hello import VERSION, Environment, Hello
from tests.support.marks import slow
from tests.support.processes import kill, runners_in
from tests.support.servers import PATIENCE, PYTHON, Server, eventually, serving

OUTLAST = str(Path(sys.executable).with_name("outlast"))
PAIR = ("a.db", "b.db")
ODD_PAIRS = [("journal.db", "a.db"), ("a.db", "a.db.b"), ("a" * 200, "a" * 201)]
RUNNER_OF_BEFORE = """
import sys
from pathlib import Path
from outlast.system.liveness import Liveness
from outlast.system.place import Address, Place

liveness = Liveness(Place.of(Path(sys.argv[1]) / "journal.db"))
assert liveness.become_runner()
liveness.hold(int(sys.stdin.readline()))
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def served(folder: Path, journal: Path) -> Iterator[Server]:
    """A server in a folder of its own, with its journal elsewhere."""
    with serving("uvicorn", folder, OUTLAST_URL=f"sqlite:///{journal}") as server:
        server.journal = journal
        try:
            yield server
        finally:
            for pid in runners_in(folder):
                kill(pid)


@pytest.mark.slow
@pytest.mark.parametrize("names", [PAIR, *slow(*ODD_PAIRS)], ids=lambda names: f"{names[0][:9]} {names[1][:9]}")
def test_both_are_served_and_whoever_dies_takes_nothing_of_the_others(tmp_path: Path, names: tuple[str, str]) -> None:
    first, second = (tmp_path / "kept" / name for name in names)
    with served(tmp_path / "1", first) as one, served(tmp_path / "2", second) as other:
        for server in (one, other):
            server.add("until_told", "it")
            server.wait_for("began", "it")
        (runner,), (neighbour,) = one.living("runner"), other.living("runner")
        worker = one.living("web")
        kill(runner)
        eventually(lambda: len(one.witnessed("began", "it")) == 2, f"it begins again; {one.output}")
        kill(one.process.pid)
        for server in (one, other):
            server.tell("it")
            eventually(server.all_settled, f"{server.records()} {server.output}")
        assert other.living("runner") == [neighbour]
        assert len(other.witnessed("began", "it")) == 1
        eventually(lambda: not one.living("web"), f"it knows that {worker} is dead")


@pytest.mark.slow
def test_a_running_task_is_cancelled_by_the_command_line_in_the_right_journal(tmp_path: Path) -> None:
    journal = tmp_path / "kept" / "a.db"
    with served(tmp_path / "1", journal) as server, served(tmp_path / "2", tmp_path / "kept" / "b.db") as other:
        server.add("sleep_async", "it", 60)
        server.wait_for("began", "it")
        other.add("ok", "that")
        other.wait_for("ran", "that")
        (record,) = server.records()
        command = [OUTLAST, "cancel", record.id, "--url", f"sqlite:///{journal}"]
        subprocess.run(command, capture_output=True, timeout=20 * PATIENCE, check=True)
        eventually(lambda: server.records()[0].state == "cancelled", f"{server.records()}")
        (other_record,) = other.records()
        assert other_record.state == "done"


def greet(place: Place, meant: Place) -> socket.socket:
    """Say hello to the runner of `place` as a web worker of `meant`."""
    connection = connected(place)
    hello = Hello(0, VERSION, True, Environment.here("main:app", Settings()), meant.address())
    connection.sendall(packed(hello.message()))
    connection.settimeout(10 * PATIENCE)
    return connection


def test_a_runner_hangs_up_on_a_web_worker_of_another_journal_and_says_so_once(tmp_path: Path) -> None:
    journal = tmp_path / "kept" / "a.db"
    place, another = Place.of(journal), Place.of(tmp_path / "kept" / "b.db")
    with served(tmp_path / "1", journal) as server:
        server.add("ok", "before")
        server.wait_for("ran", "before")
        for _ in range(3):
            with greet(place, another) as connection:
                assert connection.recv(1) == b""
        said = f"a web worker of the journal {another.journal} called the runner of {journal}, and was hung up on"
        eventually(lambda: said in server.output, f"it is said; {server.output}")
        server.add("ok", "after")
        server.wait_for("ran", "after")
        assert server.output.count(said) == 1


def test_a_runner_that_cannot_listen_says_so_and_leaves_nothing_behind(tmp_path: Path) -> None:
    place = Place.of(tmp_path / "journal.db")
    place.socket.mkdir()
    refused = worker(place.journal)
    assert refused.returncode == 1
    assert f"the runner cannot listen at {place.socket}" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not place.journal.exists()


def worker(journal: Path) -> subprocess.CompletedProcess[str]:
    """`outlast worker`, to its end."""
    command = [OUTLAST, "worker", "--url", f"sqlite:///{journal}"]
    return subprocess.run(command, capture_output=True, text=True, timeout=20 * PATIENCE, check=False)


@pytest.mark.parametrize("journal", [{}, {"path": 1}, {"path": "x", "device": "y", "inode": 0}, [1], "x"])
def test_a_hello_whose_journal_is_none_is_no_hello_or_names_none(journal: object) -> None:
    message = Hello(0, VERSION, True, Environment.here("main:app", Settings())).message()
    if not journal:
        assert Hello.read({**message, "journal": journal}).journal == Address()
        return
    with pytest.raises(OutlastError):
        Hello.read({**message, "journal": journal})


def test_a_runner_of_the_version_before_is_not_joined_by_another(tmp_path: Path) -> None:
    """It held its locks under the name that is the default journal's now, whatever its journal was called."""
    path = tmp_path / "a.db"
    journal = open_journal(f"sqlite:///{path}")
    command = [PYTHON, "-c", RUNNER_OF_BEFORE, str(tmp_path)]
    with subprocess.Popen(command, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as before:
        assert before.stdin is not None
        assert before.stdout is not None
        with journal.transaction():
            number = journal.processes.enter(ProcessEntry("runner", before.pid, "here", 1.0))
        before.stdin.write(f"{number}\n")
        before.stdin.flush()
        assert before.stdout.readline() == "held\n"
        refused = worker(path)
        assert refused.returncode == 1
        assert (
            f"runner {before.pid}, of the outlast before the upgrade, still moves the tasks of {path}" in refused.stderr
        )
        before.kill()
    with journal.transaction():
        assert [pid for _, pid in journal.processes.present("runner")] == [before.pid], "nobody else has entered"
    journal.close()
    with subprocess.Popen(
        [OUTLAST, "worker", "--url", f"sqlite:///{path}"], stderr=subprocess.PIPE, text=True
    ) as after:
        assert after.stderr is not None
        assert "moves the tasks" in after.stderr.readline()
        after.terminate()
        after.stderr.read()
