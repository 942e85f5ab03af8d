-- Version 16: schedules. What is not said here is as outlast.tasks.schedules and outlast.tasks.timing have it.
CREATE TABLE schedule (
    id         INTEGER PRIMARY KEY,
    app        TEXT    NOT NULL,
    name       TEXT    NOT NULL,
    release    TEXT    NOT NULL,           -- whose code is asked for by the next task
    revision   INTEGER NOT NULL,           -- drawn anew when it says something else: who has read the old one does nothing
    in_code    INTEGER NOT NULL,           -- 0: asked for at run time
    timing     TEXT    NOT NULL,           -- JSON
    missed     TEXT    NOT NULL,
    blueprint  TEXT    NOT NULL,           -- JSON: what each tick makes a task of
    next_at    REAL,                       -- the tick that nothing was done about yet; NULL: not worked out
    seen_at    REAL,                       -- when that was
    asked_at   REAL,                       -- somebody wants a run beside its ticks
    last_at    REAL,                       -- its newest tick, and the newest task of it
    last_task  INTEGER,
    paused_at  REAL,
    retired_at REAL,                       -- the newest code does not have it any more
    reason     TEXT                        -- why it is paused, if nobody has asked for that
) STRICT;
CREATE UNIQUE INDEX one_schedule_of_a_name ON schedule (app, name);
CREATE INDEX ticking ON schedule (next_at) WHERE paused_at IS NULL AND retired_at IS NULL;
CREATE INDEX seen_ahead ON schedule (seen_at) WHERE paused_at IS NULL AND retired_at IS NULL;
CREATE INDEX asked_for ON schedule (asked_at) WHERE asked_at IS NOT NULL;

-- Of each tick there is one task, whoever works it out, and how often.
CREATE TABLE tick (
    schedule INTEGER NOT NULL,
    at       REAL    NOT NULL,
    task     INTEGER NOT NULL,
    PRIMARY KEY (schedule, at)
) STRICT, WITHOUT ROWID;

-- What each release of an app says of its own code: the runner, which knows who is there, adopts what the newest says.
CREATE TABLE declaration (
    app         TEXT    NOT NULL,
    release     TEXT    NOT NULL,
    revision    INTEGER NOT NULL,
    declared_at REAL    NOT NULL,
    schedules   TEXT    NOT NULL,          -- JSON: the texts of each
    PRIMARY KEY (app, release)
) STRICT, WITHOUT ROWID;
