package io.sallyport.issuer.store;

import java.time.Duration;
import java.time.Instant;
import java.util.Objects;
import java.util.Optional;

/**
 * When a token may be exchanged for the next one.
 *
 * @param renewalWindow how long after its end a token can still be renewed; the leeway comes on top
 * @param retryGrace how long the token just consumed gets the same successor again
 * @param bootstrapReuse what becomes of a bootstrap token that comes again later
 * @param onReuse what follows when any other token comes again
 * @param lineages how many chains of tokens a sandbox may have that go on
 * @param maxLifetime the longest that any token lives
 * @param leeway how far clocks may disagree
 * @param endless whether there may be tokens without an end, minted by an unchanged gateway
 */
public record RefreshRules(
        Duration renewalWindow,
        Duration retryGrace,
        BootstrapReuse bootstrapReuse,
        OnReuse onReuse,
        int lineages,
        Duration maxLifetime,
        Duration leeway,
        boolean endless) {
    public RefreshRules {
        Objects.requireNonNull(renewalWindow, "renewalWindow is null");
        Objects.requireNonNull(retryGrace, "retryGrace is null");
        Objects.requireNonNull(bootstrapReuse, "bootstrapReuse is null");
        Objects.requireNonNull(onReuse, "onReuse is null");
        Objects.requireNonNull(maxLifetime, "maxLifetime is null");
        Objects.requireNonNull(leeway, "leeway is null");
        if (lineages < 1) {
            throw new IllegalArgumentException("a sandbox without a lineage could not renew anything");
        }
    }

    /** Until when a bootstrap token that had its successor opens new lineages. */
    public enum BootstrapReuse {
        /** As long as any token can be renewed: a token file that is read again and again goes on working. */
        RENEWAL_WINDOW,
        /** Until its own end. */
        UNTIL_EXPIRY,
        /** Never: it is reuse like any other. */
        NEVER
    }

    /** What follows reuse, beside the refusal. */
    public enum OnReuse {
        /** Nothing: whoever has the newest token goes on. */
        REFUSE,
        /** Everything in the lineage is taken back, the newest token too. */
        REVOKE_LINEAGE,
        /** Everything the sandbox has is taken back. */
        REVOKE_SANDBOX
    }

    /**
     * How long what is revoked then must be kept: until nothing it names could be accepted or renewed any more.
     *
     * @return empty for ever
     */
    public Optional<Instant> keptUntil(Instant at) {
        return endless
                ? Optional.empty()
                : Optional.of(at.plus(maxLifetime).plus(renewalWindow).plus(leeway.multipliedBy(2)));
    }

    /** Whether a token that ends then can be renewed at no time from now on. */
    boolean isOver(Instant expires, Instant at) {
        return isPast(expires, renewalWindow, at);
    }

    /** Whether a token that ends then is accepted nowhere, but perhaps renewed. */
    boolean hasEnded(Instant expires, Instant at) {
        return isPast(expires, Duration.ZERO, at);
    }

    boolean isWithinGrace(Instant advanced, Instant at) {
        return !at.isAfter(advanced.plus(retryGrace));
    }

    /** A token without end has {@link Instant#MAX}, which has no room for an addition. */
    private boolean isPast(Instant expires, Duration more, Instant at) {
        return !expires.isAfter(at.minus(more).minus(leeway));
    }
}
