-- Version 17: queues and limits. `run_at` of a task that has a gate and is ready is -1 until it is its turn: what may run
-- at once is counted from what runs, so that no count can be wrong when somebody has died.
ALTER TABLE task ADD COLUMN gate INTEGER; -- behind which it waits; NULL: nothing limits it

-- Who waits in one line: tasks of one queue that are limited alike.
CREATE TABLE gate (
    id          INTEGER PRIMARY KEY,
    queue       TEXT    NOT NULL,          -- '': none
    scope       TEXT    NOT NULL,          -- of whom its limits are, see outlast.tasks.limits; '': of nobody
    concurrency INTEGER NOT NULL,          -- how many of its scope may run at once; 0: any number
    every       REAL    NOT NULL,          -- seconds from one to the next that begins; 0: none
    UNIQUE (queue, scope, concurrency, every)
) STRICT;
CREATE INDEX gate_of ON gate (scope);

-- When the next of a scope may begin; of a queue its limits, too, as the settings say them.
CREATE TABLE quota (
    scope       TEXT    PRIMARY KEY,
    concurrency INTEGER NOT NULL DEFAULT 0,
    every       REAL    NOT NULL DEFAULT 0,
    next_at     REAL    NOT NULL DEFAULT 0,
    paused_at   REAL                       -- since when nothing of it begins; NULL: it is not paused
) STRICT, WITHOUT ROWID;

-- Who waits behind which gate, which of them have got through, and whether anybody needs it. The gate comes first in each
-- condition: that is all that a task without one pays for these.
CREATE INDEX limited ON task (lane, app, release, gate, place) WHERE gate IS NOT NULL AND state = 1 AND run_at < 0;
CREATE INDEX admitted ON task (gate) WHERE gate IS NOT NULL AND (state = 2 OR (state = 1 AND run_at = 0));
CREATE INDEX gated ON task (gate, state) WHERE gate IS NOT NULL;
