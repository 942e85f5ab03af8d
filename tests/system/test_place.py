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

from outlast.errors import JournalUnusable, SettingsError
from outlast.journal.engines import open_history, open_journal
from outlast.journal.location import journal_path, place_of, refusal_of, why_not_written
from outlast.settings.settings import Settings
from outlast.system.liveness import Liveness
from outlast.system.ownership import open_own, others_who_write
from outlast.system.peers import Peer, _peer_by_xucred, peer_of
from outlast.system.place import Address, Place
from tests.doctor.projects import CLEAN, write
from tests.doctor.run import doctor
from tests.support.strangers import LOCK_FOLDER, NOBODY, common_folder, needs_root, stranger


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """That of a journal that is there."""
    folder = tmp_path / "kept"
    journal = open_journal(f"sqlite:///{folder}/journal.db")
    journal.open()
    journal.close()
    return Place.of(folder / "journal.db")


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


def test_a_state_folder_has_all_but_the_journal_and_the_locks_that_make_its_runner_the_only_one() -> None:
    journal = Path("/srv/kept/a.db")
    apart, beside = Place.of(journal, state=Path("/run/app")), Place.of(journal)
    assert apart.state.parent == Path("/run/app")
    assert apart.state != Place.of(Path("/srv/other/a.db"), state=Path("/run/app")).state, "of one name, in one folder"
    assert (apart.socket, apart.file("child-1.box")) == (
        apart.state / "a.db.runner.sock",
        apart.state / "a.db.child-1.box",
    )
    assert (apart.journal, apart.locks, apart.presence) == (beside.journal, beside.locks, beside.presence)


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
        open_journal(f"sqlite:///{place.journal}").open()
    sentence = str(refused.value)
    assert f"OUTLAST_URL to a folder of its own, such as sqlite:///{place.folder}/outlast/journal.db" in sentence
    assert (f"`chmod go-w {place.folder}`" in sentence) == (not mode & stat.S_ISVTX), "/tmp has to stay as it is"
    assert "OUTLAST_SHARED_FOLDER=true" in sentence
    assert refusal_of(replace(place, is_shared=True)) == ""
    open_journal(f"sqlite:///{place.journal}", is_shared=True).open()


def test_what_the_refusal_proposes_works(place: Place) -> None:
    place.folder.chmod(0o1777)
    (url,) = re.findall(r"sqlite:///\S+\.db", refusal_of(place))
    open_journal(url).open()
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
    open_journal(f"sqlite:///{place.journal}", is_shared=True).open()
    Liveness(replace(place, is_shared=True))


def test_a_state_folder_that_others_may_write_to_is_refused_with_its_own_remedy(place: Place, tmp_path: Path) -> None:
    state = tmp_path / "state"
    apart = replace(place, state=state)
    assert refusal_of(apart) == "", "it is not there yet"
    state.mkdir()
    state.chmod(0o777)
    sentence = refusal_of(apart)
    assert f"the state folder {state} is not for this user alone (everybody may write to it)" in sentence
    assert f"set OUTLAST_STATE_FOLDER to one of its own, such as {state}/outlast, or `chmod go-w {state}`" in sentence
    place.folder.chmod(0o777)
    assert f"the journal's folder {place.folder}" in refusal_of(replace(place, state=tmp_path / "none"))


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
        open_journal(f"sqlite:///{place.journal}").open()
    assert str(place.folder / name) in str(refused.value) or "remove it" in str(refused.value)


@pytest.mark.parametrize(
    ("url", "remedy"), [("{}", "sqlite:///{}/journal.db"), ("/dev/null", "sqlite:////dev/journal.db")]
)
def test_a_journal_that_is_somebody_elses_folder_or_a_device_is_to_be_named_otherwise(
    tmp_path: Path, url: str, remedy: str
) -> None:
    """As of who forgets the name behind that of the volume: nobody is told to remove it."""
    folder = tmp_path / "volume"
    folder.mkdir(mode=0o700)
    with pytest.raises(JournalUnusable) as refused:
        open_journal(f"sqlite:///{url.format(folder)}").open()
    assert str(refused.value).endswith(f": set OUTLAST_URL to a file, such as {remedy.format(folder)}")


def test_a_folder_that_is_a_file_is_told_before_the_first_task(tmp_path: Path) -> None:
    (tmp_path / "file").touch(mode=0o600)
    place = Place.of(tmp_path / "file" / "journal.db")
    assert refusal_of(place) == ""
    assert f"since {tmp_path / 'file'} is a file, not a folder" in why_not_written(place)
    with pytest.raises(JournalUnusable, match="cannot be made"):
        open_journal(f"sqlite:///{place.journal}").open()


@pytest.mark.parametrize("url", ["sqlite:///", "sqlite:////data/", "data/journal.db"])
def test_a_url_that_names_no_file_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match=r"it has to look like sqlite:///folder/journal\.db"):
        journal_path(url)


def test_who_looks_into_a_journal_that_is_a_folder_hears_that(tmp_path: Path) -> None:
    with pytest.raises(JournalUnusable, match=f"is a folder: name a file in it, .*{tmp_path}/outlast/journal.db"):
        open_history(f"sqlite:///{tmp_path}")


WHY_NOT = """
from pathlib import Path
from outlast.journal.location import refusal_of, why_not_written
from outlast.system.place import Place
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
place = Place.of(Path(sys.argv[1]))
print(refusal_of(place) or why_not_written(place))
"""


@needs_root
def test_a_folder_that_an_earlier_start_as_root_has_left_is_told_to_who_may_not_look_into_it() -> None:
    with common_folder() as common:
        folder = common / ".outlast"
        folder.mkdir(mode=0o700)
        command = [sys.executable, "-c", f"import os, sys{WHY_NOT}", str(folder / "journal.db")]
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert f"since {folder} is not writable for user {NOBODY}: " in said
    assert "set OUTLAST_URL to one that is kept" in said


@needs_root
def test_a_file_of_another_user_is_refused_in_a_shared_folder_too(place: Place) -> None:
    place.folder.chmod(0o777)
    os.chown(place.journal, NOBODY, NOBODY)
    with pytest.raises(JournalUnusable, match="it belongs to nobody"):
        open_journal(f"sqlite:///{place.journal}", is_shared=True).open()


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
    open_journal(f"sqlite:///{folder}/journal.db").open()
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
        code = "import sys; from outlast.journal.engines import open_journal; open_journal(sys.argv[1]).open()"
        subprocess.run([sys.executable, "-c", code, f"sqlite:///{common}/journal.db"], timeout=20, check=True)
        assert (common / "journal.db").exists()


# The other end


def test_the_kernel_names_the_other_end() -> None:
    one, other = socket.socketpair()
    with one, other:
        assert peer_of(one) == Peer(os.getpid(), os.geteuid())


def test_the_answer_of_macos_is_understood() -> None:
    assert _peer_by_xucred(struct.pack("=IIhxx16I", 0, 501, 1, *range(16))) == Peer(0, 501)
