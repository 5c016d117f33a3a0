package io.sallyport.extauthz;

import com.google.protobuf.Timestamp;
import io.sallyport.api.registry.v1.Revocation;
import io.sallyport.api.registry.v1.RevocationSubject;
import java.time.Instant;

/** Revocations as the issuer sends them. */
final class Revoked {
    private Revoked() {}

    static Revocation of(String kind, String name, Instant at) {
        return of(kind, name, at, at.plusSeconds(200_000));
    }

    static Revocation of(String kind, String name, Instant at, Instant until) {
        RevocationSubject.Builder subject = RevocationSubject.newBuilder();
        switch (kind) {
            case "token" -> subject.setTokenId(name);
            case "lineage" -> subject.setLineage(name);
            case "key" -> subject.setKeyId(name);
            case "sandbox" -> subject.setSandboxId(name);
            default -> throw new IllegalArgumentException(kind);
        }
        return Revocation.newBuilder()
                .setSubject(subject)
                .setRevoked(timestamp(at))
                .setUntil(timestamp(until))
                .build();
    }

    private static Timestamp timestamp(Instant at) {
        return Timestamp.newBuilder()
                .setSeconds(at.getEpochSecond())
                .setNanos(at.getNano())
                .build();
    }
}
