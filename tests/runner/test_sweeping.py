"""Which stashed files are removed, and that no name leads anywhere else."""

from __future__ import annotations

import asyncio
import os
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from outlast.errors import StashGone, StoreFailed
from outlast.functions.encoding import Codec
from outlast.functions.stashed import Held, StashedFile
from outlast.journal.contract import Drop
from outlast.journal.engines import open_journal
from outlast.journal.turn import RunnersJournal
from outlast.runner.sweeping import LOST, SETTLED, Sweeper
from outlast.system.place import Place
from outlast.system.process import ProcessRole, this
from outlast.system.stash import Stash
from outlast.tasks.task import Lane, NewTask, State
from outlast.web.journal import Durable
from outlast.web.stash import stash_for
from tests.web.recording import RecordingStore

OLD_ENOUGH = LOST + 1


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place.of(tmp_path / "journal.db")


@pytest.fixture
def journal(place: Place) -> Iterator[RunnersJournal]:
    journal = open_journal(f"sqlite:///{place.journal}")
    journal.open()
    yield journal
    journal.close()


class Clock:
    """Monotonic seconds."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def made(place: Place, content: bytes = b"abc") -> str:
    """A file that nobody holds any more."""
    name, file = Stash(place).make()
    with file:
        file.write(content)
    return name


def add(journal: RunnersJournal, number: int, *names: str) -> None:
    task = NewTask(number, "app:work", "{}", Lane.LOOP, State.HELD, time.time(), "", stashed=names)
    with journal.transaction():
        journal.tasks.add([task], 1)


def drop(journal: RunnersJournal, number: int) -> None:
    with journal.transaction():
        assert journal.tasks.drop([Drop(number, "no more")]) == [number]


def swept(place: Place, clock: Clock, sweeper: Sweeper, after: float) -> list[str]:
    """What is left when it was looked twice, so many seconds apart."""
    sweeper.sweep()
    clock.now += after
    sweeper.sweep()
    return Stash(place).names()


def test_a_file_stays_as_long_as_one_of_its_tasks_is_unfinished(place: Place, journal: RunnersJournal) -> None:
    name, clock = made(place), Clock()
    sweeper = Sweeper(place, clock)
    add(journal, 1, name)
    add(journal, 2, name, name)
    assert swept(place, clock, sweeper, OLD_ENOUGH) == [name]
    drop(journal, 1)
    assert swept(place, clock, sweeper, OLD_ENOUGH) == [name]
    drop(journal, 2)
    assert swept(place, clock, sweeper, SETTLED / 2) == [name]
    assert swept(place, clock, sweeper, SETTLED) == []


def test_one_that_is_forgotten_takes_its_files_along(place: Place, journal: RunnersJournal) -> None:
    name, clock = made(place), Clock()
    add(journal, 1, name)
    drop(journal, 1)
    with journal.transaction():
        assert journal.tasks.delete([1]) == {1: True}
    assert swept(place, clock, Sweeper(place, clock), OLD_ENOUGH) == []


@pytest.mark.usefixtures("journal")
def test_one_that_no_task_knows_goes_when_nobody_holds_it(place: Place) -> None:
    name, clock = made(place), Clock()
    sweeper = Sweeper(place, clock)
    with Stash(place).open(name) as file:
        held = Held(name, file)
    assert swept(place, clock, sweeper, OLD_ENOUGH) == [name]
    del held
    assert swept(place, clock, sweeper, LOST / 2) == [name]
    assert swept(place, clock, sweeper, LOST) == []


@pytest.mark.usefixtures("journal")
def test_what_else_lies_there_is_left_alone(place: Place) -> None:
    made(place)
    (Stash(place).path / "notes.txt").touch()
    clock = Clock()
    assert swept(place, clock, Sweeper(place, clock), OLD_ENOUGH) == []
    assert [one.name for one in Stash(place).path.iterdir()] == ["notes.txt"]


def test_without_a_journal_nothing_is_removed(place: Place) -> None:
    from outlast.errors import JournalUnusable

    made(place)
    with pytest.raises(JournalUnusable):
        Sweeper(place).sweep()


@pytest.mark.usefixtures("journal")
def test_one_that_cannot_be_removed_keeps_no_other(place: Place) -> None:
    made(place)
    link = "0" * 32
    (Stash(place).path / link).symlink_to(place.journal)
    clock = Clock()
    assert swept(place, clock, Sweeper(place, clock), OLD_ENOUGH) == [link]
    assert place.journal.exists()


@pytest.mark.parametrize("name", ["../journal.db", "a" * 31, "A" * 32, "a" * 32 + "\n", "/etc/passwd", ""])
def test_no_name_leads_elsewhere(place: Place, name: str) -> None:
    made(place)
    with pytest.raises(FileNotFoundError):
        Stash(place).open(name)
    with pytest.raises(ValueError, match="no stashed file"):
        StashedFile.read_from({"stash": name, "name": None, "type": None, "size": 1})


def test_no_link_is_followed_and_no_pipe_is_read(place: Place) -> None:
    made(place)
    secret = place.folder / "secret"
    secret.write_text("secret")
    (Stash(place).path / ("a" * 32)).symlink_to(secret)
    os.mkfifo(Stash(place).path / ("b" * 32))
    for name in ("a" * 32, "b" * 32):
        with pytest.raises(OSError, match=r"symbolic links|not a file"):
            Stash(place).open(name)


def test_a_folder_that_others_may_write_to_is_not_used(place: Place) -> None:
    name = made(place)
    Stash(place).path.chmod(0o777)
    with pytest.raises(PermissionError, match="everybody may write to it"):
        Stash(place).open(name)


def test_one_that_is_not_what_was_stashed_is_not_read(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    name = made(place, b"abcdef")
    monkeypatch.setattr(this, "role", ProcessRole(stash=Stash(place)))
    assert StashedFile(Held(name), "a", None, 6).file.read() == b"abcdef"
    with pytest.raises(StashGone, match="not what was stashed"):
        StashedFile(Held(name), "a", None, 5).file  # noqa: B018


def test_it_stands_in_the_arguments_as_it_is_and_comes_back(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(this, "role", ProcessRole(stash=Stash(place)))
    name = made(place)

    def work(files: list[StashedFile], more: dict[str, object], number: int = 1) -> None: ...

    one = StashedFile(Held(name), "ü.txt", "text/plain", 3)
    codec = Codec(work)
    text = codec.encode(([one, one], {"a": [one, 1]}), {"number": 7})
    args, kwargs = codec.decode(text)
    assert kwargs == {}
    first, second = args[0]
    assert [(each.filename, each.content_type, each.size, each.file.read()) for each in (first, second)] == [
        ("ü.txt", "text/plain", 3, b"abc")
    ] * 2
    assert args[1]["a"][0].file.read() == b"abc"
    with pytest.raises(OSError, match="others may have it"):
        asyncio.run(first.write(b"x"))


def test_of_one_that_cannot_be_written_nothing_is_left(tmp_path: Path) -> None:
    app = RecordingStore(print)
    object.__setattr__(app.asked, "url", f"sqlite:///{tmp_path / 'journal.db'}")
    app._open_anew()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, before[1]))
    try:
        with pytest.raises(StoreFailed, match=r"^big\.bin cannot be stashed in .*File too large"):
            asyncio.run(stash_for(Durable(app), bytes(1 << 20), "big.bin", None))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list((tmp_path / "stash").iterdir())
