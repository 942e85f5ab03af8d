"""Claims in a SQLite journal: of a lane, of what is behind others, of what may be in one process. In a transaction."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from outlast.events import journal
from outlast.journal.sqlite import rows
from outlast.journal.sqlite import statements as sql
from outlast.journal.sqlite.file import JournalFile
from outlast.journal.sqlite.moves import note, unknown
from outlast.journal.sqlite.unreadable import readable
from outlast.journal.turn import CLAIM_BYTES, Source, Taken, TakenApart, Wanted, WantedApart
from outlast.system.deployment import Home
from outlast.tasks.outcome import ALONE_AFTER
from outlast.tasks.task import Claimed

LONGEST_LINE = 64  # tasks that are claimed behind one: they are reserved as long as it takes
SMALL = 16_384  # bytes of arguments that one of them may have, since they wait in memory
FIRST_CLAIM = 32  # tasks; how large they are tells how many more there may be at once


def take(file: JournalFile, runner: int, wanted: Wanted) -> Taken:
    """Attempts for a pool, the oldest of each source first."""
    attempts: list[Claimed] = []
    dry: set[Source] = set()
    for source in wanted.sources:
        room = wanted.room.get(source[0], 0) - sum(one.begun and one.lane is source[0] for one in attempts)
        if room <= 0:
            continue
        begun = _claim(file, runner, source, room)
        if len(begun) < room and sum(one.size for one in begun) < CLAIM_BYTES:
            dry.add(source)
        room_behind = wanted.behind - sum(not one.begun for one in attempts)
        attempts += begun
        if begun and room_behind > 0:
            attempts += _claim_behind(file, runner, begun, room_behind)
    return Taken(attempts, frozenset(dry))


def _claim(file: JournalFile, runner: int, source: Source, limit: int) -> list[Claimed]:
    """Up to `limit` due tasks, in few statements: large ones a few at a time."""
    lane, home = source
    taken: list[Claimed] = []
    wanted = min(limit, FIRST_CLAIM)
    while wanted > 0:
        asked = (runner, file.now, str(lane), home.app, home.release, wanted)
        found = file.opened.execute(sql.CLAIM, asked).fetchall()
        taken += readable(file, found)
        wanted = 0 if len(found) < wanted else rows.room_after(taken, limit)
    return taken


def _claim_behind(file: JournalFile, runner: int, heads: Sequence[Claimed], most: int) -> list[Claimed]:
    """What follows these, along with them. None of it has begun.

    What may be tried again takes nothing along: each time, that would have to come back, and count as an attempt.
    """
    harmless = [one.id for one in heads if not (one.cuts or one.policy.retries)]
    line = (runner, json.dumps(harmless), len(harmless) + most, LONGEST_LINE, SMALL)
    return readable(file, file.opened.execute(sql.CLAIM_FOLLOWERS, line).fetchall())


def take_apart(file: JournalFile, runner: int, wanted: WantedApart) -> TakenApart:
    """For each process the oldest due task of lane `alone`, and those that may be in it, too."""
    groups: list[Sequence[Claimed]] = []
    dry: set[Home] = set()
    for home in wanted.homes:
        while home not in dry and len(groups) < wanted.processes:
            if group := _claim_group(file, runner, home, suspects=wanted.suspects):
                groups.append(group)
            else:
                dry.add(home)
    return TakenApart(groups, frozenset(dry))


def _claim_group(file: JournalFile, runner: int, home: Home, *, suspects: bool) -> list[Claimed]:
    what = (ALONE_AFTER, suspects, home.app, home.release)
    first = file.opened.execute(sql.FIRST_ALONE, what).fetchone()
    if first is None:
        return []
    group_size = 1 if suspects else first[0]
    found = file.opened.execute(sql.CLAIM_GROUP, (runner, file.now, group_size, *what)).fetchall()
    attempts = readable(file, found)
    file.opened.execute(sql.SEEN_AGAIN, (file.now, json.dumps([one.function for one in attempts])))
    return attempts


def running_of(file: JournalFile, owner: int) -> list[Claimed]:
    """The attempts that a process had claimed and not settled."""
    return readable(file, file.opened.execute(sql.RUNNING_OF, (owner,)).fetchall())


def adopt(file: JournalFile, attempts: Iterable[Claimed], owner: int) -> int:
    """Store attempts that run although the journal does not know their tasks; what runs again runs alone."""
    by_id = {one.id: one for one in attempts}
    adopted = [by_id[one] for one in unknown(file.opened, by_id)]
    file.opened.executemany(sql.ADOPT, (rows.adopted_row(one, owner, file.now) for one in adopted))
    begun = [(one.id, "started", one.attempt, journal.UNKNOWN_TO_JOURNAL, None) for one in adopted if one.begun]
    note(file.opened, begun, file.now)
    return len(adopted)
