-- A sandbox that was adopted has no name until somebody names it. SQLite changes a column only by making the table anew;
-- other tables refer to it by its name, and find the new one.
PRAGMA foreign_keys = OFF;
SAVEPOINT anew;

CREATE TABLE sandboxes_anew (
    id        TEXT    NOT NULL PRIMARY KEY,
    workspace TEXT,
    name      TEXT,
    state     TEXT    NOT NULL CHECK (state IN ('active', 'stopped', 'deleted')),
    source    TEXT    NOT NULL CHECK (source IN ('registry', 'adopt')),
    created   INTEGER NOT NULL,
    deleted   INTEGER,
    -- The number of the event that was the record's last change.
    version   INTEGER NOT NULL DEFAULT 0,
    CHECK ((state = 'deleted') = (deleted IS NOT NULL)),
    CHECK ((workspace IS NULL) = (name IS NULL)),
    CHECK (source = 'adopt' OR name IS NOT NULL)
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

RELEASE anew;
PRAGMA foreign_keys = ON;
