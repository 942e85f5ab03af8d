-- Version 18: how many minutes a task goes ahead in line has a column of its own. Its place tells that only until it has
-- moved, and it moves each time that the task has waited for a time.
ALTER TABLE task ADD COLUMN ahead INTEGER; -- NULL: none
UPDATE task SET ahead = (id - place) / 251658240000 -- a minute, see outlast.journal.sqlite.rows
WHERE state <= 2 AND place != id AND (id - place) % 251658240000 = 0;
