package io.sallyport.identity;

import java.util.Objects;
import java.util.Optional;

/**
 * The keys of a directory at one moment.
 *
 * @param publicKeys what is accepted and published: every key that is not tainted, whether it signs already, still or no
 *     more
 * @param signingKeys the private halves; empty for a reader that only verifies
 */
public record KeySet(PublicKeys publicKeys, Optional<SigningKeys> signingKeys) {
    public KeySet {
        Objects.requireNonNull(publicKeys, "publicKeys is null");
        Objects.requireNonNull(signingKeys, "signingKeys is null");
    }
}
