package io.sallyport.identity;

import io.sallyport.base.RejectedException;
import java.time.Duration;
import java.time.InstantSource;

/** Verifies sandbox tokens: everything about a token that can be known without asking anybody. */
public final class SandboxTokenVerifier {
    /**
     * What a deployment allows.
     *
     * @param maxLifetime longest {@code exp - iat}
     * @param leeway how far clocks may disagree
     * @param allowNoExpiry whether {@code exp: 0} means "never" rather than "refuse"
     */
    public record Limits(Duration maxLifetime, Duration leeway, boolean allowNoExpiry) {}

    public SandboxTokenVerifier(GatewayId gateway, PublicKeys keys, Limits limits, InstantSource clock) {}

    /**
     * The claims of a good token.
     *
     * @throws RejectedException with one of the {@code TOKEN_…} reasons
     */
    public SandboxClaims verify(String token) throws RejectedException {
        throw new UnsupportedOperationException("SandboxTokenVerifier.verify");
    }
}
