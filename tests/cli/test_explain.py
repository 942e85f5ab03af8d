"""`outlast explain`, and what `status` and `show` say of incidents, run as people run them: in processes."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

import apsw
import pytest

from outlast.ids import shown
from outlast.journal.contract import Change, Journal, ProcessEntry
from outlast.journal.engines import open_journal
from outlast.journal.writer import Writer
from outlast.tasks.ids import TaskIds
from outlast.tasks.task import Claimed, End, Lane, NewTask, Settlement, State
from outlast.watch.incident import Cause, Flight, Incident, IncidentKind
from tests.support.servers import PATIENCE
from tests.support.turns import at, claim, opened, settle

NOT_FOUND = 3
OUTLAST = Path(sys.executable).with_name("outlast")
CUT = "cut since its process died; it runs again; this does not count against it"
STALL = Incident(
    kind=IncidentKind.STALL,
    cause=Cause.BLOCKED,
    process="web worker",
    pid=4711,
    at=time.time() - 60,
    seconds=2.5,
    culprit="send_report (report.py:88)",
    sentence="send_report (report.py:88) blocked the event loop for 2.5 s in time.sleep",
    stack='  File "report.py", line 88, in send_report\n    time.sleep(2.5)\n',
    flights=(Flight("GET /orders", 1.25),),
)
DEATH = Incident(
    kind=IncidentKind.DEATH,
    cause=Cause.MEMORY,
    process="task process",
    pid=815,
    at=time.time() - 30,
    seconds=0.0,
    culprit="",
    sentence="task process 815 was killed since memory had run out",
)


@dataclass(frozen=True)
class Place:
    """A folder with a journal, in which commands are run."""

    folder: Path

    @property
    def journal(self) -> Path:
        return self.folder / ".outlast" / "journal.db"

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [str(OUTLAST), *arguments]
        return subprocess.run(
            command, cwd=self.folder, capture_output=True, text=True, timeout=60 * PATIENCE, check=False
        )

    def printed(self, *arguments: str) -> list[str]:
        result = self.run(*arguments)
        assert result.returncode == 0, result.stderr
        return result.stdout.splitlines()

    def do(self, work: Callable[[Journal], object]) -> None:
        journal = open_journal(f"sqlite:///{self.journal}")
        with journal.transaction():
            work(journal)
        journal.close()

    def note(self, *incidents: Incident) -> None:
        """As a process does that has seen them."""
        entry = ProcessEntry("web", 1, "here", 1.0)
        writer = Writer(
            open_journal(f"sqlite:///{self.journal}"),
            lambda opened, known: opened.processes.enter(entry, known),
            lambda: None,
        )
        changes: list[Change] = list(incidents)
        writer.store_now(changes, deadline=10.0)
        writer.close()


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    monkeypatch.delenv("OUTLAST_URL", raising=False)
    open_journal(f"sqlite:///{Place(tmp_path).journal}").open()
    return Place(tmp_path)


def test_the_last_incidents_are_listed_the_newest_first(place: Place) -> None:
    place.note(STALL, STALL, DEATH)
    header, death, stall = place.printed("explain")
    assert header.split() == ["ID", "LAST", "PROCESS", "CAUSE", "TIMES", "WHAT", "HAPPENED"]
    assert death.split()[0] == "2"
    assert death.split()[4:9] == ["task", "process", "815", "memory", "1×"]
    assert death.endswith("  task process 815 was killed since memory had run out")
    assert stall.split()[0] == "1"
    assert stall.split()[4:9] == ["web", "worker", "4711", "blocked", "2×"]
    assert stall.endswith(f"  {STALL.sentence}")
    assert place.printed("explain", "--limit", "1") == [header, death]
    assert [one["id"] for one in json.loads("".join(place.printed("explain", "--json")))] == [2, 1]


def test_of_more_than_twenty_the_last_twenty_are_listed(place: Place) -> None:
    place.note(*(replace(DEATH, at=DEATH.at + number) for number in range(25)))
    assert [int(line.split()[0]) for line in place.printed("explain")[1:]] == list(range(25, 5, -1))


def test_one_is_told_whole(place: Place) -> None:
    place.note(replace(STALL, at=STALL.at - 5, seconds=4.0), STALL)
    lines = place.printed("explain", "1")
    assert lines[0] == STALL.sentence
    assert any(line.startswith("process    web worker 4711 on ") for line in lines)
    first, last = (clock(at) for at in (STALL.at - 5, STALL.at))
    for line in (
        "incident   1  stall, blocked",
        f"when       2 times, first {first}, last {last}",
        "blocked    4.0 s at most",
        "culprit    send_report (report.py:88)",
        "    GET /orders  1.2 s",
        '      File "report.py", line 88, in send_report',
    ):
        assert line in lines
    assert json.loads("".join(place.printed("explain", "1", "--json")))["stack"] == STALL.stack


def test_what_became_of_what_was_in_flight_is_told(place: Place) -> None:
    numbers = TaskIds()
    done, failed, running, waiting, cancelled = tasks = [task(numbers, f"app:{number}") for number in range(5)]

    place.do(lambda journal: journal.tasks.add(tasks, 1))
    with closing(opened(f"sqlite:///{place.journal}")) as journal:
        settle(journal, *map(cut, claim(journal, 1, now=2.0)), now=2.5)
        assert len(claim(journal, 1, limit=3)) == 3
        settle(journal, Settlement(done.id, 2, End.DONE, State.DONE))
        settle(journal, Settlement(failed.id, 2, End.ERROR, State.FAILED, "ValueError: no\nmore of it"), now=5.0)
        at(6.0)
        with journal.transaction():
            journal.tasks.cancel([cancelled.id])
    flights = [Flight(one.function, 3.0, one.id, "loop") for one in tasks]
    place.note(replace(DEATH, flights=(Flight("GET /", 0.5), Flight("app:gone", 1.0, 5, "thread"), *flights)))
    lines = place.printed("explain", "1")
    assert lines[lines.index("in flight:") + 1 :] == [
        "    GET /  0.5 s  cut",
        f"    {shown(5)}  app:gone  thread  1.0 s  not in the journal any more",
        f"    {shown(done.id)}  app:0  loop  3.0 s  done on attempt 2 at {clock(4.0)}",
        f"    {shown(failed.id)}  app:1  loop  3.0 s  failed on attempt 2 at {clock(5.0)}: ValueError: no",
        f"    {shown(running.id)}  app:2  loop  3.0 s  running, attempt 2, since {clock(3.0)}",
        f"    {shown(waiting.id)}  app:3  loop  3.0 s  waiting: {CUT}",
        f"    {shown(cancelled.id)}  app:4  loop  3.0 s  cancelled at {clock(6.0)}: cancelled before it ran",
    ]
    told = json.loads("".join(place.printed("explain", "1", "--json")))["flights"]
    assert told[0] == {"name": "GET /", "seconds": 0.5, "task": "", "lane": "", "fate": "cut"}
    assert told[2]["fate"] == f"done on attempt 2 at {clock(4.0)}"


def test_a_request_that_waited_for_a_blocked_loop_was_not_cut(place: Place) -> None:
    place.note(STALL)
    (flight,) = json.loads("".join(place.printed("explain", "1", "--json")))["flights"]
    assert (flight["name"], flight["fate"]) == ("GET /orders", "")


@pytest.mark.parametrize("unknown", ["2", "0", "first"])
def test_an_unknown_incident_is_exit_code_3(place: Place, unknown: str) -> None:
    place.note(DEATH)
    result = place.run("explain", unknown)
    assert (result.returncode, result.stdout) == (NOT_FOUND, "")
    assert f"no incident '{unknown}'" in result.stderr


def test_no_incidents_is_said(place: Place) -> None:
    result = place.run("explain")
    assert (result.returncode, result.stdout) == (0, "")
    assert result.stderr.endswith("no incidents\n")
    assert place.printed("explain", "--json") == ["[]"]


def test_another_journal_can_be_named(place: Place, tmp_path: Path) -> None:
    other = Place(tmp_path / "other")
    other.note(STALL)
    _, line = place.printed("explain", "--url", f"sqlite:///{other.journal}")
    assert line.endswith(STALL.sentence)


def test_what_is_no_text_for_a_terminal_does_not_reach_it(place: Place) -> None:
    noise = "\x1b[2J\x07\u202e"
    flights = (Flight(f"GET /{noise}", 1.0),)
    place.note(replace(DEATH, sentence=f"a{noise}\nb", stack=noise, culprit=noise, process=noise, flights=flights))
    for arguments in (["explain"], ["explain", "1"]):
        lines = place.printed(*arguments)
        assert all(line.isprintable() for line in lines)
    assert "    GET /\\x1b[2J\\x07\\u202e  1.0 s  cut" in lines


def test_status_counts_the_incidents_of_the_last_day(place: Place) -> None:
    assert "incidents" not in "".join(place.printed("status"))
    old = replace(DEATH, at=time.time() - 90_000)
    others = [replace(STALL, culprit=f"other_{number} (report.py:{number})") for number in range(2)]
    place.note(replace(STALL, times=10), *others, DEATH, old)
    words = "incidents of the last day: 3 blocked loops (12 times in all), 1 death: see `outlast explain`"
    assert words in place.printed("status")
    counted = json.loads("".join(place.printed("status", "--json")))["incidents"]
    assert counted == {"stalls": 3, "times": 12, "deaths": 1}


def test_show_names_the_incidents_that_a_task_was_in(place: Place) -> None:
    asked, other = task(TaskIds(), "app:send"), task(TaskIds(), "app:other")
    place.do(lambda journal: journal.tasks.add([asked, other], 1))
    flights = (Flight("app:send", 1.0, asked.id, "loop"),)
    times = [DEATH.at + number for number in range(6)]
    place.note(*(replace(DEATH, at=at, flights=flights) for at in times), STALL)
    words = [f"incident {number}, task process 815: {DEATH.sentence}" for number in range(1, 7)]
    told = [f"{clock(at)}  {incident}" for at, incident in zip(times, words, strict=True)]
    assert place.printed("show", shown(asked.id))[-6:] == ["", *told[1:]]
    assert not [line for line in place.printed("show", shown(other.id)) if "incident" in line]
    found = json.loads("".join(place.printed("show", "--json", shown(asked.id))))["incidents"]
    assert [one["id"] for one in found] == [6, 5, 4, 3, 2]


def test_a_journal_of_version_1_is_read_as_one_without_incidents(place: Place, tmp_path: Path) -> None:
    old = tmp_path / "old.db"
    connection = apsw.Connection(str(old))
    connection.execute(files("outlast.journal.sqlite").joinpath("schema.sql").read_text())
    connection.execute(
        "INSERT INTO task (id, state, lane, calling, run_at, created_at, function, arguments, origin) "
        "VALUES (4711, 1, 'loop', 'loop', 0, 1.0, 'app:send', '{}', 'GET /')"
    )
    connection.pragma("user_version", 1)
    connection.close()
    url = f"sqlite:///{old}"
    assert place.printed("list", "--url", url)[1].endswith("app:send")
    assert "function   app:send" in place.printed("show", shown(4711), "--url", url)
    assert "incidents" not in "".join(place.printed("status", "--url", url))
    assert place.printed("explain", "--url", url) == []
    assert place.run("explain", "1", "--url", url).returncode == NOT_FOUND


def task(numbers: TaskIds, function: str) -> NewTask:
    return NewTask(numbers.next(), function, "{}", Lane.LOOP, State.WAITING, 1.0, "GET /")


def cut(one: Claimed) -> Settlement:
    return Settlement(one.id, one.attempt, End.INTERRUPTED, State.WAITING, CUT)


def clock(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S %z", time.localtime(at))
