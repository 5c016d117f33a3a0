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
import org.jspecify.annotations.Nullable;

/** The public keys that somebody else published (RFC 7517), by their {@code kid}. Keys of other kinds are left out. */
public final class PublishedKeys {
    private static final PublishedKeys NONE = new PublishedKeys(Map.of());

    /** Each made once: that takes longer than a signature. */
    private final Map<String, JWSVerifier> keys;

    private PublishedKeys(Map<String, JWSVerifier> keys) {
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
        Map<String, JWSVerifier> keys = new HashMap<>();
        try {
            for (JWK key : JWKSet.parse(jwks).getKeys()) {
                JWSVerifier verifier = verifier(key);
                if (key.getKeyID() != null && verifier != null) {
                    keys.put(key.getKeyID(), verifier);
                }
            }
        } catch (ParseException | JOSEException e) {
            throw new IllegalArgumentException("not a JWKS document", e);
        }
        return new PublishedKeys(keys);
    }

    private static @Nullable JWSVerifier verifier(JWK key) throws JOSEException {
        return switch (key) {
            case RSAKey rsa -> new RSASSAVerifier(rsa);
            case ECKey ec -> new ECDSAVerifier(ec);
            default -> null;
        };
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
        JWSVerifier verifier = keys.get(token.keyId());
        if (verifier == null) {
            return false;
        }
        try {
            return token.jws().verify(verifier);
        } catch (JOSEException e) {
            // The algorithm does not fit the key.
            return false;
        }
    }
}
