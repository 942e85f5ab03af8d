-- Version 9: what a task has returned.
ALTER TABLE task ADD COLUMN result TEXT; -- JSON, see outlast.functions.results; NULL: None, or a reason says why it is not kept
