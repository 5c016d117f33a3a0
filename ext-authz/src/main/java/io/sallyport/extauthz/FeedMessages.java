package io.sallyport.extauthz;

import io.sallyport.api.registry.v1.Sandbox;
import io.sallyport.identity.SandboxId;
import org.jspecify.annotations.Nullable;

/** The issuer's messages, read. */
final class FeedMessages {
    private FeedMessages() {}

    /** A record; null when it is none that we understand. */
    static @Nullable SandboxRecord record(Sandbox sandbox) {
        SandboxRecord.State state = switch (sandbox.getState()) {
            case SANDBOX_STATE_ACTIVE -> SandboxRecord.State.ACTIVE;
            case SANDBOX_STATE_STOPPED -> SandboxRecord.State.STOPPED;
            case SANDBOX_STATE_DELETED -> SandboxRecord.State.DELETED;
            case SANDBOX_STATE_UNSPECIFIED, UNRECOGNIZED -> null;
        };
        return state == null || !SandboxId.isValid(sandbox.getId())
                ? null
                : new SandboxRecord(
                        sandbox.getId(), sandbox.getWorkspace(), sandbox.getName(), state, sandbox.getVersion());
    }
}
