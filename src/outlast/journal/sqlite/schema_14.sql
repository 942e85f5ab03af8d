-- Version 14: what attempts have printed and logged.
CREATE TABLE log (
    task     INTEGER NOT NULL,
    attempt  INTEGER NOT NULL,
    text     TEXT    NOT NULL,
    left_out INTEGER NOT NULL,  -- bytes before it that are not kept
    PRIMARY KEY (task, attempt)
) STRICT;
