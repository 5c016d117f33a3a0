package io.sallyport.issuer.service;

import com.google.protobuf.Timestamp;
import io.sallyport.api.registry.v1.RevocationSubject;
import io.sallyport.api.registry.v1.Sandbox;
import io.sallyport.api.registry.v1.SandboxState;
import io.sallyport.base.Reason;
import io.sallyport.base.RejectedException;
import io.sallyport.identity.Lineage;
import io.sallyport.identity.SandboxId;
import io.sallyport.issuer.store.LineageLife;
import io.sallyport.issuer.store.Revocation;
import io.sallyport.issuer.store.Revocation.Subject;
import io.sallyport.issuer.store.SandboxRecord;
import java.time.Instant;

/** Records, revocations and ids, to and from the wire. */
final class Messages {
    private Messages() {}

    static SandboxId sandboxId(String text) throws RejectedException {
        if (!SandboxId.isValid(text)) {
            throw new RejectedException(Reason.REQUEST_INVALID, "a sandbox id is 1 to 128 of [A-Za-z0-9._-]");
        }
        return new SandboxId(text);
    }

    static Lineage lineage(String id, long generation) throws RejectedException {
        if (!SandboxId.isValid(id) || generation < 0) {
            throw new RejectedException(
                    Reason.REQUEST_INVALID, "a lineage is 1 to 128 of [A-Za-z0-9._-], and a generation below 2^63");
        }
        return new Lineage(id, generation);
    }

    static io.sallyport.api.feed.v1.Lineage lineage(LineageLife life) {
        var message = io.sallyport.api.feed.v1.Lineage.newBuilder()
                .setRevoked(life.newest().isEmpty());
        life.newest().ifPresent(newest -> {
            message.setLineage(newest.lineage());
            newest.tokenId().ifPresent(message::setTokenId);
            newest.keyId().ifPresent(message::setKeyId);
            newest.ends().ifPresent(ends -> message.setEnds(timestamp(ends)));
        });
        return message.build();
    }

    static Sandbox sandbox(SandboxRecord record) {
        Sandbox.Builder sandbox = Sandbox.newBuilder()
                .setId(record.id().value())
                .setState(
                        switch (record.state()) {
                            case ACTIVE -> SandboxState.SANDBOX_STATE_ACTIVE;
                            case STOPPED -> SandboxState.SANDBOX_STATE_STOPPED;
                            case DELETED -> SandboxState.SANDBOX_STATE_DELETED;
                        })
                .setCreated(timestamp(record.created()))
                .setVersion(record.version());
        record.name().ifPresent(name -> sandbox.setWorkspace(name.workspace()).setName(name.name()));
        record.deleted().ifPresent(deleted -> sandbox.setDeleted(timestamp(deleted)));
        return sandbox.build();
    }

    /** @throws RejectedException {@link Reason#REQUEST_INVALID} when nothing is named, or what no name can be */
    static Subject subject(RevocationSubject subject) throws RejectedException {
        try {
            return switch (subject.getSubjectCase()) {
                case TOKEN_ID -> new Subject.Token(subject.getTokenId());
                case LINEAGE -> new Subject.Lineage(subject.getLineage());
                case SANDBOX_ID -> new Subject.Sandbox(sandboxId(subject.getSandboxId()));
                case KEY_ID -> new Subject.Key(subject.getKeyId());
                case SUBJECT_NOT_SET ->
                    throw new RejectedException(
                            Reason.REQUEST_INVALID, "say what: token_id, lineage, sandbox_id or key_id");
            };
        } catch (IllegalArgumentException e) {
            throw new RejectedException(Reason.REQUEST_INVALID, String.valueOf(e.getMessage()));
        }
    }

    static io.sallyport.api.registry.v1.Revocation revocation(Revocation revocation) {
        RevocationSubject.Builder subject = RevocationSubject.newBuilder();
        switch (revocation.subject()) {
            case Subject.Token(String tokenId) -> subject.setTokenId(tokenId);
            case Subject.Lineage(String lineage) -> subject.setLineage(lineage);
            case Subject.Sandbox(SandboxId id) -> subject.setSandboxId(id.value());
            case Subject.Key(String keyId) -> subject.setKeyId(keyId);
        }
        var message = io.sallyport.api.registry.v1.Revocation.newBuilder()
                .setSubject(subject)
                .setReason(revocation.reason())
                .setRevoked(timestamp(revocation.at()));
        revocation.until().ifPresent(until -> message.setUntil(timestamp(until)));
        return message.build();
    }

    /** What is revoked, for logs and as the place in a list: {@code kind:name}. */
    static String text(Subject subject) {
        return switch (subject) {
                    case Subject.Token _ -> "token:";
                    case Subject.Lineage _ -> "lineage:";
                    case Subject.Sandbox _ -> "sandbox:";
                    case Subject.Key _ -> "key:";
                }
                + subject.name();
    }

    /** What {@link #text} has written. */
    static Subject subject(String text) throws RejectedException {
        int colon = text.indexOf(':');
        String name = text.substring(colon + 1);
        RevocationSubject.Builder subject = RevocationSubject.newBuilder();
        switch (text.substring(0, Math.max(colon, 0))) {
            case "token" -> subject.setTokenId(name);
            case "lineage" -> subject.setLineage(name);
            case "sandbox" -> subject.setSandboxId(name);
            case "key" -> subject.setKeyId(name);
            default -> throw new RejectedException(Reason.REQUEST_INVALID, "page_token is not one of ours");
        }
        return subject(subject.build());
    }

    static Timestamp timestamp(Instant at) {
        return Timestamp.newBuilder()
                .setSeconds(at.getEpochSecond())
                .setNanos(at.getNano())
                .build();
    }
}
