package io.sallyport.identity;

import java.time.Instant;
import java.util.Objects;
import java.util.Optional;

/**
 * What a sandbox token says (RFC 7519), once it is known to be true.
 *
 * @param sandbox whose token it is
 * @param tokenId {@code jti}; where an unchanged gateway wrote none, {@link Digests#tokenId}. Absent only in claims that
 *     were read from something else than the token
 * @param lineage {@code lin} and {@code gen}; where there is none, a place that follows from the token ({@link
 *     Lineage#isAdopted}). Absent like {@code jti}
 * @param issuedAt {@code iat}
 * @param expiresAt {@code exp}; {@link Instant#MAX} for a token without end, where a setting allows those
 * @param keyId {@code kid} of the key that signed it
 */
public record SandboxClaims(
        SandboxId sandbox,
        Optional<String> tokenId,
        Optional<Lineage> lineage,
        Instant issuedAt,
        Instant expiresAt,
        String keyId) {
    public SandboxClaims {
        Objects.requireNonNull(sandbox, "sandbox is null");
        Objects.requireNonNull(tokenId, "tokenId is null");
        Objects.requireNonNull(lineage, "lineage is null");
        Objects.requireNonNull(issuedAt, "issuedAt is null");
        Objects.requireNonNull(expiresAt, "expiresAt is null");
        Objects.requireNonNull(keyId, "keyId is null");
    }
}
