-- Version 8: what may be asked of a task beyond its limits. `run_at` of one that waits is 0 when it is ready, and else the
-- time before which it is not: what is ready is in line by `place`, so a priority is where it begins to wait.
ALTER TABLE task ADD COLUMN place      INTEGER;                    -- its id, so when it was added; less: further in front
ALTER TABLE task ADD COLUMN not_before REAL;                       -- when it may begin for the first time
ALTER TABLE task ADD COLUMN expires_at REAL;                       -- when it may not any more
ALTER TABLE task ADD COLUMN policy     TEXT;                       -- JSON, see outlast.tasks.policy; NULL: nothing asked
ALTER TABLE task ADD COLUMN retried    INTEGER NOT NULL DEFAULT 0; -- how often it has been tried again
UPDATE task SET place = id WHERE state <= 2;

DROP INDEX live;
CREATE INDEX live ON task (state, lane, app, release, run_at, place) WHERE state <= 2;
CREATE INDEX later ON task (run_at) WHERE state = 1 AND run_at > 0;
CREATE INDEX expiring ON task (expires_at) WHERE state = 1 AND expires_at IS NOT NULL;
