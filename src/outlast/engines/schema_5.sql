-- Version 5: ends that callbacks of the app (outlast.on_end) have to be told of, noted in the transaction of the end.
CREATE TABLE listener (
    state INTEGER PRIMARY KEY              -- callbacks want to be told of tasks that end in it
) STRICT;
CREATE TABLE untold (
    task   INTEGER PRIMARY KEY,
    teller INTEGER,                        -- the task process that tells of it now
    tries  INTEGER NOT NULL DEFAULT 0      -- how many have begun to
) STRICT;
CREATE TRIGGER note_untold AFTER UPDATE OF state ON task
WHEN new.state IN (3, 4, 5, 6) AND EXISTS (SELECT 1 FROM listener WHERE state = new.state)
BEGIN
    INSERT OR REPLACE INTO untold (task) VALUES (new.id);
END;
