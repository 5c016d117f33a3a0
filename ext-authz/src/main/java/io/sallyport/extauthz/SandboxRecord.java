package io.sallyport.extauthz;

import java.util.Objects;

/**
 * What the issuer knows about a sandbox.
 *
 * @param workspace never empty: the default workspace is called {@code default}
 */
record SandboxRecord(String id, String workspace, String name, State state) {
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
}
