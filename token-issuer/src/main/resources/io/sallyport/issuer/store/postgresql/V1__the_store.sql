-- The same tables as in SQLite. Times are milliseconds since the epoch. Texts compare byte for byte (COLLATE "C").

CREATE TABLE sandboxes (
    id        TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    workspace TEXT COLLATE "C" NOT NULL,
    name      TEXT COLLATE "C" NOT NULL,
    state     TEXT COLLATE "C" NOT NULL CHECK (state IN ('active', 'stopped', 'deleted')),
    source    TEXT COLLATE "C" NOT NULL CHECK (source IN ('registry')),
    created   BIGINT           NOT NULL,
    deleted   BIGINT,
    -- The number of the event that was the record's last change.
    version   BIGINT           NOT NULL DEFAULT 0,
    CHECK ((state = 'deleted') = (deleted IS NOT NULL))
);

-- A name is free for a new id once the old one is a tombstone, and has rested.
CREATE UNIQUE INDEX sandboxes_living_name ON sandboxes (workspace, name) WHERE state <> 'deleted';
CREATE INDEX sandboxes_deleted_name ON sandboxes (workspace, name, deleted) WHERE state = 'deleted';

-- Deleted is final, whatever a later version of the program or a person at the psql prompt thinks.
CREATE FUNCTION sandboxes_deleted_is_final() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a deleted sandbox is final';
END
$$;
CREATE TRIGGER sandboxes_deleted_is_final BEFORE UPDATE ON sandboxes
    FOR EACH ROW WHEN (OLD.state = 'deleted') EXECUTE FUNCTION sandboxes_deleted_is_final();

CREATE FUNCTION sandboxes_are_never_removed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'a sandbox is deleted by its state, its row stays';
END
$$;
CREATE TRIGGER sandboxes_are_never_removed BEFORE DELETE ON sandboxes
    FOR EACH ROW EXECUTE FUNCTION sandboxes_are_never_removed();

-- One row for each chain of tokens that can still go on. The generation is that of the newest token.
CREATE TABLE lineages (
    id            TEXT COLLATE "C" NOT NULL PRIMARY KEY,
    sandbox       TEXT COLLATE "C" NOT NULL REFERENCES sandboxes (id),
    generation    BIGINT           NOT NULL CHECK (generation >= 0),
    opened        BIGINT           NOT NULL,
    advanced      BIGINT           NOT NULL,
    -- What a refresh must know to give the same answer again. Never a token: the signing input is what was signed,
    -- without the signature. All NULL in a lineage that was not advanced yet.
    token         TEXT COLLATE "C",  -- jti of the newest token
    consumed      TEXT COLLATE "C",  -- jti of the token that was given for it
    signing_input TEXT COLLATE "C",  -- of the newest token
    key_id        TEXT COLLATE "C",  -- kid that signs it
    expires       BIGINT,            -- exp of the newest token
    -- The lineage whose bootstrap token opened this one.
    origin        TEXT COLLATE "C",
    -- When it had to give way to a newer one: nothing in it is renewed any more. Its tokens end by themselves.
    closed        BIGINT
);

CREATE INDEX lineages_of_sandbox ON lineages (sandbox);
CREATE INDEX lineages_of_origin ON lineages (origin) WHERE origin IS NOT NULL;

-- Where a bootstrap token was to be written, so that it can be removed with its sandbox. Never the token.
CREATE TABLE token_files (
    sandbox TEXT COLLATE "C" NOT NULL REFERENCES sandboxes (id),
    path    TEXT COLLATE "C" NOT NULL,
    lineage TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (sandbox, path, lineage)
);

-- What was taken back. A sandbox: every token issued in or before the second of `revoked`.
CREATE TABLE revocations (
    kind       TEXT COLLATE "C" NOT NULL CHECK (kind IN ('key', 'lineage', 'sandbox', 'token')),
    name       TEXT COLLATE "C" NOT NULL,
    reason     TEXT             NOT NULL,
    revoked    BIGINT           NOT NULL,
    kept_until BIGINT,
    PRIMARY KEY (kind, name)
);

CREATE INDEX revocations_kept_until ON revocations (kept_until) WHERE kept_until IS NOT NULL;

-- What every ext-authz must come to know: the record or the revocation of this name has changed.
CREATE TABLE events (
    seq  BIGINT           NOT NULL PRIMARY KEY,
    at   BIGINT           NOT NULL,
    kind TEXT COLLATE "C" NOT NULL CHECK (kind IN ('record', 'key', 'lineage', 'sandbox', 'token')),
    name TEXT COLLATE "C" NOT NULL
);

-- One row: whose event log this is, its newest number, and the newest number that was pruned from it. Whoever takes a
-- number keeps the row locked until its commit, so that numbers become visible in their order.
--
-- The incarnation is the server, database and timeline that the log was written on. Where it is another one (a restored
-- backup, a fail-over), something may be missing from the log, and it gets a new store_id: every reader begins again.
CREATE TABLE feed (
    id          INTEGER          NOT NULL PRIMARY KEY CHECK (id = 1),
    store_id    TEXT COLLATE "C" NOT NULL,
    seq         BIGINT           NOT NULL,
    pruned      BIGINT           NOT NULL,
    incarnation TEXT COLLATE "C" NOT NULL
) WITH (fillfactor = 10);
INSERT INTO feed (id, store_id, seq, pruned, incarnation)
VALUES (1, replace(gen_random_uuid()::text, '-', ''), 0, 0, '');

-- Wakes every issuer once the event can be read.
CREATE FUNCTION notify_of_events() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NOTIFY sallyport_events;
    RETURN NULL;
END
$$;
CREATE TRIGGER feed_notifies AFTER UPDATE OF seq ON feed FOR EACH STATEMENT EXECUTE FUNCTION notify_of_events();

-- Written to find out whether writing works.
CREATE TABLE probes (
    id      INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    at      BIGINT  NOT NULL,
    padding BYTEA   NOT NULL
);
