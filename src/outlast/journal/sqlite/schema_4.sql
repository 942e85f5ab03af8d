-- Version 4: what a task has of its request (NULL: nothing), and of the deploy that asked for it ('': nobody knows).
ALTER TABLE task ADD COLUMN context TEXT;                     -- JSON: the values of the request's context variables
ALTER TABLE task ADD COLUMN app     TEXT NOT NULL DEFAULT ''; -- name of the app that asked
ALTER TABLE task ADD COLUMN release TEXT NOT NULL DEFAULT ''; -- and which release of its code it was

-- What waits of one release is found without a look at what waits of another.
DROP INDEX live;
CREATE INDEX live ON task (state, lane, app, release, run_at, id) WHERE state <= 2;
