-- The journal, version 1. `state` numbers are outlast.tasks.State.
CREATE TABLE task (
    id         INTEGER PRIMARY KEY,        -- made by the client, rises with time
    state      INTEGER NOT NULL,
    lane       TEXT    NOT NULL,
    calling    TEXT    NOT NULL,           -- loop, thread or inline: how the function is called, also in lane alone
    company    INTEGER,                    -- lane alone: how many attempts there may be in its process
    timeout    REAL,                       -- seconds that an attempt may take
    memory     INTEGER,                    -- bytes that an attempt may take beyond what its process has
    cancel_at  REAL,                       -- when somebody asked to cancel it while it ran: it never waits again
    run_at     REAL,                       -- not before; 0 is at once; NULL: not before the task it follows has ended
    attempt    INTEGER NOT NULL DEFAULT 0, -- number of the newest attempt: with id, the fencing token
    crashes    INTEGER NOT NULL DEFAULT 0, -- attempts in which its process died
    cuts       INTEGER NOT NULL DEFAULT 0, -- attempts that ran when everything went down at once, unannounced
    owner      INTEGER,                    -- process that may release (held) or settle (running) it
    follows    INTEGER,                    -- task that has to end for good before this one starts
    created_at REAL    NOT NULL,           -- seconds since the epoch, as all times here
    started_at REAL,
    ended_at   REAL,
    function   TEXT    NOT NULL,           -- module:qualname
    arguments  TEXT,                       -- JSON; NULL: cannot travel, lane inline
    origin     TEXT    NOT NULL,
    reason     TEXT                        -- why it is where it is, one sentence
) STRICT;

-- One index for all that is not finished: what is ready, what is held, what runs.
CREATE INDEX live ON task (state, lane, run_at, id) WHERE state <= 2;
CREATE INDEX followed ON task (follows) WHERE follows IS NOT NULL;

CREATE TABLE event (
    seq       INTEGER PRIMARY KEY,
    task      INTEGER NOT NULL,
    at        REAL    NOT NULL,
    kind      TEXT    NOT NULL,            -- released, started, or how an attempt or the task ended
    attempt   INTEGER NOT NULL,
    reason    TEXT,
    traceback TEXT
) STRICT;
CREATE INDEX event_of ON event (task);

-- What was learned about a function: it blocked an event loop, so it runs in lane alone until its code changes.
CREATE TABLE function (
    path    TEXT PRIMARY KEY,
    code    TEXT NOT NULL,                 -- hash of its code
    seconds REAL NOT NULL,                 -- how long it has blocked at most
    seen_at REAL NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE process (
    id         INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again: a pid can be
    kind       TEXT    NOT NULL,           -- web, runner or child
    pid        INTEGER NOT NULL,
    machine    TEXT    NOT NULL,
    started_at REAL    NOT NULL,
    left_at    REAL,
    reason     TEXT
) STRICT;
CREATE INDEX present ON process (kind) WHERE left_at IS NULL;
