"""The SQL of schedules."""

from __future__ import annotations

_TICKS = "paused_at IS NULL AND retired_at IS NULL"
_OF_APPS = "(?3 IS NULL OR app IN (SELECT value FROM json_each(?3)))"
_GIVEN = "id IN (SELECT value FROM json_each(?))"

ARE_THERE = "SELECT EXISTS (SELECT 1 FROM declaration) OR EXISTS (SELECT 1 FROM schedule)"
HAS_DECLARED = "SELECT EXISTS (SELECT 1 FROM declaration WHERE app = ?)"
DECLARE = """
INSERT INTO declaration (app, release, revision, declared_at, schedules) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (app, release) DO UPDATE
SET revision = excluded.revision, declared_at = excluded.declared_at, schedules = excluded.schedules
WHERE schedules != excluded.schedules"""
KEEP_NEWEST_DECLARATIONS = """
DELETE FROM declaration
WHERE declared_at < (SELECT declared_at FROM declaration ORDER BY declared_at DESC LIMIT 1 OFFSET ?)"""
DECLARATIONS = "SELECT CAST(app AS BLOB), CAST(release AS BLOB), revision, x'' FROM declaration"
DECLARATION = """
SELECT CAST(app AS BLOB), CAST(release AS BLOB), revision, CAST(schedules AS BLOB) FROM declaration
WHERE app = ? AND release = ?"""

# what somebody has paused stays so; what could not be read may be readable now
_WRITE = """
INSERT INTO schedule (app, name, release, revision, in_code, timing, missed, blueprint)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
ON CONFLICT (app, name) DO UPDATE SET release = ?3, revision = ?4, in_code = ?5, timing = ?6, missed = ?7,
    blueprint = ?8, next_at = CASE WHEN timing = ?6 AND retired_at IS NULL THEN next_at END, retired_at = NULL,
    paused_at = CASE WHEN reason IS NULL THEN paused_at END, reason = NULL
WHERE """
ADOPT = f"""{_WRITE}in_code = 0 OR retired_at IS NOT NULL
    OR (release, timing, missed, blueprint) != (?3, ?6, ?7, ?8)"""
PUT = f"{_WRITE}in_code = 0 OR retired_at IS NOT NULL RETURNING id"
RETIRE = """
UPDATE schedule SET retired_at = ?1, next_at = NULL, asked_at = NULL
WHERE app = ?2 AND in_code = 1 AND retired_at IS NULL
    AND name NOT IN (SELECT value FROM json_each(?3))
RETURNING CAST(name AS BLOB)"""
REMOVE = "DELETE FROM schedule WHERE app = ? AND name = ? AND in_code = 0 RETURNING id"
FORGET_RETIRED = "DELETE FROM schedule WHERE retired_at < ? RETURNING id"
FORGET_TICKS = "DELETE FROM tick WHERE schedule IN (SELECT value FROM json_each(?))"

PAUSE = f"UPDATE schedule SET paused_at = ?, next_at = NULL WHERE {_GIVEN} AND {_TICKS} RETURNING id"  # noqa: S608
RESUME = f"""
UPDATE schedule SET paused_at = NULL, reason = NULL, next_at = NULL
WHERE {_GIVEN} AND paused_at IS NOT NULL AND retired_at IS NULL RETURNING id"""  # noqa: S608
ASK = f"UPDATE schedule SET asked_at = ? WHERE {_GIVEN} AND retired_at IS NULL RETURNING id"  # noqa: S608

WAITING = f"""
SELECT id, revision, CAST(app AS BLOB), CAST(release AS BLOB), next_at, seen_at, asked_at, last_at,
    paused_at IS NOT NULL, CAST(name AS BLOB), CAST(timing AS BLOB), CAST(missed AS BLOB), CAST(blueprint AS BLOB)
FROM schedule WHERE id IN (
    SELECT id FROM (SELECT id FROM schedule WHERE {_TICKS} AND next_at <= ?1 AND {_OF_APPS} ORDER BY next_at LIMIT ?2)
    UNION SELECT id FROM (SELECT id FROM schedule WHERE {_TICKS} AND next_at IS NULL AND {_OF_APPS} LIMIT ?2)
    UNION SELECT id FROM (SELECT id FROM schedule WHERE {_TICKS} AND seen_at > ?4 AND {_OF_APPS} LIMIT ?2)
    UNION SELECT id FROM (SELECT id FROM schedule WHERE asked_at IS NOT NULL AND {_OF_APPS} LIMIT ?2))"""  # noqa: S608
NEXT_TICK = f"""
SELECT next_at FROM schedule WHERE {_TICKS} AND next_at IS NOT NULL AND {_OF_APPS} ORDER BY next_at LIMIT 1"""  # noqa: S608

GO_ON = """
UPDATE schedule SET next_at = ?4, seen_at = ?6, asked_at = NULL
WHERE id = ?1 AND revision = ?2 AND next_at IS ?3 AND asked_at IS ?5 AND retired_at IS NULL
    AND (paused_at IS NULL OR ?5 IS NOT NULL)
RETURNING id"""
TICK = "INSERT INTO tick (schedule, at, task) VALUES (?, ?, ?) ON CONFLICT (schedule, at) DO NOTHING RETURNING task"
JOINED = "UPDATE tick SET task = ?3 WHERE schedule = ?1 AND at = ?2"
# said once: of later ticks the last one is behind the moment since which it is parked
LAST_IS_PARKED = """
SELECT task.id, CAST(name AS BLOB), CAST(task.reason AS BLOB), last_at < task.ended_at
FROM schedule JOIN task ON task.id = last_task
WHERE schedule.id = ? AND task.state = 7 AND task.function = ? AND task.arguments IS ?"""
REMEMBER = "UPDATE schedule SET last_at = ?2, last_task = ?3 WHERE id = ?1"
KEEP_NEWEST_TICKS = """
DELETE FROM tick WHERE schedule = ?1
    AND at < (SELECT at FROM tick WHERE schedule = ?1 ORDER BY at DESC LIMIT 1 OFFSET ?2)"""
HALT = """
UPDATE schedule SET paused_at = ?, reason = ?, next_at = NULL, asked_at = NULL WHERE id = ? AND revision = ?"""
