package io.sallyport.issuer.service;

import io.sallyport.api.registry.v1.RevocationSubject;
import io.sallyport.issuer.store.Revocation;
import io.sallyport.issuer.store.Revocation.Subject;

/** Revocations as ext-authz is told of them: without the reason, which is for people. */
final class FeedMessages {
    private FeedMessages() {}

    static io.sallyport.api.registry.v1.Revocation revocation(Revocation revocation) {
        var message = io.sallyport.api.registry.v1.Revocation.newBuilder()
                .setSubject(
                        switch (revocation.subject()) {
                            case Subject.Token(String jti) ->
                                RevocationSubject.newBuilder().setTokenId(jti);
                            case Subject.Lineage(String id) ->
                                RevocationSubject.newBuilder().setLineage(id);
                            case Subject.Sandbox sandbox ->
                                RevocationSubject.newBuilder().setSandboxId(sandbox.name());
                            case Subject.Key(String kid) ->
                                RevocationSubject.newBuilder().setKeyId(kid);
                        })
                .setRevoked(Messages.timestamp(revocation.at()));
        revocation.until().ifPresent(until -> message.setUntil(Messages.timestamp(until)));
        return message.build();
    }
}
