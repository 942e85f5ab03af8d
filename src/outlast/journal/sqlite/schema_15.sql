-- Version 15: files that are stashed for tasks, by their names in the folder beside the journal.
CREATE TABLE stash (
    name TEXT    NOT NULL,
    task INTEGER NOT NULL,
    PRIMARY KEY (name, task)
) WITHOUT ROWID;
CREATE INDEX stash_task ON stash (task);
CREATE TRIGGER task_forgotten AFTER DELETE ON task BEGIN
    DELETE FROM stash WHERE task = OLD.id;
END;
