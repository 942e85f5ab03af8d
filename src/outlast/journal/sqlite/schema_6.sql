-- Version 6: the ordinary moves of a task are columns: when it was released, begun (started_at) and done (ended_at). Rows of
-- `event` are for what a later move would overwrite, and for all that is out of the ordinary.
ALTER TABLE task ADD COLUMN released_at REAL;

-- What others call the size of a group: in lane `alone`, how many attempts there may be in a task's process.
ALTER TABLE task RENAME COLUMN company TO group_size;
