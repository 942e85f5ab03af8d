"""The SQL of the journal's verbs."""

from __future__ import annotations

from collections.abc import Iterable

from outlast.tasks import FINISHED, UNFINISHED, State, origins_of

READY, LIVE = "state = 1 AND state <= 2", "state <= 2"  # `state <= 2` lets SQLite use the partial index
DONE = "state = 3 AND state > 2"  # and `state > 2` the other one
IS_PARKED = "state = 7 AND state > 2"


def _in(states: Iterable[State]) -> str:
    return f"state IN ({', '.join(str(int(state)) for state in sorted(states))})"


def _from(target: State) -> str:
    """The guard of every move to `target`, made from the table of moves."""
    return _in(origins_of(target))


_GIVEN = "id IN (SELECT value FROM json_each(?))"
_AT_REST = _in(FINISHED | {State.PARKED})

# text as bytes, so that one row whose text is none does not hide the others
CLAIM_COLUMNS = """id, attempt, crashes, cuts, CAST(function AS BLOB), CAST(arguments AS BLOB), CAST(calling AS BLOB),
    timeout, memory, follows, started_at IS NOT NULL, CAST(context AS BLOB), CAST(app AS BLOB), CAST(release AS BLOB)"""
ADD = """
INSERT INTO task
    (id, state, calling, owner, follows, created_at, function, arguments, origin, run_at, timeout, memory,
    context, app, release, company, lane)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
    value ->> 8, CASE WHEN value ->> 4 IS NULL AND value ->> 1 = 1 THEN 0 END,
    value ->> 11, value ->> 12, value ->> 13, ?2, ?3, company,
    CASE WHEN company IS NULL THEN value ->> 2 ELSE 'alone' END
FROM (SELECT value, CASE WHEN value ->> 2 != 'inline'
            AND EXISTS (SELECT 1 FROM function WHERE path = value ->> 6 AND code = value ->> 10)
        THEN 1 ELSE value ->> 9 END AS company
    FROM json_each(?1))"""
FREE_LATE_FOLLOWERS = f"""
UPDATE task SET follows = NULL, run_at = CASE WHEN state = 1 THEN 0 END
WHERE id IN (SELECT value FROM json_each(?))
    AND NOT EXISTS (SELECT 1 FROM task AS before WHERE before.id = task.follows AND before.{_in(UNFINISHED)})"""  # noqa: S608
NOTE_RELEASE = """
INSERT INTO event (at, task, kind, attempt)
SELECT ?1, id, 'released', 0 FROM task WHERE id IN (SELECT value FROM json_each(?2)) AND state = 0"""
RELEASE = """
UPDATE task SET state = 1, owner = NULL, run_at = CASE WHEN follows IS NULL THEN 0 END
WHERE id IN (SELECT value FROM json_each(?)) AND state = 0"""
DROP = f"UPDATE task SET state = 6, owner = NULL, ended_at = ?, reason = ? WHERE id = ? AND {_from(State.DROPPED)} RETURNING id"  # noqa: S608, E501
CANCEL = """
UPDATE task SET state = 5, owner = NULL, ended_at = ?, reason = ?
WHERE id IN (SELECT value FROM json_each(?)) AND state IN (0, 1, 7)
RETURNING id, CAST(function AS BLOB), attempt, CAST(lane AS BLOB)"""
RETRY = f"""
UPDATE task SET state = 1, run_at = 0, follows = NULL, crashes = 0, cuts = 0, cancel_at = NULL, started_at = NULL,
    ended_at = NULL, reason = NULL
WHERE {_GIVEN} AND {_AT_REST} AND {_from(State.WAITING)} AND arguments IS NOT NULL AND calling != 'inline'
RETURNING id, attempt"""  # noqa: S608
DELETABLE = f"SELECT id FROM task WHERE {_GIVEN} AND {_AT_REST}"  # noqa: S608
DELETE = f"DELETE FROM task WHERE {_GIVEN}"  # noqa: S608
KNOWN = f"SELECT id FROM task WHERE {_GIVEN}"  # noqa: S608
PARKED = f"""
SELECT {CLAIM_COLUMNS}, CAST(reason AS BLOB), count(*), min(id) FROM task WHERE {IS_PARKED}
GROUP BY app, release, function, reason ORDER BY count(*) DESC LIMIT ?"""  # noqa: S608 - the columns are those of the smallest id
UNPARK = f"""
UPDATE task SET state = 1, run_at = CASE WHEN follows IS NULL THEN 0 END, ended_at = NULL, reason = NULL,
    app = ?6, release = ?7
WHERE {IS_PARKED} AND app = ?1 AND release = ?2 AND function = ?3 AND reason = ?4 AND ended_at <= ?5
RETURNING id, attempt"""  # noqa: S608
MARK = """
UPDATE task SET cancel_at = ? WHERE id IN (SELECT value FROM json_each(?)) AND state = 2 AND lane != 'inline'
    AND cancel_at IS NULL RETURNING id, attempt"""
MARKED = "SELECT 1 FROM task WHERE id = ? AND cancel_at IS NOT NULL"
WILL_NOT_FINISH = """
SELECT id, state = 5 OR (state = 2 AND cancel_at IS NOT NULL) FROM task WHERE id IN (SELECT value FROM json_each(?))"""
CANCELS_OF = f"SELECT id FROM task WHERE {LIVE} AND state = 2 AND owner = ? AND cancel_at IS NOT NULL"  # noqa: S608
BEGIN = "UPDATE task SET state = 2, attempt = 1, owner = ?, started_at = ? WHERE id = ? AND state = 0 RETURNING id"
CLAIM = f"""
UPDATE task SET state = 2, attempt = attempt + 1, owner = ?, started_at = ?, run_at = NULL WHERE id IN (
    SELECT id FROM task WHERE {READY} AND lane = ? AND app = ? AND release = ? AND run_at <= ?
    ORDER BY run_at, id LIMIT ?)
RETURNING {CLAIM_COLUMNS}"""  # noqa: S608
# breadth first, so that whoever is among them has the one before it there, too
CLAIM_FOLLOWERS = f"""
WITH RECURSIVE line (id, place) AS (
    SELECT id, 0 FROM task WHERE id IN (SELECT value FROM json_each(?2))
    UNION ALL
    SELECT task.id, place + 1 FROM line JOIN task ON task.follows = line.id
    WHERE place < ?4 AND state = 1 AND lane IN ('loop', 'thread') AND crashes = 0 AND cuts = 0
        AND octet_length(arguments) + coalesce(octet_length(context), 0) <= ?5
    LIMIT ?3)
UPDATE task SET state = 2, attempt = attempt + 1, owner = ?1, started_at = NULL, run_at = NULL
WHERE id IN (SELECT id FROM line WHERE place > 0)
RETURNING {CLAIM_COLUMNS}"""  # noqa: S608
BEGAN = """
UPDATE task SET started_at = ? WHERE id = ? AND attempt = ? AND state = 2 AND started_at IS NULL
RETURNING id, attempt, started_at"""
FIRST_ALONE = f"""
SELECT company FROM task
WHERE {READY} AND lane = 'alone' AND app = ?4 AND release = ?5 AND run_at <= ?1 AND (cuts >= ?2) = ?3
ORDER BY run_at, id LIMIT 1"""  # noqa: S608
CLAIM_COMPANY = f"""
UPDATE task SET state = 2, attempt = attempt + 1, owner = ?1, started_at = ?2, run_at = NULL WHERE id IN (
    SELECT id FROM task WHERE {READY} AND lane = 'alone' AND app = ?6 AND release = ?7 AND run_at <= ?2
        AND company = ?3 AND (cuts >= ?4) = ?5
    ORDER BY run_at, id LIMIT ?3)
RETURNING {CLAIM_COLUMNS}"""  # noqa: S608
LEARN = """
INSERT INTO function (path, code, seconds, seen_at) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (path) DO UPDATE SET code = ?2, seconds = max(seconds, ?3), seen_at = ?4"""
IS_LEARNED = "SELECT 1 FROM function WHERE path = ? AND code = ?"
SEEN_AGAIN = "UPDATE function SET seen_at = ?1 WHERE path IN (SELECT value FROM json_each(?2)) AND seen_at < ?1 - 86400"
SET_APART = f"""
UPDATE task SET lane = 'alone', company = 1
WHERE {LIVE} AND state < 2 AND function = ? AND lane IN ('loop', 'thread')"""  # noqa: S608
SETTLE = """
UPDATE task SET state = ?1, ended_at = max(?2, coalesce(started_at, ?2)), crashes = crashes + ?3, reason = ?4,
    owner = NULL, run_at = CASE WHEN ?1 = 1 AND follows IS NULL THEN 0 END, cuts = cuts + ?8,
    company = coalesce(?7, company), lane = CASE WHEN ?7 IS NULL THEN lane ELSE 'alone' END
WHERE id = ?5 AND attempt = ?6 AND state = 2 RETURNING id"""
SET_ASIDE = """
UPDATE task SET state = CASE state WHEN 0 THEN 6 ELSE 4 END, owner = NULL, run_at = NULL, ended_at = ?, reason = ?
WHERE id = ? AND state IN (0, 2) RETURNING state, attempt"""
FOLLOWED = "SELECT follows FROM task WHERE follows IN (SELECT value FROM json_each(?))"
FREE_FOLLOWERS = """
UPDATE task SET follows = before.follows, run_at = CASE WHEN state = 1 AND before.follows IS NULL THEN 0 END
FROM (SELECT follows FROM task WHERE id = ?1) AS before WHERE task.follows = ?1"""
NOTE = "INSERT INTO event (at, task, kind, attempt, reason, traceback) VALUES (?, ?, ?, ?, ?, ?)"
# from one release to the next of those of which something waits, however much that is
DUE = f"""
WITH RECURSIVE first (id) AS (
    SELECT (SELECT id FROM task WHERE {READY} ORDER BY lane, app, release LIMIT 1)
    UNION ALL
    SELECT (SELECT id FROM task WHERE {READY} AND (lane, app, release) > (last.lane, last.app, last.release)
            ORDER BY lane, app, release LIMIT 1)
    FROM first JOIN task AS last USING (id))
SELECT CAST(lane AS BLOB), CAST(app AS BLOB), CAST(release AS BLOB) FROM first JOIN task AS of USING (id)
WHERE EXISTS (SELECT 1 FROM task
    WHERE {READY} AND lane = of.lane AND app = of.app AND release = of.release AND run_at <= ?)"""  # noqa: S608
RUNNING_OF = f"SELECT {CLAIM_COLUMNS} FROM task WHERE {LIVE} AND state = 2 AND owner = ?"  # noqa: S608
HELD_OF = f"SELECT id, CAST(lane AS BLOB), CAST(function AS BLOB) FROM task WHERE {LIVE} AND state = 0 AND owner = ?"  # noqa: S608
SURPLUS = "SELECT id FROM task WHERE state = 3 ORDER BY id DESC LIMIT 1 OFFSET ?"
PRUNE = f"""
DELETE FROM task WHERE id IN (
    SELECT id FROM task WHERE {DONE} AND ended_at < ?1
    UNION ALL
    SELECT id FROM task WHERE state = 3 AND id <= ?3
    UNION ALL
    SELECT id FROM task WHERE state > 2 AND state IN (4, 5, 6) AND ended_at < ?2
    LIMIT ?4)
RETURNING id"""  # noqa: S608
PRUNE_EVENTS = "DELETE FROM event WHERE task IN (SELECT value FROM json_each(?))"
PRUNE_PROCESSES = """
DELETE FROM process WHERE id IN (SELECT id FROM process WHERE left_at < ? ORDER BY left_at LIMIT ?) RETURNING id"""
PRUNE_FUNCTIONS = "DELETE FROM function WHERE seen_at < ?"
_THERE = "iif(json_valid(flights), flights, '[]')"
_ALL_FLIGHTS = f"""(SELECT json_group_array(json(flight)) FROM (
    SELECT value AS flight FROM json_each(iif(:at >= last_at, :flights, {_THERE})) WHERE type = 'object'
    UNION ALL SELECT value FROM json_each(iif(:at >= last_at, {_THERE}, :flights))
    WHERE type = 'object' AND value ->> 'task' != 0 LIMIT :most))"""  # noqa: S608
"""Those of the last time, and the tasks of the times before: each of them shall find its incident."""
JOIN_INCIDENT = f"""
UPDATE incident SET times = times + :times, seconds = max(seconds, :seconds), first_at = min(first_at, :at),
    last_at = max(last_at, :at), pid = iif(:at >= last_at, :pid, pid),
    sentence = iif(:at >= last_at, :sentence, sentence), stack = iif(:at >= last_at, :stack, stack),
    flights = {_ALL_FLIGHTS}
WHERE id = (SELECT id FROM incident
    WHERE last_at >= :day_ago AND kind = 'stall' AND :kind = 'stall' AND culprit != '' AND culprit = :culprit
        AND cause = :cause AND process = :process AND machine = :machine
    ORDER BY last_at DESC LIMIT 1)
RETURNING id"""  # noqa: S608
ADD_INCIDENT = """
INSERT INTO incident
    (kind, cause, process, pid, machine, first_at, last_at, times, seconds, culprit, sentence, stack, flights)
VALUES (:kind, :cause, :process, :pid, :machine, :at, :at, :times, :seconds, :culprit, :sentence, :stack, :flights)"""
KEEP_NEWEST_INCIDENTS = """
DELETE FROM incident WHERE id IN (SELECT id FROM incident ORDER BY last_at DESC, id DESC LIMIT -1 OFFSET ?)"""
PRUNE_INCIDENTS = """
DELETE FROM incident WHERE id IN (SELECT id FROM incident WHERE last_at < ? ORDER BY last_at LIMIT ?) RETURNING id"""
UNKNOWN = "SELECT value FROM json_each(?) WHERE NOT EXISTS (SELECT 1 FROM task WHERE id = value)"
ADOPT = """
INSERT INTO task
    (id, state, lane, company, calling, owner, attempt, crashes, cuts, timeout, memory, follows, created_at, started_at,
    function, arguments, context, app, release, origin)
VALUES (?, 2, 'alone', 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, '')"""
ENTER = """
INSERT INTO process (id, kind, pid, machine, started_at) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, pid = excluded.pid, left_at = NULL, reason = NULL
RETURNING id"""
LEAVE = "UPDATE process SET left_at = ?, reason = ? WHERE id = ? AND left_at IS NULL"
PRESENT = "SELECT id, pid FROM process WHERE kind = ? AND left_at IS NULL ORDER BY id"
NEWEST = "SELECT coalesce(max(id), 0) FROM task"
NEWEST_PROCESS = "SELECT coalesce(max(id), 0) FROM process"
COUNT_UNFINISHED = f"""
SELECT (SELECT count(*) FROM task WHERE {LIVE}) + (SELECT count(*) FROM task WHERE {IS_PARKED})"""  # noqa: S608
