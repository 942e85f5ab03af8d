-- Version 5: ends that callbacks of the app (outlast.on_end) have to be told of. What notes them is a trigger that is made
-- when somebody listens (engines.untold): others would pay a tenth of a claim and a settlement for it (measured).
CREATE TABLE listener (
    state INTEGER PRIMARY KEY              -- callbacks want to be told of tasks that end in it
) STRICT;
CREATE TABLE untold (
    task   INTEGER PRIMARY KEY,
    teller INTEGER,                        -- the task process that tells of it now
    tries  INTEGER NOT NULL DEFAULT 0      -- how many have begun to
) STRICT;
