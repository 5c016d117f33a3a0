package io.sallyport.identity;

import io.sallyport.base.Derived;
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
            json.writeStringProperty("iss", gateway.assertionIssuer());
            json.writeStringProperty("aud", gateway.assertionAudience());
            switch (assertion.caller()) {
                case Assertion.Caller.Sandbox(SandboxClaims token) -> {
                    json.writeStringProperty("sub", GatewayId.subject(token.sandbox()));
                    json.writeStringProperty("sandbox_id", token.sandbox().value());
                    json.writeObjectPropertyStart("token");
                    json.writeStringProperty("kid", token.keyId());
                    json.writeNumberProperty("iat", token.issuedAt().getEpochSecond());
                    // 0 as in the token itself: without end.
                    json.writeNumberProperty(
                            "exp",
                            token.expiresAt().equals(Instant.MAX)
                                    ? 0
                                    : token.expiresAt().getEpochSecond());
                    token.tokenId().ifPresent(id -> json.writeStringProperty("jti", id));
                    token.lineage().ifPresent(lineage -> {
                        json.writeStringProperty("lin", lineage.id());
                        json.writeNumberProperty("gen", lineage.generation());
                    });
                    json.writeEndObject();
                }
                case Assertion.Caller.Pod(Principal.ServiceAccount pod) -> {
                    json.writeStringProperty("sub", GatewayId.subject(pod.sandbox()));
                    json.writeStringProperty("sandbox_id", pod.sandbox().value());
                    json.writeObjectPropertyStart("pod");
                    json.writeStringProperty("namespace", pod.namespace());
                    json.writeStringProperty("account", pod.account());
                    json.writeStringProperty("name", pod.pod());
                    json.writeStringProperty("uid", pod.podUid());
                    pod.ownerUid().ifPresent(uid -> json.writeStringProperty("owner_uid", uid));
                    json.writeEndObject();
                }
                case Assertion.Caller.ExtAuthz() -> json.writeStringProperty("sub", EXT_AUTHZ_SUBJECT);
            }
            json.writeStringProperty("mth", assertion.method());
            json.writeNumberProperty("iat", now);
            json.writeNumberProperty("exp", now + lifetimeSeconds);
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
