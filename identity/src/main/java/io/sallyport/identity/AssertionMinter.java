package io.sallyport.identity;

import io.sallyport.base.Derived;
import io.sallyport.base.Json;
import io.sallyport.identity.Ed25519Jws.Signers;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Objects;
import java.util.function.Supplier;

/** Signs assertions: own {@code typ}, own key, seconds of life. */
public final class AssertionMinter {
    /** The life an assertion has when nothing else is asked for. */
    public static final Duration DEFAULT_LIFETIME = Duration.ofSeconds(10);

    /** The longest life an assertion may have; the verifier refuses a longer one. */
    public static final Duration MAX_LIFETIME = Duration.ofSeconds(60);

    static final String TYPE = "sallyport-assertion+jwt";
    static final String EXT_AUTHZ_SUBJECT = "sallyport:ext-authz";

    private final GatewayId gateway;
    private final Supplier<Signers> signers;
    private final long lifetimeSeconds;
    private final InstantSource clock;

    /**
     * Signs with one key, for ever.
     *
     * @param lifetime whole seconds, 1 to 60
     */
    public AssertionMinter(
            GatewayId gateway, SigningKey key, Duration lifetime, Ed25519 signatures, InstantSource clock) {
        this(gateway, fixed(SigningKeys.of(key)), lifetime, signatures, clock);
    }

    /**
     * Signs with the key that is active at the time.
     *
     * @param keys the keys there are now; gives the same object until they change
     * @param lifetime whole seconds, 1 to 60
     */
    public AssertionMinter(
            GatewayId gateway, Supplier<SigningKeys> keys, Duration lifetime, Ed25519 signatures, InstantSource clock) {
        if (lifetime.toSeconds() < 1 || lifetime.compareTo(MAX_LIFETIME) > 0) {
            throw new IllegalArgumentException("an assertion lives 1 to 60 s, not " + lifetime);
        }
        this.gateway = gateway;
        this.signers = new Derived<>(keys, snapshot -> new Signers(snapshot, signatures));
        this.lifetimeSeconds = lifetime.toSeconds();
        this.clock = Objects.requireNonNull(clock, "clock is null");
    }

    /**
     * The compact form (RFC 7515), good from now on for the lifetime.
     *
     * @throws IllegalStateException when no key may sign
     */
    public String mint(Assertion assertion) {
        long now = clock.instant().getEpochSecond();
        String payload = Json.object(json -> {
            json.name("iss").value(gateway.assertionIssuer());
            json.name("aud").value(gateway.assertionAudience());
            switch (assertion.caller()) {
                case Assertion.Caller.Sandbox(SandboxClaims token) -> {
                    json.name("sub").value(GatewayId.subject(token.sandbox()));
                    json.name("sandbox_id").value(token.sandbox().value());
                    json.name("token").beginObject();
                    json.name("kid").value(token.keyId());
                    json.name("iat").value(token.issuedAt().getEpochSecond());
                    // 0 as in the token itself: without end.
                    json.name("exp")
                            .value(
                                    token.expiresAt().equals(Instant.MAX)
                                            ? 0
                                            : token.expiresAt().getEpochSecond());
                    if (token.tokenId().isPresent()) {
                        json.name("jti").value(token.tokenId().get());
                    }
                    if (token.lineage().isPresent()) {
                        json.name("lin").value(token.lineage().get().id());
                        json.name("gen").value(token.lineage().get().generation());
                    }
                    json.endObject();
                }
                case Assertion.Caller.Pod(Principal.ServiceAccount pod) -> {
                    json.name("sub").value(GatewayId.subject(pod.sandbox()));
                    json.name("sandbox_id").value(pod.sandbox().value());
                    json.name("pod").beginObject();
                    json.name("namespace").value(pod.namespace());
                    json.name("account").value(pod.account());
                    json.name("name").value(pod.pod());
                    json.name("uid").value(pod.podUid());
                    if (pod.ownerUid().isPresent()) {
                        json.name("owner_uid").value(pod.ownerUid().get());
                    }
                    json.endObject();
                }
                case Assertion.Caller.ExtAuthz() -> json.name("sub").value(EXT_AUTHZ_SUBJECT);
            }
            json.name("mth").value(assertion.method());
            json.name("iat").value(now);
            json.name("exp").value(now + lifetimeSeconds);
        });
        Signers keys = signers.get();
        String keyId = keys.active();
        return keys.sign(keyId, Ed25519Jws.signingInput(TYPE, keyId, payload))
                .orElseThrow(() -> new IllegalStateException("the active key is not among the keys"));
    }

    private static Supplier<SigningKeys> fixed(SigningKeys keys) {
        return () -> keys;
    }
}
