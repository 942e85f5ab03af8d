"""Boxes with noise in them: never an exception, thrown away."""

from __future__ import annotations

import json
import os
import signal
import socket
import struct
import time
import zlib
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from outlast.system.kernel import boot_id
from outlast.watch.black_box import BlackBox
from outlast.watch.crash import LONGEST_EXCERPT, NO_CRASH
from outlast.watch.incident import Cause, Flight
from outlast.watch.layout import FLIGHTS_AT, MARK, POKE, SIZE, STALL_AT, VITALS_AT, WHO_AT, Owner, StallNote
from outlast.watch.recovered import MOST_READ, Remains, boxes_in, of_the_dead, read, vitals_of

PREFIX = "web-"
OWNER = Owner("web worker", os.getpid(), time.time(), socket.gethostname(), boot_id())
STALL = StallNote(Cause.BLOCKED, 5.0, "send (mail.py:8)", "time.sleep(9)", "stack", Flight("GET /mail", 2.0), False)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "web-1-1-a.box"


def record(body: bytes, at: int, into: bytearray) -> None:
    """With the right checksum."""
    whole = struct.pack("<II", zlib.crc32(body), len(body)) + body
    into[at : at + len(whole)] = whole


def content(who: bytes, stall: bytes = b"", vitals: bytes = b"") -> bytes:
    """Of a box."""
    made = bytearray(SIZE)
    made[: len(MARK)] = MARK
    record(who, WHO_AT, made)
    record(stall, STALL_AT, made)
    made[VITALS_AT : VITALS_AT + len(vitals)] = vitals
    return bytes(made[:SIZE])


def owner_of(**changed: Any) -> bytes:
    return json.dumps({**asdict(OWNER), **changed}).encode()


def stall_of(**changed: Any) -> bytes:
    return json.dumps({**asdict(STALL), **changed}).encode()


WHO = owner_of()
HUGE = 10**400
NOISE: Mapping[str, bytes] = {
    "empty": b"",
    "truncated": content(WHO)[:-1],
    "too long": content(WHO) + b"\0",
    "all zeros": bytes(SIZE),
    "all ones": b"\xff" * SIZE,
    "another mark": b"outlast9" + content(WHO)[8:],
    "no owner": content(b""),
    "no JSON": content(b"{"),
    "no text": content(b"\xff\xfe"),
    "a list": content(b"[1]"),
    "deep": content(b"[" * 900, stall=b"[" * 15_000),
    "deep stall": content(WHO, stall=b'{"flight":' + b"[" * 15_000),
    "no fields": content(b"{}"),
    "infinite pid": content(owner_of(pid=float("inf"))),
    "a pid that is no number": content(owner_of(pid=float("nan"))),
    "huge pid": content(owner_of(pid=10**30)),
    "negative pid": content(owner_of(pid=-1)),
    "pid of another type": content(owner_of(pid=[1])),
    "huge start": content(owner_of(started_at=HUGE)),
    "a signal that kills": content(owner_of(poke=int(signal.SIGKILL))),
    "server of another type": content(owner_of(server="gunicorn")),
    "server without fields": content(owner_of(server={})),
    "huge patience": content(owner_of(server={**asdict(OWNER.server), "patience": HUGE})),
    "unknown cause": content(WHO, stall_of(cause="bad luck")),
    "stall of another type": content(WHO, stall_of(flight="GET /")),
    "stall at no time": content(WHO, stall_of(at=None)),
    "stall of a huge task": content(WHO, stall_of(flight={"name": "x", "seconds": 1.0, "task": HUGE, "lane": ""})),
    "unknown state": content(WHO, vitals=struct.pack("<qqqqqq", 0, 0, 77, 0, 0, 0)),
}


@pytest.mark.parametrize("what", NOISE)
def test_noise_is_thrown_away(place: Path, what: str) -> None:
    place.write_bytes(NOISE[what])
    os.utime(place, (1, 1))
    assert read(place) is None
    vitals_of(place)
    found = of_the_dead(place.parent, PREFIX)
    assert (found.remains, found.unread) == ([], 1)
    assert list(place.parent.iterdir()) == []


def test_a_folder_that_is_not_there_holds_no_boxes(tmp_path: Path) -> None:
    (tmp_path / "web-1.box").mkdir()
    assert of_the_dead(tmp_path, PREFIX).unread == 0, "no file"
    assert read(tmp_path / "web-2.box") is None
    assert vitals_of(tmp_path / "web-2.box") is None
    assert boxes_in(tmp_path / "nowhere") == []


def test_the_signal_that_asks_is_known_again(place: Path) -> None:
    place.write_bytes(content(owner_of(poke=int(POKE))))
    found = read(place)
    assert found is not None
    assert found.owner.poke == POKE


def test_of_a_thousand_old_boxes_the_newest_are_read(tmp_path: Path) -> None:
    for number in range(1000):
        path = tmp_path / f"web-{number}.box"
        path.write_bytes(content(owner_of(pid=number)))
        os.utime(path, (number, number))
    (tmp_path / "child-1.box").write_bytes(b"of somebody else")
    found = of_the_dead(tmp_path, PREFIX)
    assert [one.owner.pid for one in found.remains] == list(range(999, 999 - MOST_READ, -1))
    assert found.unread == 1000 - MOST_READ
    assert [one.name for one in tmp_path.iterdir()] == ["child-1.box"]


REGIONS = {
    "who": (WHO_AT, 1016),
    "vitals": (VITALS_AT, 48),
    "flights": (FLIGHTS_AT, STALL_AT - FLIGHTS_AT),
    "stall": (STALL_AT, SIZE),
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=300),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
ANYWHERE = settings(max_examples=150, suppress_health_check=list(HealthCheck))


@pytest.mark.parametrize("region", REGIONS)
@ANYWHERE
@given(data=st.data())
def test_random_bytes_anywhere_are_no_exception(place: Path, region: str, data: st.DataObject) -> None:
    at, size = REGIONS[region]
    noise = data.draw(st.binary(min_size=1, max_size=200))
    start = at + data.draw(st.integers(0, max(0, min(size, SIZE - at) - len(noise))))
    whole = bytearray(content(WHO, stall_of()))
    whole[start : start + len(noise)] = noise
    place.write_bytes(whole[:SIZE])
    is_sound(read(place))


@ANYWHERE
@given(st.sampled_from(sorted(asdict(OWNER))), st.sampled_from(sorted(asdict(STALL))), JSON, JSON)
def test_any_json_in_any_field_is_no_exception(place: Path, who: str, what: str, first: object, second: object) -> None:
    place.write_bytes(content(owner_of(**{who: first}), stall_of()))
    is_sound(read(place))
    place.write_bytes(content(WHO, stall_of(**{what: second})))
    is_sound(read(place))


def is_sound(found: Remains | None) -> None:
    """What is read can be told: it is text, and numbers that the journal can store."""
    if found is not None:
        str(found).encode()
        assert 0 <= found.owner.pid < 1 << 63
        assert found.stall is None or len(found.stall.culprit) <= 200
        assert all(flight.seconds >= 0 for flight in found.flights(5.0))


def test_what_is_no_file_of_this_user_is_counted_and_left_alone(tmp_path: Path) -> None:
    """A pipe would block whoever opens it, a link leads anywhere, /dev/zero has no end."""
    os.mkfifo(tmp_path / "web-1-1-a.box")
    (tmp_path / "web-2-1-a.box").symlink_to("/dev/zero")
    (tmp_path / "web-3-1-a.box").symlink_to("nowhere")
    (tmp_path / "web-4-1-a.box").mkdir()
    before = sorted(tmp_path.iterdir())
    found = of_the_dead(tmp_path, PREFIX)
    assert (found.remains, found.unread, found.foreign) == ([], 0, 4)
    assert sorted(tmp_path.iterdir()) == before
    assert [*map(read, before), *map(vitals_of, before)] == [None] * 8


@pytest.mark.parametrize("kind", ["a pipe", "a link"])
def test_a_crash_file_that_is_none_is_not_read(place: Path, kind: str) -> None:
    box = BlackBox(place, OWNER)
    crash = place.with_suffix(".crash")
    crash.unlink()
    if kind == "a pipe":
        os.mkfifo(crash)
    else:
        crash.symlink_to("/dev/zero")
    found = read(place)
    assert found is not None
    assert found.crash == NO_CRASH
    box.close()


def test_of_a_crash_file_without_end_the_last_is_read(place: Path) -> None:
    box = BlackBox(place, OWNER)
    with place.with_suffix(".crash").open("wb") as crash:
        crash.truncate(1 << 40)  # takes no room: it is a hole
        crash.seek(0, os.SEEK_END)
        crash.write(b"x" * 65_536)
    found = read(place)
    assert found is not None
    assert found.crash.excerpt == "x" * LONGEST_EXCERPT
    box.close()


def test_the_boxes_of_another_journal_in_the_folder_are_not_ours(tmp_path: Path) -> None:
    for name in ("web-1-1-a.box", "a.db.web-1-1-a.box", "a.db.b.web-1-1-a.box", "web-x.web-1-1-a.box"):
        (tmp_path / name).write_bytes(b"noise that has been there for long")
        os.utime(tmp_path / name, (1.0, 1.0))
    assert [one.name for one in boxes_in(tmp_path)] == ["web-1-1-a.box"]
    assert of_the_dead(tmp_path, "a.db.web-").unread == 1
    assert {one.name for one in tmp_path.iterdir()} == {"web-1-1-a.box", "a.db.b.web-1-1-a.box", "web-x.web-1-1-a.box"}
