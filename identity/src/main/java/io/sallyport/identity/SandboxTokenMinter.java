package io.sallyport.identity;

import io.sallyport.base.Derived;
import io.sallyport.base.Json;
import io.sallyport.identity.Ed25519Jws.Signers;
import java.time.Instant;
import java.util.Optional;
import java.util.function.Supplier;

/**
 * Signs sandbox tokens. The same claims always give the same token, byte for byte.
 *
 * <p>Making a token has two steps, so that it can be made again without ever having been stored: {@link #signingInput}
 * says what is signed, and {@link #sign} signs it. Who keeps the first result and the {@code kid} can repeat the second
 * on any replica for as long as the key's private half is kept.
 */
public final class SandboxTokenMinter {
    private final GatewayId gateway;
    private final Supplier<Signers> signers;

    /** Signs with one key, for ever. */
    public SandboxTokenMinter(GatewayId gateway, SigningKey key, Ed25519 signatures) {
        this(gateway, fixed(SigningKeys.of(key)), signatures);
    }

    /** @param keys the keys there are now; asked anew for each token, and gives the same object until they change */
    public SandboxTokenMinter(GatewayId gateway, Supplier<SigningKeys> keys, Ed25519 signatures) {
        this.gateway = gateway;
        this.signers = new Derived<>(keys, snapshot -> new Signers(snapshot, signatures));
    }

    /**
     * {@code kid} of the key that signs what is new: what {@link SandboxClaims#keyId()} of a new token must be.
     *
     * @throws IllegalStateException when no key may sign
     */
    public String keyId() {
        return signers.get().active();
    }

    /**
     * The compact form (RFC 7515) of a token with these claims.
     *
     * @throws IllegalArgumentException when {@code claims.keyId()} names no key of ours, or the token would never end
     */
    public String mint(SandboxClaims claims) {
        return sign(claims.keyId(), signingInput(claims))
                .orElseThrow(() -> new IllegalArgumentException(
                        "claims name key " + claims.keyId() + ", which is not one that signs here"));
    }

    /**
     * What is signed for a token with these claims: header and payload in base64url, with a dot between them (RFC 7515,
     * section 5.1). It holds no secret, and with {@code claims.keyId()} it is all that {@link #sign} needs.
     *
     * @throws IllegalArgumentException when the token would never end
     */
    public String signingInput(SandboxClaims claims) {
        if (claims.expiresAt().equals(Instant.MAX) || !claims.expiresAt().isAfter(claims.issuedAt())) {
            throw new IllegalArgumentException("a minted token ends, and after it began");
        }
        String payload = Json.object(json -> {
            json.name("iss").value(gateway.tokenIssuer());
            json.name("aud").value(gateway.tokenIssuer());
            json.name("sub").value(GatewayId.subject(claims.sandbox()));
            json.name("sandbox_id").value(claims.sandbox().value());
            json.name("iat").value(claims.issuedAt().getEpochSecond());
            json.name("exp").value(claims.expiresAt().getEpochSecond());
            if (claims.tokenId().isPresent()) {
                json.name("jti").value(claims.tokenId().get());
            }
            if (claims.lineage().isPresent()) {
                json.name("lin").value(claims.lineage().get().id());
                json.name("gen").value(claims.lineage().get().generation());
            }
        });
        return Ed25519Jws.signingInput("JWT", claims.keyId(), payload);
    }

    /**
     * The token of a {@link #signingInput}, the same at every call.
     *
     * @param keyId {@code kid} of the key to sign with: the active one, or one that was active or is about to be
     * @return empty when the key's private half is not kept any more, or the key is tainted
     */
    public Optional<String> sign(String keyId, String signingInput) {
        return signers.get().sign(keyId, signingInput);
    }

    private static Supplier<SigningKeys> fixed(SigningKeys keys) {
        return () -> keys;
    }
}
