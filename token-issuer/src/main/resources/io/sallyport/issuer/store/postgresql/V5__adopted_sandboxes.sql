-- A sandbox that was adopted has no name until somebody names it.
ALTER TABLE sandboxes
    ALTER COLUMN workspace DROP NOT NULL,
    ALTER COLUMN name DROP NOT NULL,
    DROP CONSTRAINT sandboxes_source_check,
    ADD CONSTRAINT sandboxes_source_check CHECK (source IN ('registry', 'adopt')),
    ADD CONSTRAINT sandboxes_whole_name_check CHECK ((workspace IS NULL) = (name IS NULL)),
    ADD CONSTRAINT sandboxes_named_check CHECK (source = 'adopt' OR name IS NOT NULL);
