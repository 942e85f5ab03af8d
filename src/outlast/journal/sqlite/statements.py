"""The SQL of the journal's verbs."""

from __future__ import annotations

from collections.abc import Iterable

from outlast.tasks.ids import TaskIds
from outlast.tasks.outcome import ALONE_AFTER
from outlast.tasks.task import FINISHED, UNFINISHED, State, origins_of

READY, LIVE = "state = 1 AND state <= 2", "state <= 2"  # `state <= 2` lets SQLite use the partial index
DONE = "state = 3 AND state > 2"  # and `state > 2` the other one
IS_PARKED = "state = 7 AND state > 2"
# Who goes from group to group of rows by a row value names one column more, which is at its MOST: SQLite would look at
# all rows of the group. And a `+` before the columns compared with, whose affinity keeps it from the index.
MOST = (1 << 63) - 1
AT_ONCE = "iif(gate IS NULL, 0, -1)"  # `run_at` of what is ready: in line, or behind its gate


def _in(states: Iterable[State]) -> str:
    return f"state IN ({', '.join(str(int(state)) for state in sorted(states))})"


def _from(target: State) -> str:
    """The guard of every move to `target`, made from the table of moves."""
    return _in(origins_of(target))


_GIVEN = "id IN (SELECT value FROM json_each(?))"
_AT_REST = _in(FINISHED | {State.PARKED})

QUEUE = "(SELECT queue FROM gate WHERE id = task.gate)"  # of a task
# text as bytes, so that one row whose text is none does not hide the others; and no look at gates for what has none
_QUEUE = f"CASE WHEN gate IS NOT NULL THEN CAST({QUEUE} AS BLOB) END"
TOLD_COLUMNS = f"id, CAST(function AS BLOB), attempt, CAST(lane AS BLOB), {_QUEUE}"  # for `moves.tell_end_of`
CLAIM_COLUMNS = f"""id, attempt, crashes, cuts, CAST(function AS BLOB), CAST(arguments AS BLOB), CAST(calling AS BLOB),
    timeout, memory, follows, started_at IS NOT NULL, CAST(context AS BLOB), CAST(app AS BLOB), CAST(release AS BLOB),
    CAST(policy AS BLOB), retried, CAST(checkpoint AS BLOB), {_QUEUE}"""
ADD = """
INSERT INTO task
    (id, state, calling, owner, follows, created_at, function, arguments, origin, run_at, timeout, memory,
    context, place, app, release, group_size, lane)
SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, value ->> 4, value ->> 5, value ->> 6, value ->> 7,
    value ->> 8, CASE WHEN value ->> 4 IS NULL AND value ->> 1 = 1 THEN 0 END,
    value ->> 11, value ->> 12, value ->> 13, value ->> 0, ?2, ?3, group_size,
    CASE WHEN group_size IS NULL THEN value ->> 2 ELSE 'alone' END
FROM (SELECT value, CASE WHEN value ->> 2 != 'inline'
            AND EXISTS (SELECT 1 FROM function WHERE path = value ->> 6 AND code = value ->> 10)
        THEN 1 ELSE value ->> 9 END AS group_size
    FROM json_each(?1))"""
# what few are asked for: a statement of its own, so that others do not pay for it
ASK = """
UPDATE task SET policy = ?2, not_before = ?3, expires_at = ?4, ahead = nullif(?5, 0), place = id - ?5 * ?6,
    run_at = CASE WHEN run_at = 0 THEN coalesce(?3, 0) END
WHERE id = ?1"""
STASH = "INSERT OR IGNORE INTO stash (name, task) VALUES (?, ?)"
STASHED_FOR = "SELECT name FROM stash WHERE task = ?"
IS_STASHED = f"""
SELECT stash.name, max(coalesce(task.{_in(UNFINISHED)}, 0)) FROM stash LEFT JOIN task ON task.id = stash.task
WHERE stash.name IN (SELECT value FROM json_each(?)) GROUP BY stash.name"""  # noqa: S608
# of keys: the few tasks that have one pay for them
HOLDER = f"""
SELECT key.task FROM key LEFT JOIN task ON task.id = key.task
WHERE key.function = ?1 AND key.key = ?2 AND (task.{_in(UNFINISHED)} OR (key.until > ?3 AND task.state IS NOT 6))"""  # noqa: S608
IS_STOPPING = """
SELECT 1 FROM task JOIN key ON key.task = task.id
WHERE id = ? AND state = 2 AND cancel_at IS NOT NULL AND until <= ?"""
UNFINISHED_HOLDER = f"""
SELECT key.task FROM key JOIN task ON task.id = key.task
WHERE key.function = ? AND key.key = ? AND task.{_in(UNFINISHED)}"""  # noqa: S608
TAKE_KEY = "INSERT OR REPLACE INTO key (task, function, key, until) VALUES (?, ?, ?, ?)"
TAKE_KEY_AGAIN = """
INSERT INTO key (task, function, key, until) VALUES (?, ?, ?, 0)
ON CONFLICT (task) DO NOTHING ON CONFLICT (function, key) DO UPDATE SET task = excluded.task"""
NOTE_KEY = "UPDATE task SET key = ?2 WHERE id = ?1"
KEYS_OF = f"SELECT id, function, key FROM task WHERE {_GIVEN} AND key IS NOT NULL AND {_AT_REST} ORDER BY id DESC"  # noqa: S608
KEYED_OF = f"""
SELECT {TOLD_COLUMNS} FROM task WHERE {_GIVEN} AND key IS NOT NULL"""  # noqa: S608
JOIN = "INSERT OR REPLACE INTO joined (id, task, owner, follows) VALUES (?, ?, ?, ?)"
JOINED = f"SELECT id, task, follows FROM joined WHERE {_GIVEN}"  # noqa: S608
LEAVE_JOINED = f"DELETE FROM joined WHERE {_GIVEN} RETURNING task"  # noqa: S608
LEAVE_ALL_JOINED = "DELETE FROM joined WHERE owner = ? RETURNING task"
GIVE_UP_JOINED = f"DELETE FROM joined WHERE {_GIVEN} RETURNING id, task"  # noqa: S608
DISOWN = f"""
UPDATE task SET owner = NULL
WHERE {_GIVEN} AND state = 0 AND EXISTS (SELECT 1 FROM joined WHERE joined.task = task.id) RETURNING id"""  # noqa: S608
NOBODYS = f"""
SELECT id FROM task WHERE {_GIVEN} AND state = 0 AND owner IS NULL
    AND NOT EXISTS (SELECT 1 FROM joined WHERE joined.task = task.id)"""  # noqa: S608
UNFINISHED_OF = f"SELECT id FROM task WHERE {_GIVEN} AND {_in(UNFINISHED)}"  # noqa: S608
PUT_BEHIND = "INSERT OR IGNORE INTO behind (task, before) VALUES (?, ?)"
NOT_TAKEN_ALONG = f"""
UPDATE task SET not_before = coalesce(not_before, created_at)
WHERE {_GIVEN} AND EXISTS (SELECT 1 FROM behind WHERE behind.task = task.id)"""  # noqa: S608
HAS_KEYS = """
SELECT EXISTS (SELECT 1 FROM key) OR EXISTS (SELECT 1 FROM joined) OR EXISTS (SELECT 1 FROM behind)"""
FORGET_KEYS = """
DELETE FROM key WHERE task IN (SELECT value FROM json_each(?1)) AND until <= ?2"""
FORGET_JOINED = "DELETE FROM joined WHERE task IN (SELECT value FROM json_each(?))"
FORGET_BEHIND = "DELETE FROM behind WHERE task IN (SELECT value FROM json_each(?))"
END_KEYS = """
UPDATE key SET until = 0 WHERE task IN (SELECT task FROM key WHERE until > 0 AND until <= ? ORDER BY until LIMIT ?)
RETURNING task"""
FORGET_LEFT_KEYS = """
DELETE FROM key
WHERE task IN (SELECT value FROM json_each(?)) AND NOT EXISTS (SELECT 1 FROM task WHERE id = key.task)"""
FREE_LATE_FOLLOWERS = f"""
UPDATE task SET follows = NULL, run_at = CASE WHEN state = 1 THEN coalesce(not_before, {AT_ONCE}) END
WHERE id IN (SELECT value FROM json_each(?))
    AND NOT EXISTS (SELECT 1 FROM task AS before WHERE before.id = task.follows AND before.{_in(UNFINISHED)})"""  # noqa: S608
RELEASE = f"""
UPDATE task SET state = 1, owner = NULL, released_at = ?1,
    run_at = CASE WHEN follows IS NULL THEN coalesce(not_before, {AT_ONCE}) END
WHERE id IN (SELECT value FROM json_each(?2)) AND state = 0"""  # noqa: S608
DROP = "UPDATE task SET state = 6, owner = NULL, ended_at = ?, reason = ? WHERE id = ? AND state = 0 RETURNING id"
CANCEL = f"""
UPDATE task SET state = 5, owner = NULL, ended_at = ?, reason = ?
WHERE id IN (SELECT value FROM json_each(?)) AND state IN (0, 1, 7)
RETURNING {TOLD_COLUMNS}"""  # noqa: S608
HAS_BLOCKED = "lane IN ('loop', 'thread') AND EXISTS (SELECT 1 FROM function WHERE path = task.function)"
RETRY = f"""
UPDATE task SET state = 1, run_at = {AT_ONCE}, follows = NULL, crashes = 0, cuts = 0, retried = 0, cancel_at = NULL,
    started_at = NULL, expires_at = NULL, ended_at = NULL, reason = NULL, result = NULL,
    checkpoint = CASE WHEN state != 3 THEN checkpoint END,
    lane = iif({HAS_BLOCKED}, 'alone', lane), group_size = iif({HAS_BLOCKED}, 1, group_size)
WHERE {_GIVEN} AND {_AT_REST} AND {_from(State.WAITING)} AND arguments IS NOT NULL AND calling != 'inline'
RETURNING id, attempt"""  # noqa: S608
DELETABLE = f"SELECT id FROM task WHERE {_GIVEN} AND {_AT_REST}"  # noqa: S608
DELETE = f"DELETE FROM task WHERE {_GIVEN}"  # noqa: S608
KNOWN = f"SELECT id FROM task WHERE {_GIVEN}"  # noqa: S608
PARKED = f"""
SELECT {CLAIM_COLUMNS}, CAST(reason AS BLOB), count(*), min(id) FROM task WHERE {IS_PARKED}
GROUP BY app, release, function, reason ORDER BY count(*) DESC LIMIT ?"""  # noqa: S608 - the columns are those of the smallest id
UNPARK = f"""
UPDATE task SET state = 1, run_at = CASE WHEN follows IS NULL THEN {AT_ONCE} END, ended_at = NULL, reason = NULL,
    app = ?6, release = ?7
WHERE {IS_PARKED} AND app = ?1 AND release = ?2 AND function = ?3 AND reason = ?4 AND ended_at <= ?5
RETURNING id, attempt"""  # noqa: S608
MARK = """
UPDATE task SET cancel_at = ? WHERE id IN (SELECT value FROM json_each(?)) AND state = 2 AND lane != 'inline'
    AND cancel_at IS NULL RETURNING id, attempt"""
MARKED = f"""
SELECT {TOLD_COLUMNS} FROM task
WHERE id = ? AND attempt = ? AND state = 2 AND cancel_at IS NOT NULL"""  # noqa: S608
WILL_NOT_FINISH = """
SELECT id, state = 5 OR (state = 2 AND cancel_at IS NOT NULL) FROM task WHERE id IN (SELECT value FROM json_each(?))"""
CANCELS_OF = f"SELECT id FROM task WHERE {LIVE} AND state = 2 AND owner = ? AND cancel_at IS NOT NULL"  # noqa: S608
BEGIN = "UPDATE task SET state = 2, attempt = 1, owner = ?, started_at = ? WHERE id = ? AND state = 0 RETURNING id"
CLAIM = f"""
UPDATE task SET state = 2, attempt = attempt + 1, owner = ?, started_at = ?, run_at = NULL, progress = NULL
WHERE id IN (
    SELECT id FROM task WHERE {READY} AND lane = ? AND app = ? AND release = ? AND run_at = 0
    ORDER BY place, id LIMIT ?)
RETURNING {CLAIM_COLUMNS}"""  # noqa: S608
# breadth first, so that whoever is among them has the one before it there, too
CLAIM_FOLLOWERS = f"""
WITH RECURSIVE line (id, depth) AS (
    SELECT id, 0 FROM task WHERE id IN (SELECT value FROM json_each(?2))
    UNION ALL
    SELECT task.id, depth + 1 FROM line JOIN task ON task.follows = line.id
    WHERE depth < ?4 AND state = 1 AND lane IN ('loop', 'thread') AND crashes = 0 AND cuts = 0
        AND not_before IS NULL AND expires_at IS NULL AND gate IS NULL
        AND octet_length(arguments) + coalesce(octet_length(context), 0) <= ?5
    LIMIT ?3)
UPDATE task SET state = 2, attempt = attempt + 1, owner = ?1, started_at = NULL, run_at = NULL, progress = NULL
WHERE id IN (SELECT id FROM line WHERE depth > 0)
RETURNING {CLAIM_COLUMNS}"""  # noqa: S608
BEGAN = """
UPDATE task SET started_at = ? WHERE id = ? AND attempt = ? AND state = 2 AND started_at IS NULL"""
REACHED = """
UPDATE task SET progress = coalesce(?3, progress), checkpoint = coalesce(?4, checkpoint)
WHERE id = ?1 AND attempt = ?2 AND state = 2"""
FIRST_ALONE = f"""
SELECT group_size FROM task
WHERE {READY} AND lane = 'alone' AND app = ?3 AND release = ?4 AND run_at = 0 AND (cuts >= ?1) = ?2
ORDER BY place, id LIMIT 1"""  # noqa: S608
CLAIM_GROUP = f"""
UPDATE task SET state = 2, attempt = attempt + 1, owner = ?1, started_at = ?2, run_at = NULL, progress = NULL
WHERE id IN (
    SELECT id FROM task WHERE {READY} AND lane = 'alone' AND app = ?6 AND release = ?7 AND run_at = 0
        AND group_size = ?3 AND (cuts >= ?4) = ?5
    ORDER BY place, id LIMIT ?3)
RETURNING {CLAIM_COLUMNS}"""  # noqa: S608
# those that begin to be ready are in line from then on, but for what a priority puts them ahead
RIPEN = f"""
UPDATE task SET run_at = {AT_ONCE},
    place = (CAST((run_at - {TaskIds.BEGINNING}) * 1000 AS INTEGER) << {TaskIds.LOW_BITS}) - coalesce(ahead, 0) * ?3
WHERE id IN (SELECT id FROM task WHERE state = 1 AND run_at > 0 AND run_at <= ?1 ORDER BY run_at LIMIT ?2)"""  # noqa: S608
NEXT_TIME = """
SELECT min(at) FROM (SELECT min(run_at) AS at FROM task WHERE state = 1 AND run_at > 0
    UNION ALL SELECT min(expires_at) FROM task WHERE state = 1 AND expires_at IS NOT NULL AND attempt = 0)"""
EXPIRE = f"""
UPDATE task SET state = 6, run_at = NULL, ended_at = ?1, reason = ?2
WHERE id IN (SELECT id FROM task WHERE state = 1 AND expires_at <= ?1 AND attempt = 0 LIMIT ?3)
RETURNING {TOLD_COLUMNS}"""  # noqa: S608
LEARN = """
INSERT INTO function (path, code, seconds, seen_at) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (path) DO UPDATE SET code = ?2, seconds = max(seconds, ?3), seen_at = ?4"""
IS_LEARNED = "SELECT 1 FROM function WHERE path = ? AND code = ?"
SEEN_AGAIN = "UPDATE function SET seen_at = ?1 WHERE path IN (SELECT value FROM json_each(?2)) AND seen_at < ?1 - 86400"
SET_APART = f"""
UPDATE task SET lane = 'alone', group_size = 1
WHERE {LIVE} AND state < 2 AND function = ? AND lane IN ('loop', 'thread')"""  # noqa: S608
# who was there each time that everything went down is not kept behind a gate from what finds out whether it is guilty
SETTLE = f"""
UPDATE task SET state = ?1, ended_at = max(?2, coalesce(started_at, ?2)), crashes = crashes + ?3, reason = ?4,
    owner = NULL, run_at = CASE WHEN ?1 = 1 AND follows IS NULL THEN
        CASE WHEN ?10 = 0 AND cuts + ?8 < {ALONE_AFTER} THEN {AT_ONCE} ELSE ?10 END END,
    cuts = cuts + ?8, retried = retried + ?9,
    group_size = coalesce(?7, CASE WHEN ?1 = 1 AND {HAS_BLOCKED} THEN 1 END, group_size),
    lane = CASE WHEN ?7 IS NOT NULL OR (?1 = 1 AND {HAS_BLOCKED}) THEN 'alone' ELSE lane END
WHERE id = ?5 AND attempt = ?6 AND state = 2 RETURNING id"""  # noqa: S608
KEEP_RESULT = "UPDATE task SET result = ? WHERE id = ?"  # of few: a statement of its own, as above
# who is found when it is claimed has not begun, although the claim has said when
SET_ASIDE = """
UPDATE task SET state = CASE state WHEN 0 THEN 6 ELSE 4 END, owner = NULL, run_at = NULL, ended_at = ?1, reason = ?2,
    started_at = nullif(started_at, ?1)
WHERE id = ?3 AND state IN (0, 2) RETURNING state, attempt"""
# what waits for more than one has a time before which it is not (NOT_TAKEN_ALONG): for the others nobody looks for more
FOLLOWED = "SELECT follows, not_before IS NOT NULL FROM task WHERE follows IN (SELECT value FROM json_each(?))"
FREE_FOLLOWERS = f"""
UPDATE task SET follows = before.follows,
    run_at = CASE WHEN state = 1 AND before.follows IS NULL THEN coalesce(not_before, {AT_ONCE}) END
FROM (SELECT follows FROM task WHERE id = ?1) AS before WHERE task.follows = ?1"""  # noqa: S608
_NEXT_BEFORE = f"""
    SELECT other.id FROM behind JOIN task AS other ON other.id = behind.before
    WHERE behind.task = task.id AND other.{_in(UNFINISHED)} AND other.id NOT IN (SELECT value FROM json_each(?1))"""  # noqa: S608
STAY_BEHIND = f"""
UPDATE task SET follows = ({_NEXT_BEFORE} LIMIT 1)
WHERE follows IN (SELECT value FROM json_each(?1)) AND EXISTS ({_NEXT_BEFORE})"""  # noqa: S608
# what a move is about to overwrite; a journal of before has rows of it already
_NOT_NOTED = "NOT EXISTS (SELECT 1 FROM event WHERE event.task = task.id AND event.attempt = task.attempt AND kind = "
KEEP_START = f"""
INSERT INTO event (at, task, kind, attempt) SELECT started_at, id, 'started', attempt FROM task
WHERE {_GIVEN} AND started_at IS NOT NULL AND {_NOT_NOTED}'started')"""  # noqa: S608
KEEP_DONE = f"""
INSERT INTO event (at, task, kind, attempt) SELECT ended_at, id, 'done', attempt FROM task
WHERE {_GIVEN} AND state = 3 AND {_NOT_NOTED}'done')"""  # noqa: S608
NOTE = "INSERT INTO event (at, task, kind, attempt, reason, traceback) VALUES (?, ?, ?, ?, ?, ?)"
# from one release to the next of those of which something waits, however much that is
DUE = f"""
WITH RECURSIVE first (id) AS (
    SELECT (SELECT id FROM task WHERE {READY} ORDER BY lane, app, release LIMIT 1)
    UNION ALL
    SELECT (SELECT id FROM task
            WHERE {READY} AND (lane, app, release, run_at) > (+last.lane, +last.app, +last.release, {MOST})
            ORDER BY lane, app, release LIMIT 1)
    FROM first JOIN task AS last USING (id))
SELECT CAST(lane AS BLOB), CAST(app AS BLOB), CAST(release AS BLOB) FROM first JOIN task AS of USING (id)
WHERE EXISTS (SELECT 1 FROM task
    WHERE {READY} AND lane = of.lane AND app = of.app AND release = of.release AND run_at BETWEEN 0 AND ?)"""  # noqa: S608
IS_WAITING = f"SELECT 1 FROM task WHERE {READY} AND lane = ? LIMIT 1"  # noqa: S608
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
KEEP = """
INSERT OR REPLACE INTO retention SELECT 1, ?1, ?2, ?3
WHERE NOT EXISTS (SELECT 1 FROM retention WHERE done = ?1 AND count = ?2 AND failed = ?3)"""
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
    (id, state, lane, group_size, calling, owner, attempt, crashes, cuts, timeout, memory, follows, created_at,
    started_at, function, arguments, context, app, release, policy, checkpoint, retried, place, origin)
VALUES (?1, 2, 'alone', 1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?1, '')"""
ENTER = """
INSERT INTO process (id, kind, pid, machine, started_at, machine_id) VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, pid = excluded.pid, left_at = NULL, reason = NULL
RETURNING id"""
LEAVE = "UPDATE process SET left_at = ?, reason = ? WHERE id = ? AND left_at IS NULL"
PRESENT = "SELECT id, pid FROM process WHERE kind = ? AND machine_id = ? AND left_at IS NULL ORDER BY id"
NEWEST = "SELECT coalesce(max(id), 0) FROM task"
NEWEST_PROCESS = "SELECT coalesce(max(id), 0) FROM process"
COUNT_UNFINISHED = f"""
SELECT (SELECT count(*) FROM task WHERE {LIVE}) + (SELECT count(*) FROM task WHERE {IS_PARKED})"""  # noqa: S608
