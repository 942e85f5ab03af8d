-- Version 10: keys, of which a function has one unfinished task each.
ALTER TABLE task ADD COLUMN key TEXT;
CREATE INDEX keyed ON task (key) WHERE key IS NOT NULL;

-- Who has a key, or had it last: it is taken while that task is unfinished, and up to `until`.
CREATE TABLE key (
    task     INTEGER PRIMARY KEY,
    function TEXT NOT NULL,
    key      TEXT NOT NULL,
    until    REAL NOT NULL              -- 0: no longer than the task; else it may outlast that one's row
) STRICT;
CREATE UNIQUE INDEX one_of_each ON key (function, key);
CREATE INDEX key_ends ON key (until) WHERE until > 0;

-- Tasks that were not stored since another one has their key, as long as their responses last. If that was held then,
-- any of these responses lets it run, and it is dropped with the last of them; without an owner, its own has failed.
CREATE TABLE joined (
    id      INTEGER PRIMARY KEY,        -- what would have been its own
    task    INTEGER NOT NULL,           -- which it has joined
    owner   INTEGER NOT NULL,           -- process whose response it is of
    follows INTEGER                     -- which of its response it would have waited for
) STRICT;
CREATE INDEX joined_to ON joined (task);

-- Tasks whose line had others in it that joined tasks: what they wait for beside the one that they follow.
CREATE TABLE behind (
    task   INTEGER NOT NULL,
    before INTEGER NOT NULL,
    PRIMARY KEY (task, before)
) STRICT, WITHOUT ROWID;
