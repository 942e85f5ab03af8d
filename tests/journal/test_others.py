"""A database of somebody else's where a journal is expected: it is refused, and nothing is done to it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import apsw
import pytest

from outlast.errors import NotAJournal
from outlast.journal.engines import open_care, open_history, open_journal, open_survey
from outlast.journal.sqlite.schema import SCHEMA_VERSION

Use = Callable[[str], object]
WITH_A_TASK_TABLE = "CREATE TABLE task (id INTEGER PRIMARY KEY, state TEXT, lane TEXT, attempt INTEGER)"
TRIES_TO_WRITE = """
import sqlite3, sys
try:
    sqlite3.connect(sys.argv[1], timeout=0).execute("INSERT INTO orders VALUES ('a chair')")
except sqlite3.OperationalError as error:
    print(error)
"""


@pytest.mark.parametrize("version", [0, 5, SCHEMA_VERSION, SCHEMA_VERSION + 1])
@pytest.mark.parametrize(
    "schema", ["", "CREATE TABLE orders (what TEXT)", WITH_A_TASK_TABLE], ids=["", "orders", "task"]
)
@pytest.mark.parametrize(
    "use",
    [
        lambda url: open_journal(url).open(),
        open_history,
        open_survey,
        lambda url: open_care(url).health(),
        lambda url: open_care(url).vacuum(),
    ],
    ids=["journal", "history", "survey", "health", "vacuum"],
)
def test_it_is_left_as_it_is(tmp_path: Path, version: int, schema: str, use: Use) -> None:
    path = tmp_path / "shop.db"
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute(f"VACUUM; {schema}")
        connection.pragma("user_version", version)
        connection.execute("CREATE TABLE gone (it); DROP TABLE gone")
    before = path.read_bytes()
    with pytest.raises(NotAJournal, match=r"shop.db is not a journal of outlast's.*: set OUTLAST_URL"):
        use(f"sqlite:///{path}")
    assert path.read_bytes() == before


def test_what_the_app_locks_stays_locked_whoever_asks_for_a_journal_there(tmp_path: Path) -> None:
    """POSIX locks are the process's: another library in it that reads or closes the file drops them."""
    import sqlite3

    path = tmp_path / "shop.db"
    with closing(sqlite3.connect(path)) as apps_own:
        apps_own.execute("CREATE TABLE orders (what TEXT)")
        with pytest.raises(NotAJournal):
            open_journal(f"sqlite:///{path}").open()
        apps_own.execute("BEGIN IMMEDIATE")
        for use in (lambda url: open_journal(url).open(), open_history):
            with pytest.raises(NotAJournal):
                use(f"sqlite:///{path}")
        other = subprocess.run(
            [sys.executable, "-c", TRIES_TO_WRITE, str(path)], capture_output=True, text=True, check=True
        )
    assert other.stdout == "database is locked\n"
