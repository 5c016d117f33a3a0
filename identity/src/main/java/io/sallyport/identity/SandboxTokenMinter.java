package io.sallyport.identity;

/** Signs sandbox tokens. */
public final class SandboxTokenMinter {
    public SandboxTokenMinter(GatewayId gateway, SigningKey key) {}

    /** The compact form (RFC 7515) of a token with these claims; {@code claims.keyId()} must be the key's own. */
    public String mint(SandboxClaims claims) {
        throw new UnsupportedOperationException("SandboxTokenMinter.mint");
    }
}
