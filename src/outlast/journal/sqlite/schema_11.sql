-- Version 11: how far an attempt has come, as it says, and where the next one goes on.
ALTER TABLE task ADD COLUMN progress   TEXT; -- JSON, see outlast.tasks.progress
ALTER TABLE task ADD COLUMN checkpoint TEXT; -- JSON, see outlast.functions.checkpoints
