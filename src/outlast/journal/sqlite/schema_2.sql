-- Version 2: what happened to processes. The words are outlast.incidents.Kind and Cause.
CREATE TABLE incident (
    id       INTEGER PRIMARY KEY AUTOINCREMENT, -- never used again: people name it
    kind     TEXT    NOT NULL,             -- stall or death
    cause    TEXT    NOT NULL,
    process  TEXT    NOT NULL,             -- what kind of process it was
    pid      INTEGER NOT NULL,             -- of the newest, as stack, sentence and flights are
    machine  TEXT    NOT NULL,
    first_at REAL    NOT NULL,
    last_at  REAL    NOT NULL,
    times    INTEGER NOT NULL,             -- how many of one culprit it stands for
    seconds  REAL    NOT NULL,             -- the longest
    culprit  TEXT    NOT NULL,             -- empty: nobody is named
    sentence TEXT    NOT NULL,
    stack    TEXT    NOT NULL,
    flights  TEXT    NOT NULL              -- JSON: of each request and task in it name, seconds, task, lane
) STRICT;
CREATE INDEX incident_seen ON incident (last_at);
