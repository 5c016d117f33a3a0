package io.sallyport.issuer.service;

import io.sallyport.base.Reason;
import io.sallyport.base.RejectedException;
import io.sallyport.identity.Lineage;
import io.sallyport.identity.SandboxClaims;
import io.sallyport.identity.SandboxId;
import io.sallyport.identity.SandboxTokenMinter;
import io.sallyport.issuer.store.SandboxRecord.State;
import io.sallyport.issuer.store.SandboxStore;
import io.sallyport.issuer.store.SandboxStore.Succession;
import io.sallyport.issuer.store.StoreUnavailableException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.Objects;
import java.util.Optional;

/**
 * Makes tokens. No record, no token: each one has its place in a lineage of a living sandbox, and that place is on the
 * disk before anything is signed.
 */
public final class TokenMint {
    private final SandboxStore store;
    private final SandboxTokenMinter minter;
    private final Duration lifetime;
    private final Duration leeway;
    private final InstantSource clock;
    private final IdSource ids;

    /**
     * @param lifetime of every token made here
     * @param leeway how far clocks may disagree about the end of the token that asks for a refresh
     */
    public TokenMint(
            SandboxStore store,
            SandboxTokenMinter minter,
            Duration lifetime,
            Duration leeway,
            InstantSource clock,
            IdSource ids) {
        this.store = store;
        this.minter = minter;
        this.lifetime = lifetime;
        this.leeway = leeway;
        this.clock = clock;
        this.ids = ids;
    }

    /**
     * A token, and what it says. Its text form never shows the token.
     *
     * @param token a secret
     * @param claims its claims; the lineage is always present
     */
    public record Minted(String token, SandboxClaims claims) {
        public Minted {
            Objects.requireNonNull(token, "token is null");
            Objects.requireNonNull(claims, "claims is null");
        }

        /** The token's place. */
        public Lineage lineage() {
            return claims.lineage().orElseThrow();
        }

        @Override
        public String toString() {
            return "Minted[" + claims + "]";
        }
    }

    /**
     * The first token of a new lineage, for an operator or a driver.
     *
     * @param tokenFile where the token is about to be written, if it is
     * @throws RejectedException {@link Reason#RECORD_UNKNOWN}, {@link Reason#RECORD_DELETED} or
     *     {@link Reason#RECORD_STOPPED}
     */
    public Minted bootstrap(SandboxId sandbox, Optional<String> tokenFile)
            throws RejectedException, StoreUnavailableException {
        Instant now = clock.instant();
        Succession succession = store.openLineage(sandbox, ids.next(), tokenFile, now);
        return switch (succession) {
            case Succession.Granted(Lineage lineage) -> sign(sandbox, lineage, now);
            case Succession.NoRecord() -> throw new RejectedException(Reason.RECORD_UNKNOWN, sandbox.value());
            case Succession.NotActive(var record) ->
                throw new RejectedException(
                        record.state() == State.DELETED ? Reason.RECORD_DELETED : Reason.RECORD_STOPPED,
                        sandbox.value());
            case Succession.NoLineage() -> throw new IllegalStateException("opening a lineage found none");
        };
    }

    /**
     * The next token of the lineage that a sandbox's own token belongs to.
     *
     * @param token the claims of that token, as ext-authz verified them
     * @throws RejectedException {@link Reason#TOKEN_EXPIRED}, {@link Reason#SANDBOX_UNKNOWN},
     *     {@link Reason#SANDBOX_DELETED}, {@link Reason#SANDBOX_STOPPED} or {@link Reason#LINEAGE_UNKNOWN}
     */
    public Minted refresh(SandboxClaims token) throws RejectedException, StoreUnavailableException {
        Instant now = clock.instant();
        // An assertion may live some seconds longer than the token it speaks of. Instant.MAX has no room for leeway.
        if (!token.expiresAt().isAfter(now.minus(leeway))) {
            throw new RejectedException(Reason.TOKEN_EXPIRED, "expired at " + token.expiresAt());
        }
        SandboxId sandbox = token.sandbox();
        if (token.lineage().isEmpty()) {
            refuseUnlessActive(sandbox);
            throw new RejectedException(Reason.LINEAGE_UNKNOWN, "the token has no lineage");
        }
        String lineageId = token.lineage().get().id();
        return switch (store.advanceLineage(sandbox, lineageId, now)) {
            case Succession.Granted(Lineage lineage) -> sign(sandbox, lineage, now);
            case Succession.NoRecord() -> throw new RejectedException(Reason.SANDBOX_UNKNOWN, sandbox.value());
            case Succession.NotActive(var record) -> throw notActive(sandbox, record.state());
            case Succession.NoLineage() ->
                throw new RejectedException(Reason.LINEAGE_UNKNOWN, "no lineage " + lineageId + " of this sandbox");
        };
    }

    private void refuseUnlessActive(SandboxId sandbox) throws RejectedException, StoreUnavailableException {
        var record = store.find(sandbox);
        if (record.isEmpty()) {
            throw new RejectedException(Reason.SANDBOX_UNKNOWN, sandbox.value());
        }
        if (record.get().state() != State.ACTIVE) {
            throw notActive(sandbox, record.get().state());
        }
    }

    private static RejectedException notActive(SandboxId sandbox, State state) {
        return new RejectedException(
                state == State.DELETED ? Reason.SANDBOX_DELETED : Reason.SANDBOX_STOPPED, sandbox.value());
    }

    private Minted sign(SandboxId sandbox, Lineage lineage, Instant now) {
        // Tokens count whole seconds (RFC 7519 NumericDate, as the gateway reads it).
        Instant issuedAt = now.truncatedTo(ChronoUnit.SECONDS);
        SandboxClaims claims = new SandboxClaims(
                sandbox,
                Optional.of(ids.next()),
                Optional.of(lineage),
                issuedAt,
                issuedAt.plus(lifetime).truncatedTo(ChronoUnit.SECONDS),
                minter.keyId());
        return new Minted(minter.mint(claims), claims);
    }
}
