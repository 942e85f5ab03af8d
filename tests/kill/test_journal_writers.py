"""Many who write at once, one who reads for long, and SIGKILL in the middle of it: the journal stays whole."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path

import apsw
import pytest

from outlast.journal.sqlite.file import PAGES_IN_LOG
from outlast.journal.sqlite.opening import LARGEST_LOG
from tests.support.journals import Clients, is_sound
from tests.support.marks import slow
from tests.support.processes import kill
from tests.support.servers import Server, eventually, is_alive, serving

PAGE = 4096  # bytes


@pytest.mark.slow
def test_four_web_workers_write_at_once(tmp_path: Path) -> None:
    with serving("gunicorn uvicorn_worker", tmp_path, "-w", "4") as server, ThreadPoolExecutor(8) as clients:
        names: list[str] = []
        workers: set[int] = set()

        def add_forty() -> bool:
            added = [f"n{len(names) + number}" for number in range(40)]
            names.extend(added)
            workers.update(clients.map(lambda name: server.add("ok", name), added))
            return len(workers) == 4 and len(names) >= 200

        eventually(add_forty, f"all four have answered, not only {workers}")
        eventually(server.all_settled, f"all have ended; {server.output}")
        assert sorted(name for _, name, _ in server.witnessed("ran")) == sorted(names)
        assert {record.state for record in server.records()} == {"done"}
        assert len(server.living("web")) == 4
        assert is_sound(server.journal)


@contextmanager
def held_snapshot(journal: Path) -> Iterator[apsw.Connection]:
    """A reader that has begun and does not end, as a backup or somebody's shell."""
    with closing(apsw.Connection(str(journal), flags=apsw.SQLITE_OPEN_READWRITE)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM task").fetchall()
        yield reader
        reader.execute("ROLLBACK")


@pytest.mark.slow
def test_a_long_reader_makes_the_log_grow_and_nothing_fail(tmp_path: Path) -> None:
    with serving("gunicorn uvicorn_worker", tmp_path) as server:
        log = Path(f"{server.journal}-wal")
        server.add("ok", "first")
        eventually(server.all_settled, "it is done")
        with held_snapshot(server.journal) as reader:
            names = (f"{number}" + "x" * 6000 for number in range(100_000))
            eventually(
                lambda: server.add("ok", next(names)) and log.stat().st_size > LARGEST_LOG + PAGES_IN_LOG * PAGE,
                f"the log grows: {log.stat().st_size} bytes",
                within=60,
            )
            eventually(server.all_settled, "all have run meanwhile")
            assert reader.execute("SELECT count(*) FROM task").fetchone() == (1,), "and the reader sees what it saw"
            size = server.journal.stat().st_size
        eventually(
            lambda: server.add("ok", "later") and log.stat().st_size <= LARGEST_LOG,
            f"the log is written back and cut: {log.stat().st_size} bytes",
        )
        assert server.journal.stat().st_size > size
        eventually(server.all_settled, "all have run")
        assert {record.state for record in server.records()} == {"done"}
        assert is_sound(server.journal)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["runner", *slow("web")])
def test_sigkill_in_the_middle_of_writing_leaves_a_sound_journal(tmp_path: Path, kind: str) -> None:
    with serving("gunicorn uvicorn_worker", tmp_path, "-w", "2") as server:
        clients = Clients(server, "n")
        with clients.at_work():
            for _ in range(6):
                eventually(partial(clients.have_been_answered, 20), server.output)
                kill_one(server, kind)
                assert is_sound(server.journal)
        eventually(server.answers, "somebody answers")
        server.add("ok", "last")
        eventually(server.all_settled, f"all have ended; {server.output[-3000:]}", within=60)
        ran = {name for _, name, _ in server.witnessed("ran")}
        assert set(clients.accepted) <= ran, "what was answered 200 has run"
        assert is_sound(server.journal)


def kill_one(server: Server, kind: str) -> None:
    victims: list[int] = []

    def is_there() -> bool:
        victims[:] = server.living(kind)
        return bool(victims)

    eventually(is_there, f"there is a {kind} to kill")
    kill(victims[0])
    eventually(lambda: not is_alive(victims[0]), "it is dead")
