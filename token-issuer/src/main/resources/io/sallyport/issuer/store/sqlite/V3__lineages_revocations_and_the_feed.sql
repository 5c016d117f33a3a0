-- The number of the event that was a record's last change. Records from before there were events have 0.
ALTER TABLE sandboxes ADD COLUMN version INTEGER NOT NULL DEFAULT 0;

-- What a refresh must know to give the same answer again. Never a token: the signing input is what was signed, without
-- the signature. All NULL in a lineage that was advanced by an earlier version, or not at all.
ALTER TABLE lineages ADD COLUMN token TEXT;          -- jti of the newest token
ALTER TABLE lineages ADD COLUMN consumed TEXT;       -- jti of the token that was given for it
ALTER TABLE lineages ADD COLUMN signing_input TEXT;  -- of the newest token
ALTER TABLE lineages ADD COLUMN key_id TEXT;         -- kid that signs it
ALTER TABLE lineages ADD COLUMN expires INTEGER;     -- exp of the newest token
-- The lineage whose bootstrap token opened this one.
ALTER TABLE lineages ADD COLUMN origin TEXT;
-- When it had to give way to a newer one: nothing in it is renewed any more. Its tokens end by themselves.
ALTER TABLE lineages ADD COLUMN closed INTEGER;

CREATE INDEX lineages_of_origin ON lineages (origin) WHERE origin IS NOT NULL;

-- Rows of lineages that nothing can renew any more are removed; where a token was written is remembered for longer.
CREATE TABLE token_files_without_lineages (
    sandbox TEXT NOT NULL REFERENCES sandboxes (id),
    path    TEXT NOT NULL,
    lineage TEXT NOT NULL,
    PRIMARY KEY (sandbox, path, lineage)
) STRICT, WITHOUT ROWID;
INSERT INTO token_files_without_lineages SELECT sandbox, path, lineage FROM token_files;
DROP TABLE token_files;
ALTER TABLE token_files_without_lineages RENAME TO token_files;

-- What was taken back. A sandbox: every token issued in or before the second of `revoked`.
CREATE TABLE revocations (
    kind       TEXT    NOT NULL CHECK (kind IN ('key', 'lineage', 'sandbox', 'token')),
    name       TEXT    NOT NULL,
    reason     TEXT    NOT NULL,
    revoked    INTEGER NOT NULL,
    kept_until INTEGER,
    PRIMARY KEY (kind, name)
) STRICT, WITHOUT ROWID;

CREATE INDEX revocations_kept_until ON revocations (kept_until) WHERE kept_until IS NOT NULL;

-- What every ext-authz must come to know: the record or the revocation of this name has changed.
CREATE TABLE events (
    seq  INTEGER NOT NULL PRIMARY KEY,
    at   INTEGER NOT NULL,
    kind TEXT    NOT NULL CHECK (kind IN ('record', 'key', 'lineage', 'sandbox', 'token')),
    name TEXT    NOT NULL
) STRICT;

-- One row: whose event log this is, its newest number, and the newest number that was pruned from it.
CREATE TABLE feed (
    id       INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    store_id TEXT    NOT NULL,
    seq      INTEGER NOT NULL,
    pruned   INTEGER NOT NULL
) STRICT;
INSERT INTO feed (id, store_id, seq, pruned) VALUES (1, lower(hex(randomblob(16))), 0, 0);
