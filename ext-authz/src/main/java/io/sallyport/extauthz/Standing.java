package io.sallyport.extauthz;

import io.sallyport.base.Reason;
import io.sallyport.identity.SandboxClaims;
import org.jspecify.annotations.Nullable;

/**
 * Whether a token that is good by itself still counts: it was not taken back, and we would know if it had been.
 *
 * <p>Asked at every use of a token, after whatever cache knew it and after whatever verified it, so that it does not matter
 * what was remembered, or verified, just before it was taken back.
 */
final class Standing {
    /** Why a token does not count. */
    record Refusal(Reason reason, String detail) {}

    private final Revocations revocations;
    private final Freshness freshness;

    Standing(Revocations revocations, Freshness freshness) {
        this.revocations = revocations;
        this.freshness = freshness;
    }

    /** Null when the token counts, which allocates nothing. */
    @Nullable Refusal of(SandboxClaims token) {
        String revoked = revocations.find(token);
        if (revoked != null) {
            return new Refusal(Reason.TOKEN_REVOKED, revoked);
        }
        return freshness.admits() ? null : new Refusal(Reason.FEED_STALE, freshness.describe());
    }
}
