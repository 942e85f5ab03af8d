-- Version 7: whose kernel can tell whether a process lives. Empty: the one machine that can use this file.
ALTER TABLE process ADD COLUMN machine_id TEXT NOT NULL DEFAULT '';
