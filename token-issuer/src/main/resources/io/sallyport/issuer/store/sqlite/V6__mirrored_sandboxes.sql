-- Sandboxes of a cluster's Sandbox resources. SQLite changes a column's check only by making the table anew, as before.
PRAGMA foreign_keys = OFF;
SAVEPOINT anew;

CREATE TABLE sandboxes_anew (
    id        TEXT    NOT NULL PRIMARY KEY,
    workspace TEXT,
    name      TEXT,
    state     TEXT    NOT NULL CHECK (state IN ('active', 'stopped', 'deleted')),
    source    TEXT    NOT NULL CHECK (source IN ('registry', 'adopt', 'kubernetes')),
    created   INTEGER NOT NULL,
    deleted   INTEGER,
    -- The number of the event that was the record's last change.
    version   INTEGER NOT NULL DEFAULT 0,
    CHECK ((state = 'deleted') = (deleted IS NOT NULL)),
    CHECK ((workspace IS NULL) = (name IS NULL)),
    CHECK (source <> 'registry' OR name IS NOT NULL)
) STRICT, WITHOUT ROWID;
INSERT INTO sandboxes_anew (id, workspace, name, state, source, created, deleted, version)
SELECT id, workspace, name, state, source, created, deleted, version FROM sandboxes;
DROP TABLE sandboxes;
ALTER TABLE sandboxes_anew RENAME TO sandboxes;

CREATE UNIQUE INDEX sandboxes_living_name ON sandboxes (workspace, name) WHERE state <> 'deleted';
CREATE INDEX sandboxes_deleted_name ON sandboxes (workspace, name, deleted) WHERE state = 'deleted';

CREATE TRIGGER sandboxes_deleted_is_final BEFORE UPDATE ON sandboxes WHEN OLD.state = 'deleted'
BEGIN
    SELECT RAISE(ABORT, 'a deleted sandbox is final');
END;

CREATE TRIGGER sandboxes_are_never_removed BEFORE DELETE ON sandboxes
BEGIN
    SELECT RAISE(ABORT, 'a sandbox is deleted by its state, its row stays');
END;

-- Which resource a living sandbox is mirrored from.
CREATE TABLE resources (
    sandbox   TEXT NOT NULL PRIMARY KEY REFERENCES sandboxes (id),
    namespace TEXT NOT NULL,
    name      TEXT NOT NULL,
    uid       TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX resources_by_name ON resources (namespace, name);

-- Names that living sandboxes gave up a moment ago: by whom, when, and with which event.
CREATE TABLE former_names (
    workspace TEXT    NOT NULL,
    name      TEXT    NOT NULL,
    sandbox   TEXT    NOT NULL REFERENCES sandboxes (id),
    until     INTEGER NOT NULL,
    version   INTEGER NOT NULL,
    PRIMARY KEY (workspace, name)
) STRICT, WITHOUT ROWID;

RELEASE anew;
PRAGMA foreign_keys = ON;
