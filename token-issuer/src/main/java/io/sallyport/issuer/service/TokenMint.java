package io.sallyport.issuer.service;

import io.sallyport.base.Reason;
import io.sallyport.base.RejectedException;
import io.sallyport.identity.Lineage;
import io.sallyport.identity.Principal;
import io.sallyport.identity.SandboxClaims;
import io.sallyport.identity.SandboxId;
import io.sallyport.identity.SandboxTokenMinter;
import io.sallyport.issuer.store.MirroredSandbox.Resource;
import io.sallyport.issuer.store.RefreshRules;
import io.sallyport.issuer.store.Revocation;
import io.sallyport.issuer.store.SandboxRecord;
import io.sallyport.issuer.store.SandboxRecord.State;
import io.sallyport.issuer.store.SandboxStore;
import io.sallyport.issuer.store.StoreUnavailableException;
import io.sallyport.issuer.store.Succession;
import io.sallyport.issuer.store.TokenDraft;
import io.sallyport.issuer.store.TokenDrafts;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.Objects;
import java.util.Optional;

/**
 * Makes tokens. No record, no token: each one has its place in a lineage of a living sandbox, and that place is on the
 * disk before anything is signed.
 *
 * <p>What is on the disk is what a token says, never the token: the same words under the same key give the same token
 * again, on any replica.
 */
public final class TokenMint {
    private final SandboxStore store;
    private final SandboxTokenMinter minter;
    private final Duration lifetime;
    private final RefreshRules rules;
    private final boolean adopts;
    private final InstantSource clock;
    private final IdSource ids;
    private final TokenDrafts drafts = new Drafts();

    /**
     * @param lifetime of every token made here
     * @param rules when a token is exchanged for the next one
     * @param adopts whether a token that an unchanged gateway minted is a bootstrap token
     */
    public TokenMint(
            SandboxStore store,
            SandboxTokenMinter minter,
            Duration lifetime,
            RefreshRules rules,
            boolean adopts,
            InstantSource clock,
            IdSource ids) {
        this.store = store;
        this.minter = minter;
        this.lifetime = lifetime;
        this.rules = rules;
        this.adopts = adopts;
        this.clock = clock;
        this.ids = ids;
    }

    /**
     * A token, and what it says. Its text form never shows the token.
     *
     * @param token a secret
     * @param why how it came to be made
     * @param tokenId {@code jti}
     * @param lineage its place
     * @param expires {@code exp}
     */
    public record Minted(String token, Reason why, String tokenId, Lineage lineage, Instant expires) {
        public Minted {
            Objects.requireNonNull(token, "token is null");
            Objects.requireNonNull(why, "why is null");
            Objects.requireNonNull(tokenId, "tokenId is null");
            Objects.requireNonNull(lineage, "lineage is null");
            Objects.requireNonNull(expires, "expires is null");
        }

        @Override
        public String toString() {
            return "Minted[" + why + ", " + tokenId + ", " + lineage + ", " + expires + "]";
        }
    }

    /** What new tokens say. */
    private final class Drafts implements TokenDrafts {
        @Override
        public String newLineage() {
            return ids.next();
        }

        @Override
        public TokenDraft draft(SandboxId sandbox, Lineage place, Instant issuedAt) {
            // Tokens count whole seconds (RFC 7519 NumericDate, as the gateway reads it).
            Instant second = issuedAt.truncatedTo(ChronoUnit.SECONDS);
            String tokenId = ids.next();
            SandboxClaims claims = new SandboxClaims(
                    sandbox, Optional.of(tokenId), Optional.of(place), second, second.plus(lifetime), signingKey());
            return new TokenDraft(tokenId, place, claims.expiresAt(), claims.keyId(), minter.signingInput(claims));
        }
    }

    /** Undoes the transaction that would have needed a key: nothing is consumed for a token that cannot be signed. */
    private static final class NoSigningKeyException extends RuntimeException {
        private static final long serialVersionUID = 1;

        NoSigningKeyException(IllegalStateException cause) {
            super(cause);
        }
    }

    private String signingKey() {
        try {
            return minter.keyId();
        } catch (IllegalStateException e) {
            throw new NoSigningKeyException(e);
        }
    }

    /** Asks the store; that no key may sign at the moment is an outage of ours. */
    private static Succession ask(Question question) throws RejectedException, StoreUnavailableException {
        try {
            return question.ask();
        } catch (NoSigningKeyException e) {
            throw new RejectedException(
                    Reason.ISSUER_UNAVAILABLE, "no key may sign: the active one is tainted or gone; activate another");
        }
    }

    /** A question to the store. */
    @FunctionalInterface
    private interface Question {
        Succession ask() throws StoreUnavailableException;
    }

    /**
     * The first token of a new lineage, for an operator or a driver.
     *
     * @param tokenFile where the token is about to be written, if it is
     * @throws RejectedException {@link Reason#RECORD_UNKNOWN}, {@link Reason#RECORD_DELETED},
     *     {@link Reason#RECORD_STOPPED} or {@link Reason#ISSUER_UNAVAILABLE}
     */
    public Minted bootstrap(SandboxId sandbox, Optional<String> tokenFile)
            throws RejectedException, StoreUnavailableException {
        return open(sandbox, tokenFile, Reason.RECORD_UNKNOWN, Reason.RECORD_DELETED, Reason.RECORD_STOPPED);
    }

    /**
     * The first token of a new lineage, for a pod that has proved to be this sandbox. It is told no more than a sandbox is.
     *
     * <p>A label takes no sandbox from the resource that its record was made from: of a mirrored sandbox only the pods of
     * that very resource are.
     *
     * @throws RejectedException {@link Reason#SANDBOX_UNKNOWN}, {@link Reason#OWNER_UNRECORDED},
     *     {@link Reason#SANDBOX_DELETED}, {@link Reason#SANDBOX_STOPPED} or {@link Reason#ISSUER_UNAVAILABLE}
     */
    public Minted bootstrapPod(Principal.ServiceAccount pod) throws RejectedException, StoreUnavailableException {
        SandboxId sandbox = pod.sandbox();
        // In this order: where there is a record, what it comes from is there too, and never changes.
        if (store.find(sandbox).isEmpty()) {
            throw new RejectedException(Reason.SANDBOX_UNKNOWN, sandbox.value());
        }
        Optional<Resource> recorded = store.resource(sandbox);
        if (recorded.isPresent() && !isOf(pod, recorded.get())) {
            throw new RejectedException(
                    Reason.OWNER_UNRECORDED,
                    "the record of " + sandbox + " is that of the Sandbox " + recorded.get() + " uid="
                            + recorded.get().uid());
        }
        return open(sandbox, Optional.empty(), Reason.SANDBOX_UNKNOWN, Reason.SANDBOX_DELETED, Reason.SANDBOX_STOPPED);
    }

    /** Where ext-authz is told not to look at owners, all of a namespace are believed. */
    private static boolean isOf(Principal.ServiceAccount pod, Resource resource) {
        return pod.namespace().equals(resource.namespace())
                && pod.ownerUid().map(resource.uid()::equals).orElse(true);
    }

    private Minted open(SandboxId sandbox, Optional<String> tokenFile, Reason unknown, Reason deleted, Reason stopped)
            throws RejectedException, StoreUnavailableException {
        return switch (ask(() -> store.openLineage(sandbox, tokenFile, rules, drafts, clock.instant()))) {
            case Succession.Granted granted -> sign(granted);
            case Succession.NoRecord() -> throw new RejectedException(unknown, sandbox.value());
            case Succession.NotActive(SandboxRecord record) ->
                throw new RejectedException(record.state() == State.DELETED ? deleted : stopped, sandbox.value());
            case Succession.KeyRevoked(String keyId) -> throw keyRevoked(keyId);
            case Succession.Revoked _, Succession.TooOld _, Succession.NoLineage _, Succession.Reused _ ->
                throw new IllegalStateException("opening a lineage looked at one");
        };
    }

    /**
     * What a sandbox's own token is exchanged for.
     *
     * @param token the claims of that token, as ext-authz verified them; it may have ended
     * @throws RejectedException {@link Reason#TOKEN_EXPIRED}, {@link Reason#TOKEN_REVOKED}, {@link Reason#TOKEN_REUSED},
     *     {@link Reason#SANDBOX_UNKNOWN}, {@link Reason#SANDBOX_DELETED}, {@link Reason#SANDBOX_STOPPED},
     *     {@link Reason#LINEAGE_UNKNOWN} or {@link Reason#ISSUER_UNAVAILABLE}
     */
    public Minted refresh(SandboxClaims token) throws RejectedException, StoreUnavailableException {
        SandboxId sandbox = token.sandbox();
        if (!adopts && token.lineage().map(Lineage::isAdopted).orElse(false)) {
            throw new RejectedException(
                    Reason.LINEAGE_UNKNOWN, "the token has no lineage; records: adopt would let it open one");
        }
        return switch (ask(() -> store.refresh(token, rules, drafts, clock.instant()))) {
            case Succession.Granted granted -> sign(granted);
            case Succession.NoRecord() -> throw new RejectedException(Reason.SANDBOX_UNKNOWN, sandbox.value());
            case Succession.NotActive(SandboxRecord record) ->
                throw new RejectedException(
                        record.state() == State.DELETED ? Reason.SANDBOX_DELETED : Reason.SANDBOX_STOPPED,
                        sandbox.value());
            case Succession.Revoked(Revocation.Subject subject) ->
                throw new RejectedException(Reason.TOKEN_REVOKED, Messages.text(subject));
            case Succession.TooOld() ->
                throw new RejectedException(Reason.TOKEN_EXPIRED, "expired at " + token.expiresAt());
            case Succession.NoLineage(String why) -> throw new RejectedException(Reason.LINEAGE_UNKNOWN, why);
            case Succession.Reused reused -> throw reused(reused);
            case Succession.KeyRevoked(String keyId) -> throw keyRevoked(keyId);
        };
    }

    private static RejectedException reused(Succession.Reused reused) {
        StringBuilder detail = new StringBuilder("lin=" + reused.presented().id() + " gen="
                + reused.presented().generation() + " newest=" + reused.newest());
        reused.revoked().forEach(revocation -> detail.append(", revoked ").append(Messages.text(revocation.subject())));
        return new RejectedException(Reason.TOKEN_REUSED, detail.toString());
    }

    private static RejectedException keyRevoked(String keyId) {
        return new RejectedException(
                Reason.ISSUER_UNAVAILABLE, "key " + keyId + " signs and is tainted; activate another one");
    }

    private Minted sign(Succession.Granted granted) throws RejectedException {
        TokenDraft draft = granted.token();
        String token = minter.sign(draft.keyId(), draft.signingInput())
                .orElseThrow(() -> new RejectedException(
                        Reason.ISSUER_UNAVAILABLE, "the private half of key " + draft.keyId() + " is not here"));
        Reason why = switch (granted.kind()) {
            case OPENED -> Reason.BOOTSTRAP_MINTED;
            case ADVANCED -> Reason.TOKEN_REFRESHED;
            case REPEATED -> Reason.TOKEN_REPEATED;
            case REOPENED -> Reason.BOOTSTRAP_REUSED;
        };
        return new Minted(token, why, draft.tokenId(), draft.lineage(), draft.expires());
    }
}
