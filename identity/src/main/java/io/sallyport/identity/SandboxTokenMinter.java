package io.sallyport.identity;

import java.time.Instant;

/** Signs sandbox tokens. The same claims always give the same token, byte for byte. */
public final class SandboxTokenMinter {
    private final GatewayId gateway;
    private final String keyId;
    private final Ed25519Jws.Signer signer;

    public SandboxTokenMinter(GatewayId gateway, SigningKey key, Ed25519 signatures) {
        this.gateway = gateway;
        this.keyId = key.keyId();
        this.signer = new Ed25519Jws.Signer(key, signatures);
    }

    /** {@code kid} of the key that signs: what {@link SandboxClaims#keyId()} of a new token must be. */
    public String keyId() {
        return keyId;
    }

    /**
     * The compact form (RFC 7515) of a token with these claims.
     *
     * @throws IllegalArgumentException when {@code claims.keyId()} is not the key's own, or the token would never end
     */
    public String mint(SandboxClaims claims) {
        if (!claims.keyId().equals(keyId)) {
            throw new IllegalArgumentException("claims name key " + claims.keyId() + ", the key is " + keyId);
        }
        if (claims.expiresAt().equals(Instant.MAX) || !claims.expiresAt().isAfter(claims.issuedAt())) {
            throw new IllegalArgumentException("a minted token ends, and after it began");
        }
        String payload = Json.object(json -> {
            json.writeStringProperty("iss", gateway.tokenIssuer());
            json.writeStringProperty("aud", gateway.tokenIssuer());
            json.writeStringProperty("sub", GatewayId.subject(claims.sandbox()));
            json.writeStringProperty("sandbox_id", claims.sandbox().value());
            json.writeNumberProperty("iat", claims.issuedAt().getEpochSecond());
            json.writeNumberProperty("exp", claims.expiresAt().getEpochSecond());
            claims.tokenId().ifPresent(id -> json.writeStringProperty("jti", id));
            claims.lineage().ifPresent(lineage -> {
                json.writeStringProperty("lin", lineage.id());
                json.writeNumberProperty("gen", lineage.generation());
            });
        });
        return Ed25519Jws.sign("JWT", keyId, signer, payload);
    }
}
