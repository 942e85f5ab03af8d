-- Version 12: what makes the names by which the users of an app ask for their tasks, see outlast.web.tickets.
CREATE TABLE secret (
    value BLOB NOT NULL -- 32 bytes of SQLite's generator, which the system's random bytes have seeded
);
INSERT INTO secret VALUES (randomblob(32));
