package io.sallyport.issuer.store;

import io.sallyport.identity.Lineage;
import java.time.Instant;
import java.util.Objects;

/**
 * A token before it is signed. Whoever has the key makes the token from it, the same one each time.
 *
 * @param tokenId {@code jti}
 * @param lineage its place
 * @param expires {@code exp}
 * @param keyId {@code kid} of the key to sign with
 * @param signingInput what to sign; no secret without the signature
 */
public record TokenDraft(String tokenId, Lineage lineage, Instant expires, String keyId, String signingInput) {
    public TokenDraft {
        Objects.requireNonNull(tokenId, "tokenId is null");
        Objects.requireNonNull(lineage, "lineage is null");
        Objects.requireNonNull(expires, "expires is null");
        Objects.requireNonNull(keyId, "keyId is null");
        Objects.requireNonNull(signingInput, "signingInput is null");
    }

    @Override
    public String toString() {
        return "TokenDraft[" + tokenId + ", " + lineage + "]";
    }
}
