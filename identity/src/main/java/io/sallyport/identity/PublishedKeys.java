package io.sallyport.identity;

import com.nimbusds.jose.JOSEException;
import com.nimbusds.jose.JWSVerifier;
import com.nimbusds.jose.crypto.ECDSAVerifier;
import com.nimbusds.jose.crypto.RSASSAVerifier;
import com.nimbusds.jose.jwk.ECKey;
import com.nimbusds.jose.jwk.JWK;
import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.jwk.RSAKey;
import java.text.ParseException;
import java.util.HashMap;
import java.util.Map;

/** The public keys that somebody else published (RFC 7517), by their {@code kid}. Keys of other kinds are left out. */
public final class PublishedKeys {
    private static final PublishedKeys NONE = new PublishedKeys(Map.of());

    private final Map<String, JWK> keys;

    private PublishedKeys(Map<String, JWK> keys) {
        this.keys = Map.copyOf(keys);
    }

    /** No key at all. */
    public static PublishedKeys none() {
        return NONE;
    }

    /**
     * Reads a JWKS document.
     *
     * @throws IllegalArgumentException when it is none
     */
    public static PublishedKeys parse(String jwks) {
        Map<String, JWK> keys = new HashMap<>();
        try {
            for (JWK key : JWKSet.parse(jwks).getKeys()) {
                if (key.getKeyID() != null && (key instanceof RSAKey || key instanceof ECKey)) {
                    keys.put(key.getKeyID(), key);
                }
            }
        } catch (ParseException e) {
            throw new IllegalArgumentException("not a JWKS document", e);
        }
        return new PublishedKeys(keys);
    }

    public boolean isEmpty() {
        return keys.isEmpty();
    }

    /** Whether there is a key of this name. */
    public boolean has(String keyId) {
        return keys.containsKey(keyId);
    }

    /** Whether the key that a token names has signed it. */
    public boolean signed(ForeignToken token) {
        JWK key = keys.get(token.keyId());
        if (key == null) {
            return false;
        }
        try {
            JWSVerifier verifier = switch (key) {
                case RSAKey rsa -> new RSASSAVerifier(rsa);
                case ECKey ec -> new ECDSAVerifier(ec);
                default -> throw new IllegalStateException("a key of another kind was kept");
            };
            return token.jws().verify(verifier);
        } catch (JOSEException e) {
            // The algorithm does not fit the key.
            return false;
        }
    }
}
