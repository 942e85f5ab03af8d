"""Black boxes, written by real processes, read by others: at any instant, after any death, by one survivor."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from outlast.system.kernel import boot_id
from outlast.text import one_line
from outlast.watch.black_box import BlackBox
from outlast.watch.flights import Flights
from outlast.watch.incident import Cause, Flight
from outlast.watch.layout import PLACES, POKE, WHO_AT, LifeState, Owner, StallNote
from outlast.watch.recovered import Remains, of_the_dead, read
from tests.support.processes import kill
from tests.support.servers import PATIENCE, eventually

PREFIX = "web-"
OWNER = Owner("web worker", os.getpid(), time.time(), socket.gethostname(), boot_id())
STALL = StallNote(Cause.BLOCKED, 5.0, "send (mail.py:8)", "time.sleep(9)", "stack", Flight("GET /mail", 2.0), False)

OWNERS = """
import asyncio, os, sys, time
from dataclasses import replace
from itertools import count
from pathlib import Path

from outlast.watch.incident import Cause, Flight
from outlast.watch.black_box import BlackBox
from outlast.watch.layout import Owner, StallNote, LifeState
from outlast.watch.flights import Flights
from outlast.watch.watch import Duty, Watch

path = Path(sys.argv[2])
flights = Flights()


def box():
    made = BlackBox(path, Owner("web worker", os.getpid(), time.time(), "here", "this boot"))
    flights.write_to(made)
    return made


def note(number):
    word = f"{number} " * (1 + number % 500)
    return StallNote(Cause.BLOCKED, float(number), str(number), word.strip(), word, Flight(str(number), 1.0), False)


def ready():
    path.with_suffix(".ready").touch()


def writes_as_fast_as_it_can():
    mine = box()
    for number in count():
        flying = [flights.begin(f"GET /{one} " + str(one) * (one % 20), task_id=one) for one in (number, number + 1)]
        mine.beat_loop(), mine.beat_watch(), mine.note(note(number)), mine.enter((1, 3)[number % 2])
        for one in flying:
            flights.end(one)
        if number == 100:
            ready()


def waits(mine=None):
    mine = mine or box()
    for number in range(70):
        flights.begin(f"GET /{number}", task_id=number)
    mine.note(note(7))
    mine.enter(LifeState.SERVING)
    ready()
    time.sleep(60)


def has_a_forked_child():
    mine = box()
    if os.fork() == 0:
        path.with_suffix(".child").write_text(str(os.getpid()))
        time.sleep(60)
    waits(mine)


def has_a_forked_child_that_writes():
    watch = Watch("web worker")
    watch.keep_box(path)
    watch.flights.begin("GET /of-the-parent")
    if os.fork() == 0:
        watch.flights.begin("GET /of-the-child")
        watch.enter(LifeState.STOPPING)
        watch.close()
        sys.exit()
    os.wait()
    ready()
    time.sleep(60)


def has_somebody_else_who_uses(what):
    import faulthandler, signal
    from outlast.watch.layout import POKE
    if what == "the signal":
        signal.signal(POKE, lambda *_: None)
    if what == "faulthandler":
        faulthandler.enable()
    Watch("web worker").keep_box(path)
    ready()
    time.sleep(60)


def has_a_loop_that(does):
    asyncio.run(looped(does))


async def looped(does):
    watch = Watch("web worker")
    watch.keep_box(path)
    watch.begin(Duty(0.3, lambda stall: ready() if does == "is blocked" else None, lambda context: None))
    watch.enter(LifeState.SERVING)
    await asyncio.sleep(0.1)
    time.sleep(60 if does == "is blocked" else 1)
    await asyncio.sleep(1)
    ready()
    await asyncio.sleep(60)


globals()[sys.argv[1]](*sys.argv[3:])
"""
SURVIVOR = """
import sys
from pathlib import Path

from outlast.watch.recovered import of_the_dead

sys.stdin.read(1)
found = of_the_dead(Path(sys.argv[1]), "web-")
print(len(found.remains), found.unread, flush=True)
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "web-1-1-a.box"


@contextmanager
def owner(what: str, path: Path, *more: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that owns a box there, and does `what`."""
    process = subprocess.Popen([sys.executable, "-c", OWNERS, what, str(path), *more])
    try:
        eventually(lambda: path.with_suffix(".ready").exists() or process.poll() is not None, "it is ready")
        assert process.poll() is None
        yield process
    finally:
        kill(process.pid)
        process.wait(10 * PATIENCE)


def killed(what: str, path: Path) -> None:
    with owner(what, path):
        pass


def remains_at(path: Path) -> Remains:
    found = read(path)
    assert found is not None
    return found


def taken(folder: Path) -> Remains:
    """What the only dead process has left."""
    found = of_the_dead(folder, PREFIX)
    assert (len(found.remains), found.unread) == (1, 0)
    return found.remains[0]


# Written and read


def test_a_box_can_be_read_at_any_instant(place: Path) -> None:
    with owner("writes_as_fast_as_it_can", place) as process:
        seen = [remains_at(place) for _ in range(2000)]
        assert process.poll() is None
    assert {one.owner.pid for one in seen} == {process.pid}
    for one in seen:
        assert [flying.name for flying in one.in_flight] == [name_of(flying.task_id) for flying in one.in_flight]
        assert one.stall is None or is_whole(one.stall)
    assert len({one.stall.culprit for one in seen if one.stall is not None}) > 5, "it was written meanwhile"
    assert any(one.in_flight for one in seen)


def name_of(number: int) -> str:
    return f"GET /{number} " + str(number) * (number % 20)


def is_whole(stall: StallNote) -> bool:
    """Whether all its parts are of one and the same."""
    number = int(stall.culprit)
    flight = stall.flight
    return (stall.at, stall.stack) == (number, f"{number} " * (1 + number % 500)) and flight == Flight(str(number), 1.0)


def test_what_was_in_flight_and_the_last_stall_outlive_sigkill(place: Path) -> None:
    killed("waits", place)
    remains = taken(place.parent)
    assert [one.name for one in remains.in_flight] == [f"GET /{number}" for number in range(PLACES)], "64 have a slot"
    assert remains.stall is not None
    assert is_whole(remains.stall)
    assert remains.vitals.state is LifeState.SERVING
    assert not list(place.parent.glob("*.box")) and not list(place.parent.glob("*.crash"))


def test_a_slot_is_given_back(place: Path) -> None:
    box, flights = BlackBox(place, OWNER), Flights()
    flights.write_to(box)
    first = [flights.begin(f"GET /{number}") for number in range(PLACES + 10)]
    for one in first:
        flights.end(one)
    assert remains_at(place).in_flight == ()
    for number in range(PLACES):
        flights.begin(f"POST /{number}")
    assert len(remains_at(place).in_flight) == PLACES
    box.close()


def test_a_file_name_for_which_there_is_no_room_is_left_out(place: Path) -> None:
    box = BlackBox(place, replace(OWNER, oom_file="/sys/fs/cgroup/" + "é" * 500))
    box.beat_loop()
    found = remains_at(place)
    assert found.owner == OWNER
    assert found.vitals.loop_beat > 0
    box.close()


def test_a_box_of_the_release_before_is_read(place: Path) -> None:
    box = BlackBox(place, OWNER)
    owner = {name: value for name, value in asdict(OWNER).items() if name != "oom_file"}
    box._write_record(WHO_AT, json.dumps(owner).encode())
    assert remains_at(place).owner == OWNER
    box.close()


def test_whatever_is_written_is_cut_to_its_room(place: Path) -> None:
    box, flights = BlackBox(place, OWNER), Flights()
    flights.write_to(box)
    for text in (
        "x" * 100_000,
        "é" * 100_000,
        "\U0001f600" * 100_000,
        "\0" * 100_000,
        "\udcff" * 100_000,
        '"' * 100_000,
    ):
        one = flights.begin(text, task_id=2**63 - 1)
        box.note(StallNote(Cause.BLOCKED, 5.0, text, text, text, Flight(text, 1.0), False))
        found = remains_at(place)
        assert [flying.name[:20] for flying in found.in_flight] == [text[:20].replace("\udcff", "?").rstrip("\0")]
        assert found.stall is not None
        assert found.stall.stack
        assert found.stall.culprit[:20] == one_line(text.replace("\udcff", "?"), 100)[:20]
        flights.end(one)
    assert remains_at(place).owner == OWNER
    box.close()


def test_a_good_bye_removes_both_files(place: Path) -> None:
    box = BlackBox(place, OWNER)
    assert sorted(one.name for one in place.parent.iterdir()) == [place.name, place.with_suffix(".crash").name]
    assert {one.stat().st_mode & 0o777 for one in place.parent.iterdir()} == {0o600}
    box.close()
    assert list(place.parent.iterdir()) == []


def test_a_second_box_of_one_name_is_refused_and_the_first_one_stays(place: Path) -> None:
    box = BlackBox(place, OWNER)
    with pytest.raises(FileExistsError):
        BlackBox(place, OWNER)
    place.with_suffix(".crash").unlink()
    with pytest.raises(FileExistsError):
        BlackBox(place, OWNER)
    assert place.exists()
    box.close()


# Taken by one survivor


def test_one_of_several_survivors_reads_it(place: Path) -> None:
    killed("waits", place)
    command = [sys.executable, "-c", SURVIVOR, str(place.parent)]
    survivors = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) for _ in range(4)]
    for one in survivors:
        assert one.stdin is not None
        one.stdin.write(b".")
        one.stdin.close()
    said = []
    for one in survivors:
        assert one.stdout is not None
        said.append(one.stdout.read().split())
        one.stdout.close()
        assert one.wait(10 * PATIENCE) == 0
    assert sorted(said) == [[b"0", b"0"]] * 3 + [[b"1", b"0"]]
    assert not list(place.parent.glob("*.read"))


def test_the_box_of_a_living_process_is_never_taken(place: Path) -> None:
    with owner("waits", place):
        for _ in range(100):
            assert of_the_dead(place.parent, PREFIX).remains == []
        assert remains_at(place).stall is not None


def test_a_forked_child_neither_frees_nor_keeps_its_parents_box(place: Path) -> None:
    with owner("has_a_forked_child", place):
        said = place.with_suffix(".child")
        eventually(lambda: said.exists() and said.read_text(), "there is a child")
        child = int(said.read_text())
        assert of_the_dead(place.parent, PREFIX).remains == []
    try:
        assert taken(place.parent).stall is not None, "the owner is dead, though its child lives"
        os.kill(child, 0)
    finally:
        os.kill(child, signal.SIGKILL)


def test_a_forked_child_that_ends_changes_nothing(place: Path) -> None:
    with owner("has_a_forked_child_that_writes", place):
        assert of_the_dead(place.parent, PREFIX).remains == []
        remains = remains_at(place)
        assert [one.name for one in remains.in_flight] == ["GET /of-the-parent"]
        assert remains.vitals.state is LifeState.STARTING
        assert place.with_suffix(".crash").exists()


def test_the_own_box_is_not_opened_again(place: Path) -> None:
    """To close it a second time would drop its lock; another process can tell."""
    box = BlackBox(place, OWNER)
    found = of_the_dead(place.parent, PREFIX, own="web-1-1-")
    assert (found.remains, found.unread) == ([], 0)
    survivor = subprocess.run(
        [sys.executable, "-c", SURVIVOR, str(place.parent)], input=b".", capture_output=True, check=True
    )
    assert survivor.stdout == b"0 0\n"
    assert place.exists()
    box.close()


def test_a_box_that_was_made_a_moment_ago_is_left_to_its_owner(place: Path) -> None:
    """It has to be made before it can be locked."""
    place.touch()
    assert of_the_dead(place.parent, PREFIX).unread == 0
    assert place.exists()


@pytest.mark.parametrize(("what", "signal_that_asks"), [("nothing", POKE), ("the signal", 0), ("faulthandler", 0)])
def test_a_signal_or_a_faulthandler_of_somebody_else_is_left_alone(
    place: Path, what: str, signal_that_asks: int
) -> None:
    with owner("has_somebody_else_who_uses", place, what):
        assert remains_at(place).owner.poke == signal_that_asks


@pytest.mark.parametrize(("does", "is_alone"), [("is blocked", True), ("is free again", False)])
def test_of_a_blocked_loop_only_the_thread_that_is_hit_is_written(place: Path, does: str, is_alone: bool) -> None:
    """The others run, and a walk through their frames would break the process."""
    with owner("has_a_loop_that", place, does) as process:
        process.send_signal(signal.SIGABRT)
        assert process.wait(10 * PATIENCE) == -signal.SIGABRT
    crash = taken(place.parent).crash
    assert (crash.error, len(crash.hit)) == ("Aborted", 1)
    assert (len(crash.threads) == 1) is is_alone


def test_what_a_survivor_had_taken_and_not_read_is_thrown_away_after_a_while(tmp_path: Path) -> None:
    old, new = tmp_path / "web-1.7.read", tmp_path / "web-2.7.read"
    for path in (old, new):
        path.touch()
    os.utime(old, (1.0, 1.0))
    assert not of_the_dead(tmp_path, "web-").remains
    assert not old.exists()
    assert new.exists()
