package io.sallyport.identity;

import com.nimbusds.jose.JWSVerifier;
import io.sallyport.base.Derived;
import io.sallyport.base.Reason;
import io.sallyport.base.RejectedException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;

/**
 * Verifies sandbox tokens: everything about a token that can be known without asking anybody.
 *
 * <p>What is cheap comes first, and nothing of the payload is believed before the signature is right. No detail of a
 * refusal ever holds a part of the token, but for the name of the key it asks for.
 */
public final class SandboxTokenVerifier {
    /** Values of {@code typ} a sandbox token may have; it may also have none. Compared exactly. */
    private static final Set<String> TYPES = Set.of("JWT", "openshell-sandbox+jwt");

    /**
     * What a deployment allows.
     *
     * @param maxLifetime longest {@code exp - iat}
     * @param leeway how far clocks may disagree
     * @param allowNoExpiry whether {@code exp: 0} means "never" rather than "refuse"
     */
    public record Limits(Duration maxLifetime, Duration leeway, boolean allowNoExpiry) {
        public Limits {
            Objects.requireNonNull(maxLifetime, "maxLifetime is null");
            Objects.requireNonNull(leeway, "leeway is null");
            if (!maxLifetime.isPositive() || leeway.isNegative()) {
                throw new IllegalArgumentException("maxLifetime must be positive, and leeway not negative");
            }
        }
    }

    private final String issuer;
    private final PublicKeySource keys;
    private final Derived<PublicKeys, Map<String, JWSVerifier>> verifiers;
    private final Limits limits;
    private final InstantSource clock;

    /** Verifies with keys that never change. */
    public SandboxTokenVerifier(
            GatewayId gateway, PublicKeys keys, Limits limits, Ed25519 signatures, InstantSource clock) {
        this(gateway, PublicKeySource.of(keys), limits, signatures, clock);
    }

    /** Verifies with the keys there are at the time. */
    public SandboxTokenVerifier(
            GatewayId gateway, PublicKeySource keys, Limits limits, Ed25519 signatures, InstantSource clock) {
        this.issuer = gateway.tokenIssuer();
        this.keys = keys;
        this.verifiers = new Derived<>(keys::publicKeys, snapshot -> Ed25519Jws.verifiers(snapshot, signatures));
        this.limits = Objects.requireNonNull(limits, "limits is null");
        this.clock = Objects.requireNonNull(clock, "clock is null");
    }

    /**
     * The claims of a good token. A key that is not known is looked for once more, which may read files.
     *
     * @throws RejectedException with one of the {@code TOKEN_…} reasons
     */
    public SandboxClaims verify(String token) throws RejectedException {
        SandboxClaims claims = verifyAllButTheEnd(token);
        if (isExpired(claims)) {
            throw new RejectedException(Reason.TOKEN_EXPIRED, "exp has passed");
        }
        return claims;
    }

    /**
     * The claims of a token that is good, or was good until a while ago: for a request to renew it, and for nothing else.
     * Do not remember the answer where another method could find it.
     *
     * @param window how long after its end it may be; the leeway comes on top
     * @throws RejectedException as {@link #verify}
     */
    public SandboxClaims verifyForRenewal(String token, Duration window) throws RejectedException {
        SandboxClaims claims = verifyAllButTheEnd(token);
        if (!claims.expiresAt().equals(Instant.MAX)
                && isExpired(claims.expiresAt().plus(window), clock.instant())) {
            throw new RejectedException(Reason.TOKEN_EXPIRED, "exp has passed, and the time to renew it too");
        }
        return claims;
    }

    private SandboxClaims verifyAllButTheEnd(String token) throws RejectedException {
        CompactJws jws = CompactJws.parse(token);
        jws.checkHeader(TYPES, true);
        if (!verifiers.get().containsKey(jws.keyId())) {
            keys.lookAgain();
        }
        Claims claims = new Claims(jws.verifiedPayload(verifiers.get()));

        if (!claims.text("iss", Reason.TOKEN_ISSUER).equals(issuer)) {
            throw new RejectedException(Reason.TOKEN_ISSUER, "iss is not " + issuer);
        }
        // A text, never a list: a list would let one token be good for two gateways.
        if (!claims.text("aud", Reason.TOKEN_AUDIENCE).equals(issuer)) {
            throw new RejectedException(Reason.TOKEN_AUDIENCE, "aud is not " + issuer);
        }
        String id = claims.text("sandbox_id", Reason.TOKEN_SUBJECT);
        if (!SandboxId.isValid(id)) {
            throw new RejectedException(Reason.TOKEN_SUBJECT, "sandbox_id is not a sandbox's id");
        }
        SandboxId sandbox = new SandboxId(id);
        if (!claims.text("sub", Reason.TOKEN_SUBJECT).equals(GatewayId.subject(sandbox))) {
            throw new RejectedException(Reason.TOKEN_SUBJECT, "sub does not agree with sandbox_id");
        }
        Instant issuedAt = claims.time("iat");
        Instant expiresAt = expiry(claims, issuedAt);
        checkBeginning(claims, issuedAt);
        // What an unchanged gateway leaves out follows from the token.
        String tokenId = claims.optionalId("jti").orElseGet(() -> Digests.tokenId(token));
        Lineage lineage = claims.lineage().orElseGet(() -> Lineage.adopted(sandbox, tokenId));
        return new SandboxClaims(sandbox, Optional.of(tokenId), Optional.of(lineage), issuedAt, expiresAt, jws.keyId());
    }

    /** Whether the token of these claims, verified before, is over by now. */
    boolean isExpired(SandboxClaims claims) {
        return isExpired(claims.expiresAt(), clock.instant());
    }

    /** {@link GatewayId#tokenIssuer()} of the gateway this verifier works for. */
    String issuer() {
        return issuer;
    }

    /** Whether a key of that name is in the set. */
    boolean knowsKey(String keyId) {
        return keys.publicKeys().find(keyId) != null;
    }

    /** The keys there are now; the same object until they change. */
    PublicKeys publicKeys() {
        return keys.publicKeys();
    }

    /** How long from now until the token of these claims is over; never negative. */
    Duration remaining(SandboxClaims claims) {
        Instant now = clock.instant();
        if (claims.expiresAt().equals(Instant.MAX)) {
            return limits.maxLifetime();
        }
        Duration left = Duration.between(now, claims.expiresAt()).plus(limits.leeway());
        return left.isNegative() ? Duration.ZERO : left;
    }

    private Instant expiry(Claims claims, Instant issuedAt) throws RejectedException {
        if (!claims.has("exp")) {
            throw new RejectedException(Reason.TOKEN_NO_EXPIRY, "no exp");
        }
        Instant expiresAt = claims.time("exp");
        if (expiresAt.equals(Instant.EPOCH)) {
            if (!limits.allowNoExpiry()) {
                throw new RejectedException(Reason.TOKEN_NO_EXPIRY, "exp is 0: tokens without end are not accepted");
            }
            return Instant.MAX;
        }
        if (!expiresAt.isAfter(issuedAt)) {
            throw new RejectedException(Reason.TOKEN_LIFETIME, "exp is not after iat");
        }
        Duration lifetime = Duration.between(issuedAt, expiresAt);
        if (lifetime.compareTo(limits.maxLifetime()) > 0) {
            throw new RejectedException(
                    Reason.TOKEN_LIFETIME,
                    "good for " + lifetime.toSeconds() + " s, at most "
                            + limits.maxLifetime().toSeconds() + " s are accepted");
        }
        return expiresAt;
    }

    private void checkBeginning(Claims claims, Instant issuedAt) throws RejectedException {
        Instant now = clock.instant();
        Instant latestStart = now.plus(limits.leeway());
        if (issuedAt.isAfter(latestStart)) {
            throw new RejectedException(Reason.TOKEN_NOT_YET_VALID, "iat is in the future");
        }
        if (claims.has("nbf") && claims.time("nbf").isAfter(latestStart)) {
            throw new RejectedException(Reason.TOKEN_NOT_YET_VALID, "nbf is in the future");
        }
    }

    private boolean isExpired(Instant expiresAt, Instant now) {
        return !expiresAt.equals(Instant.MAX) && !now.isBefore(expiresAt.plus(limits.leeway()));
    }
}
