package io.sallyport.extauthz;

import java.util.Objects;

/**
 * What the issuer knows about a sandbox.
 *
 * @param workspace never empty: the default workspace is called {@code default}
 * @param version grows with every change: of two copies the higher one is newer
 */
record SandboxRecord(String id, String workspace, String name, State state, long version) {
    enum State {
        ACTIVE,
        STOPPED,
        DELETED
    }

    SandboxRecord {
        Objects.requireNonNull(id, "id is null");
        Objects.requireNonNull(workspace, "workspace is null");
        Objects.requireNonNull(name, "name is null");
        Objects.requireNonNull(state, "state is null");
    }

    /** The newer of two copies of one record. */
    static SandboxRecord newer(SandboxRecord one, SandboxRecord other) {
        return other.version > one.version ? other : one;
    }
}
