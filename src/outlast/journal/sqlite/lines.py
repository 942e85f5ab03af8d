"""Queues in a SQLite journal, as people see them: what is in each, and what keeps it there."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from outlast.journal.sqlite.incidents import as_text
from outlast.journal.sqlite.reading import RESERVED, WITH_GATES, Reading
from outlast.journal.survey import MOST_COUNTED, Queue
from outlast.tasks.limits import MOST_QUEUE, of_queue, rate_of
from outlast.text import one_line

IN_QUEUE = "gate IN (SELECT id FROM gate WHERE queue = ?7)"
_PAUSED = """EXISTS (SELECT 1 FROM gate JOIN quota ON quota.scope = 'queue ' || gate.queue
    WHERE gate.id = task.gate AND paused_at IS NOT NULL)"""
HELD_BACK = f"CASE WHEN state = 1 AND run_at < 0 THEN iif({_PAUSED}, 'paused', 'limited') END"
_IN_IT = "FROM gate JOIN task ON task.gate = gate.id WHERE gate.queue = named.queue AND task.gate IS NOT NULL"
_COUNTED = f"""
SELECT CAST(queue AS BLOB),
    (SELECT count(*) FROM (SELECT 1 {_IN_IT} AND task.state IN (0, 1) LIMIT {MOST_COUNTED + 1})),
    (SELECT count(*) FROM (SELECT 1 {_IN_IT} AND task.state = 2 AND {RESERVED} LIMIT {MOST_COUNTED + 1})),
    (SELECT count(*) FROM (SELECT 1 {_IN_IT} AND task.state = 2 AND NOT {RESERVED} LIMIT {MOST_COUNTED + 1}))
FROM (SELECT DISTINCT queue FROM gate WHERE queue != '') AS named"""  # noqa: S608
_QUOTAS = """
SELECT CAST(scope AS BLOB), concurrency, every, paused_at FROM quota WHERE scope >= 'queue ' AND scope < 'queue!'
    AND (concurrency > 0 OR every > 0 OR paused_at IS NOT NULL)"""


def queues(file: Reading) -> list[Queue]:
    """Those that tasks are in, that have limits or are paused, by name."""
    if file.version < WITH_GATES:
        return []
    found: defaultdict[str, dict[str, Any]] = defaultdict(dict)
    for queue, waiting, reserved, running in file.rows(_COUNTED):
        if waiting or reserved or running:
            found[_name(queue)] |= {"waiting": min(MOST_COUNTED + 1, waiting + reserved), "running": running}
    for scope, concurrency, every, paused_at in file.rows(_QUOTAS):
        rate = rate_of(every) if every > 0 else ""
        found[_name(scope[len(of_queue("")) :])] |= {"concurrency": concurrency, "rate": rate, "paused_at": paused_at}
    return [Queue(name, **said) for name, said in sorted(found.items())]


def _name(stored: bytes) -> str:
    return one_line(as_text(stored), MOST_QUEUE)
