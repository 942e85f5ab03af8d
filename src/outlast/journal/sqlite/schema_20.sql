-- Version 20: what is kept, as the newest server has it, for who prunes by hand: an app may give it to install() alone.
CREATE TABLE retention (
    is_the_only INTEGER PRIMARY KEY CHECK (is_the_only),
    done        REAL    NOT NULL,          -- seconds that done tasks are kept
    count       INTEGER NOT NULL,          -- how many of the newest of them
    failed      REAL    NOT NULL           -- seconds that all else is kept
) STRICT;
