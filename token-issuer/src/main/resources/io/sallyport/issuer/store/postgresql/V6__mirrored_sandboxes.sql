-- Sandboxes of a cluster's Sandbox resources.
ALTER TABLE sandboxes
    DROP CONSTRAINT sandboxes_source_check,
    ADD CONSTRAINT sandboxes_source_check CHECK (source IN ('registry', 'adopt', 'kubernetes')),
    DROP CONSTRAINT sandboxes_named_check,
    ADD CONSTRAINT sandboxes_named_check CHECK (source <> 'registry' OR name IS NOT NULL);

-- Which resource a living sandbox is mirrored from.
CREATE TABLE resources (
    sandbox   TEXT COLLATE "C" NOT NULL PRIMARY KEY REFERENCES sandboxes (id),
    namespace TEXT COLLATE "C" NOT NULL,
    name      TEXT COLLATE "C" NOT NULL,
    uid       TEXT COLLATE "C" NOT NULL
);
CREATE INDEX resources_by_name ON resources (namespace, name);

-- Names that living sandboxes gave up a moment ago: by whom, when, and with which event.
CREATE TABLE former_names (
    workspace TEXT COLLATE "C" NOT NULL,
    name      TEXT COLLATE "C" NOT NULL,
    sandbox   TEXT COLLATE "C" NOT NULL REFERENCES sandboxes (id),
    until     BIGINT           NOT NULL,
    version   BIGINT           NOT NULL,
    PRIMARY KEY (workspace, name)
);
