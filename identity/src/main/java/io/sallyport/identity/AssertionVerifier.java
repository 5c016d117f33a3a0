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
 * Verifies assertions. A sandbox token is never one, and an assertion is never a sandbox token: {@code typ}, {@code iss}
 * and {@code aud} differ, so not even a key used for both would blur them.
 */
public final class AssertionVerifier {
    private final GatewayId gateway;
    private final PublicKeySource keys;
    private final Derived<PublicKeys, Map<String, JWSVerifier>> verifiers;
    private final Duration leeway;
    private final InstantSource clock;

    /** Verifies with keys that never change. */
    public AssertionVerifier(
            GatewayId gateway, PublicKeys keys, Duration leeway, Ed25519 signatures, InstantSource clock) {
        this(gateway, PublicKeySource.of(keys), leeway, signatures, clock);
    }

    /** Verifies with the keys there are at the time. */
    public AssertionVerifier(
            GatewayId gateway, PublicKeySource keys, Duration leeway, Ed25519 signatures, InstantSource clock) {
        this.gateway = gateway;
        this.keys = keys;
        this.verifiers = new Derived<>(keys::publicKeys, snapshot -> Ed25519Jws.verifiers(snapshot, signatures));
        if (leeway.isNegative()) {
            throw new IllegalArgumentException("leeway is negative");
        }
        this.leeway = leeway;
        this.clock = Objects.requireNonNull(clock, "clock is null");
    }

    /**
     * What was vouched for, when it was vouched for this method. A key that is not known is looked for once more, which may
     * read files.
     *
     * @throws RejectedException with {@link Reason#ASSERTION}, whatever is wrong
     */
    public Assertion verify(String assertion, String method) throws RejectedException {
        try {
            CompactJws jws = CompactJws.parse(assertion);
            jws.checkHeader(Set.of(AssertionMinter.TYPE), false);
            if (!verifiers.get().containsKey(jws.keyId())) {
                keys.lookAgain();
            }
            Claims claims = new Claims(jws.verifiedPayload(verifiers.get()));
            require(claims, "iss", gateway.assertionIssuer());
            require(claims, "aud", gateway.assertionAudience());
            require(claims, "mth", method);
            checkTime(claims);
            return new Assertion(caller(claims), method);
        } catch (RejectedException e) {
            throw new RejectedException(Reason.ASSERTION, e.getMessage() == null ? "" : e.getMessage());
        }
    }

    private static void require(Claims claims, String name, String expected) throws RejectedException {
        if (!claims.text(name, Reason.TOKEN_CLAIMS).equals(expected)) {
            throw new RejectedException(Reason.TOKEN_CLAIMS, name + " is not " + expected);
        }
    }

    private void checkTime(Claims claims) throws RejectedException {
        Instant issuedAt = claims.time("iat");
        Instant expiresAt = claims.time("exp");
        Instant now = clock.instant();
        if (!expiresAt.isAfter(issuedAt)
                || Duration.between(issuedAt, expiresAt).compareTo(AssertionMinter.MAX_LIFETIME) > 0) {
            throw new RejectedException(
                    Reason.TOKEN_LIFETIME,
                    "an assertion lives 1 to " + AssertionMinter.MAX_LIFETIME.toSeconds() + " s");
        }
        if (issuedAt.isAfter(now.plus(leeway))) {
            throw new RejectedException(Reason.TOKEN_NOT_YET_VALID, "iat is in the future");
        }
        if (!now.isBefore(expiresAt.plus(leeway))) {
            throw new RejectedException(Reason.TOKEN_EXPIRED, "exp has passed");
        }
    }

    private static Assertion.Caller caller(Claims claims) throws RejectedException {
        String subject = claims.text("sub", Reason.TOKEN_CLAIMS);
        if (subject.equals(AssertionMinter.EXT_AUTHZ_SUBJECT)) {
            return new Assertion.Caller.ExtAuthz();
        }
        String id = claims.text("sandbox_id", Reason.TOKEN_CLAIMS);
        if (!SandboxId.isValid(id) || !subject.equals(GatewayId.subject(new SandboxId(id)))) {
            throw new RejectedException(Reason.TOKEN_SUBJECT, "sub is neither a sandbox nor ext-authz");
        }
        if (claims.has("pod")) {
            return pod(new SandboxId(id), claims);
        }
        Claims token = claims.nested("token");
        Instant expiresAt = token.time("exp");
        String keyId = token.text("kid", Reason.TOKEN_CLAIMS);
        return new Assertion.Caller.Sandbox(new SandboxClaims(
                new SandboxId(id),
                token.optionalId("jti"),
                token.lineage(),
                token.time("iat"),
                expiresAt.equals(Instant.EPOCH) ? Instant.MAX : expiresAt,
                keyId));
    }

    private static Assertion.Caller pod(SandboxId sandbox, Claims claims) throws RejectedException {
        if (claims.has("token")) {
            throw new RejectedException(Reason.TOKEN_CLAIMS, "vouches for a sandbox's token and for a pod at once");
        }
        Claims pod = claims.nested("pod");
        return new Assertion.Caller.Pod(new Principal.ServiceAccount(
                pod.text("namespace", Reason.TOKEN_CLAIMS),
                pod.text("account", Reason.TOKEN_CLAIMS),
                pod.text("name", Reason.TOKEN_CLAIMS),
                pod.text("uid", Reason.TOKEN_CLAIMS),
                pod.has("owner_uid") ? Optional.of(pod.text("owner_uid", Reason.TOKEN_CLAIMS)) : Optional.empty(),
                sandbox));
    }
}
