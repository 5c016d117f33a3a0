package io.sallyport.issuer.service;

import com.google.protobuf.Timestamp;
import io.sallyport.api.registry.v1.Sandbox;
import io.sallyport.api.registry.v1.SandboxState;
import io.sallyport.base.Reason;
import io.sallyport.base.RejectedException;
import io.sallyport.identity.SandboxId;
import io.sallyport.issuer.store.SandboxRecord;
import java.time.Instant;

/** Records and ids, to and from the wire. */
final class Messages {
    private Messages() {}

    static SandboxId sandboxId(String text) throws RejectedException {
        if (!SandboxId.isValid(text)) {
            throw new RejectedException(Reason.REQUEST_INVALID, "a sandbox id is 1 to 128 of [A-Za-z0-9._-]");
        }
        return new SandboxId(text);
    }

    static Sandbox sandbox(SandboxRecord record) {
        Sandbox.Builder sandbox = Sandbox.newBuilder()
                .setId(record.id().value())
                .setWorkspace(record.name().workspace())
                .setName(record.name().name())
                .setState(
                        switch (record.state()) {
                            case ACTIVE -> SandboxState.SANDBOX_STATE_ACTIVE;
                            case STOPPED -> SandboxState.SANDBOX_STATE_STOPPED;
                            case DELETED -> SandboxState.SANDBOX_STATE_DELETED;
                        })
                .setCreated(timestamp(record.created()))
                .setVersion(record.version());
        record.deleted().ifPresent(deleted -> sandbox.setDeleted(timestamp(deleted)));
        return sandbox.build();
    }

    static Timestamp timestamp(Instant at) {
        return Timestamp.newBuilder()
                .setSeconds(at.getEpochSecond())
                .setNanos(at.getNano())
                .build();
    }
}
