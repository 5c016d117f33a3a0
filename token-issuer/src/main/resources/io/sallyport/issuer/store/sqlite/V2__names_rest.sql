-- The name of a deleted sandbox rests for a while: who had it last?
CREATE INDEX sandboxes_deleted_name ON sandboxes (workspace, name, deleted) WHERE state = 'deleted';
