-- Version 4: what a task has of its request and of the deploy that asked for it. NULL: nothing, or nobody knows.
ALTER TABLE task ADD COLUMN context TEXT;  -- JSON: the values of the request's context variables, by module and name
ALTER TABLE task ADD COLUMN app     TEXT;  -- module:name of the app that asked
ALTER TABLE task ADD COLUMN release TEXT;  -- and which release of its code it was
