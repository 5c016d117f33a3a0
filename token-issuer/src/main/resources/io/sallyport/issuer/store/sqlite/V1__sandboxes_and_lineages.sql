-- Times are milliseconds since the epoch. Texts compare byte for byte (SQLite's BINARY collation, the default).

CREATE TABLE sandboxes (
    id        TEXT    NOT NULL PRIMARY KEY,
    workspace TEXT    NOT NULL,
    name      TEXT    NOT NULL,
    state     TEXT    NOT NULL CHECK (state IN ('active', 'stopped', 'deleted')),
    source    TEXT    NOT NULL CHECK (source IN ('registry')),
    created   INTEGER NOT NULL,
    deleted   INTEGER,
    CHECK ((state = 'deleted') = (deleted IS NOT NULL))
) STRICT, WITHOUT ROWID;

-- A name is free for a new id once the old one is a tombstone.
CREATE UNIQUE INDEX sandboxes_living_name ON sandboxes (workspace, name) WHERE state <> 'deleted';

-- Deleted is final, whatever a later version of the program or a person at the sqlite3 prompt thinks.
CREATE TRIGGER sandboxes_deleted_is_final BEFORE UPDATE ON sandboxes WHEN OLD.state = 'deleted'
BEGIN
    SELECT RAISE(ABORT, 'a deleted sandbox is final');
END;

CREATE TRIGGER sandboxes_are_never_removed BEFORE DELETE ON sandboxes
BEGIN
    SELECT RAISE(ABORT, 'a sandbox is deleted by its state, its row stays');
END;

-- One row for each bootstrap. The generation is that of the newest token.
CREATE TABLE lineages (
    id         TEXT    NOT NULL PRIMARY KEY,
    sandbox    TEXT    NOT NULL REFERENCES sandboxes (id),
    generation INTEGER NOT NULL CHECK (generation >= 0),
    opened     INTEGER NOT NULL,
    advanced   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX lineages_of_sandbox ON lineages (sandbox);

-- Where a bootstrap token was to be written, so that it can be removed with its sandbox. Never the token.
CREATE TABLE token_files (
    sandbox TEXT NOT NULL REFERENCES sandboxes (id),
    path    TEXT NOT NULL,
    lineage TEXT NOT NULL REFERENCES lineages (id),
    PRIMARY KEY (sandbox, path, lineage)
) STRICT, WITHOUT ROWID;

-- Written to find out whether writing works; larger than any other write, so that it is the first to fail.
CREATE TABLE probes (
    id      INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    at      INTEGER NOT NULL,
    padding BLOB    NOT NULL
) STRICT;
