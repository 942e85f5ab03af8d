-- Version 13: what runs after other tasks and gets something of them, which goes into its arguments when it may begin.
-- Until then it waits with no `run_at`.
CREATE TABLE sequel (
    task       INTEGER PRIMARY KEY,
    gets       TEXT    NOT NULL,           -- see outlast.tasks.sequel.Gets
    parameters TEXT    NOT NULL,           -- JSON: the names of those that get it
    delay      REAL    NOT NULL,           -- seconds from when it may begin
    expires    REAL,                       -- the same
    decided    INTEGER NOT NULL DEFAULT 0  -- 1: it was given up; 2: it may begin
) STRICT;
CREATE TABLE link (
    task   INTEGER NOT NULL,
    place  INTEGER NOT NULL,               -- in the order of results
    before INTEGER NOT NULL,               -- which it runs after
    state  INTEGER,                        -- how that has ended; NULL: not yet
    result TEXT,
    reason TEXT,
    PRIMARY KEY (task, place)
) STRICT;
CREATE INDEX linked ON link (before);
CREATE INDEX link_open ON link (task) WHERE state IS NULL;
