"""What is learned about functions: which have blocked an event loop."""

from __future__ import annotations

import apsw

from outlast.engines import statements as sql
from outlast.text import LONGEST_PATH, MOST_NAME, one_line


def learn(connection: apsw.Connection, function: str, code: str, seconds: float, now: float) -> None:
    """From now on a function runs in lane `alone`, what waits of it too. In a transaction."""
    path, code = one_line(function, LONGEST_PATH), one_line(code, MOST_NAME)
    is_new = connection.execute(sql.IS_LEARNED, (path, code)).fetchone() is None
    connection.execute(sql.LEARN, (path, code, seconds, now))
    if is_new:  # a look at all that waits: what was added since is apart already
        connection.execute(sql.SET_APART, (path,))
