"""Whose a journal's folder and files are, what is refused there, and the names of what lies beside it."""

from __future__ import annotations

import os
import re
import socket
import stat
import struct
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from outlast.engines.place import place_of, refusal_of
from outlast.engines.sqlite import SqliteJournal
from outlast.errors import JournalUnusable
from outlast.liveness import Liveness
from outlast.ownership import open_own, others_who_write
from outlast.peers import Peer, _peer_by_xucred, peer_of
from outlast.place import Address, Place
from outlast.settings import Settings
from tests.doctor.projects import CLEAN, write
from tests.doctor.run import doctor
from tests.support.strangers import LOCK_FOLDER, NOBODY, common_folder, needs_root, stranger


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """That of a journal that is there."""
    folder = tmp_path / "kept"
    journal = SqliteJournal(f"sqlite:///{folder}/journal.db")
    journal.open()
    journal.close()
    return Place.of(journal.path)


# Names


def test_two_journals_in_one_folder_have_no_file_in_common() -> None:
    names = [
        {one.socket, one.locks, one.presence, one.turns, one.file("web-1-1-a.box"), one.file("child-1.box")}
        for one in (Place.of(Path("/srv") / name) for name in ("journal.db", "a.db", "b.db", "a", "journal"))
    ]
    assert len(set.union(*names)) == sum(map(len, names))


def test_the_default_journal_keeps_the_names_of_the_version_before() -> None:
    place = Place.of(Path("/srv/.outlast/journal.db"))
    assert (place.socket.name, place.locks.name, place.presence.name) == (
        "runner.sock",
        "processes.lock",
        ".journal.db.lock",
    )


def test_an_address_leads_to_its_own_journal_by_whatever_path(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "other").mkdir()
    (tmp_path / "link").symlink_to("real")
    a = Place.of(tmp_path / "real" / "a.db")
    assert a.is_meant_by(Place.of(tmp_path / "link" / "a.db").address())
    assert a.is_meant_by(Address()), "an outlast that did not tell yet"
    assert not a.is_meant_by(Place.of(tmp_path / "real" / "b.db").address())
    assert not a.is_meant_by(Place.of(tmp_path / "other" / "a.db").address())


# The folder


@pytest.mark.parametrize("mode", [0o700, 0o711, 0o755, 0o2755])
def test_a_folder_that_only_its_user_may_write_to_is_used(place: Place, mode: int) -> None:
    place.folder.chmod(mode)
    assert refusal_of(place) == ""


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o702, 0o733])
def test_a_folder_that_everybody_may_write_to_is_refused_with_the_remedy(place: Place, mode: int) -> None:
    place.folder.chmod(mode)
    with pytest.raises(JournalUnusable, match="everybody may write to it") as refused:
        SqliteJournal(f"sqlite:///{place.journal}").open()
    sentence = str(refused.value)
    assert f"OUTLAST_URL to a folder of its own, such as sqlite:///{place.folder}/outlast/journal.db" in sentence
    assert (f"`chmod go-w {place.folder}`" in sentence) == (not mode & stat.S_ISVTX), "/tmp has to stay as it is"
    assert "OUTLAST_SHARED_FOLDER=true" in sentence
    assert refusal_of(replace(place, is_shared=True)) == ""
    SqliteJournal(f"sqlite:///{place.journal}", is_shared=True).open()


def test_what_the_refusal_proposes_works(place: Place) -> None:
    place.folder.chmod(0o1777)
    (url,) = re.findall(r"sqlite:///\S+\.db", refusal_of(place))
    SqliteJournal(url).open()
    assert stat.S_IMODE((place.folder / "outlast").stat().st_mode) == 0o700


@needs_root
def test_a_folder_that_a_group_may_write_to_is_refused_unless_it_is_the_users_own(place: Place) -> None:
    place.folder.chmod(0o770)
    assert refusal_of(place) == "", "root's own group"
    os.chown(place.folder, 0, NOBODY)
    assert "group" in refusal_of(place)
    os.chown(place.folder, 0, 54_321)
    assert "(group gid 54321 may write to it)" in refusal_of(place), "one without a name"


@needs_root
def test_a_folder_of_another_user_is_refused_and_its_owner_trusted_where_that_is_asked_for(place: Place) -> None:
    for path in (place.folder, *place.folder.iterdir()):
        os.chown(path, NOBODY, NOBODY)
    assert f"it belongs to nobody (uid {NOBODY})" in refusal_of(place)
    assert "chmod" not in refusal_of(place)
    assert refusal_of(replace(place, is_shared=True)) == ""
    SqliteJournal(f"sqlite:///{place.journal}", is_shared=True).open()
    Liveness(replace(place, is_shared=True))


def test_a_setting_allows_a_shared_folder(place: Place) -> None:
    url = f"sqlite:///{place.journal}"
    assert not place_of(Settings.load({}, url=url)).is_shared
    assert place_of(Settings.load({"OUTLAST_SHARED_FOLDER": "true"}, url=url)).is_shared


def test_the_doctor_finds_it(tmp_path: Path) -> None:
    write(CLEAN, tmp_path)
    (tmp_path / ".outlast").mkdir()
    (tmp_path / ".outlast").chmod(0o777)
    answer = doctor(tmp_path, "shop.main:app", "--json")
    assert answer.found == {("journal-place", ".outlast/journal.db", 0)}
    (found,) = answer.document["findings"]
    assert found["remedy"].startswith("set OUTLAST_URL")


# The files


def link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def writable(path: Path) -> None:
    path.chmod(0o666)


@pytest.mark.parametrize("done", [link, pipe, writable], ids=lambda done: done.__name__)
@pytest.mark.parametrize("name", ["journal.db", "journal.db-wal", "journal.db-shm", ".journal.db.lock"])
def test_a_file_that_is_none_or_that_others_may_write_to_is_refused(
    place: Place, name: str, done: Callable[[Path], None]
) -> None:
    done(place.folder / name)
    with pytest.raises(JournalUnusable, match=name) as refused:
        SqliteJournal(f"sqlite:///{place.journal}").open()
    assert str(place.folder / name) in str(refused.value) or "remove it" in str(refused.value)


@needs_root
def test_a_file_of_another_user_is_refused_in_a_shared_folder_too(place: Place) -> None:
    place.folder.chmod(0o777)
    os.chown(place.journal, NOBODY, NOBODY)
    with pytest.raises(JournalUnusable, match="it belongs to nobody"):
        SqliteJournal(f"sqlite:///{place.journal}", is_shared=True).open()


def test_no_lock_is_taken_through_a_link_or_on_a_pipe(place: Place) -> None:
    (place.folder / "target").touch()
    place.locks.symlink_to("target")
    with pytest.raises(OSError, match="symbolic links"):
        Liveness(place)
    pipe(place.locks)
    with pytest.raises(PermissionError, match="it is a named pipe, not a file"):
        Liveness(place)


def test_the_mark_for_git_is_not_written_through_a_link(tmp_path: Path) -> None:
    folder = tmp_path / ".outlast"
    folder.mkdir(mode=0o700)
    (folder / ".gitignore").symlink_to(tmp_path / "target")
    SqliteJournal(f"sqlite:///{folder}/journal.db").open()
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("path", ["/dev/null", "/dev/zero", "/"])
def test_what_is_no_file_is_not_opened(path: str) -> None:
    with pytest.raises(PermissionError, match="not a file"):
        os.close(open_own(Path(path), os.O_RDONLY))


def test_a_file_of_this_user_alone_has_no_other_writers(tmp_path: Path) -> None:
    (tmp_path / "it").touch(mode=0o600)
    assert others_who_write((tmp_path / "it").stat()) == ""


@needs_root
def test_who_may_read_the_folder_cannot_keep_a_journal_from_being_made() -> None:
    with common_folder() as common, stranger(LOCK_FOLDER, common):
        code = "import sys; from outlast.engines.sqlite import SqliteJournal; SqliteJournal(sys.argv[1]).open()"
        subprocess.run([sys.executable, "-c", code, f"sqlite:///{common}/journal.db"], timeout=20, check=True)
        assert (common / "journal.db").exists()


# The other end


def test_the_kernel_names_the_other_end() -> None:
    one, other = socket.socketpair()
    with one, other:
        assert peer_of(one) == Peer(os.getpid(), os.geteuid())


def test_the_answer_of_macos_is_understood() -> None:
    assert _peer_by_xucred(struct.pack("=IIhxx16I", 0, 501, 1, *range(16))) == Peer(0, 501)
