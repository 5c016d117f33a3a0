package io.sallyport.identity;

import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.jwk.Curve;
import com.nimbusds.jose.jwk.JWK;
import com.nimbusds.jose.jwk.JWKSet;
import com.nimbusds.jose.jwk.KeyUse;
import com.nimbusds.jose.jwk.OctetKeyPair;
import com.nimbusds.jose.util.Base64URL;
import java.security.PublicKey;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/** Ed25519 public keys by {@code kid}: an immutable snapshot, in the order of their names. */
public final class PublicKeys {
    private final SortedMap<String, PublicKey> byId;

    /** @throws IllegalArgumentException for a name no key may have, or a key that is not a sound Ed25519 key */
    public PublicKeys(Map<String, PublicKey> byId) {
        byId.forEach((keyId, key) -> {
            if (!KeyDirectory.isKeyId(keyId)) {
                throw new IllegalArgumentException("a kid is 1 to 128 of [A-Za-z0-9._-], not beginning with a dot");
            }
            if (!Ed25519Encoding.isSoundPublicKey(Ed25519Keys.rawPublic(key))) {
                throw new IllegalArgumentException("key " + keyId + " is not a sound Ed25519 public key");
            }
        });
        this.byId = Collections.unmodifiableSortedMap(new TreeMap<>(byId));
    }

    /** The key of that name, or null. */
    public @Nullable PublicKey find(String keyId) {
        return byId.get(keyId);
    }

    /** Whether a key has the same name in the other set, and is the same key. */
    boolean sharesKey(String keyId, PublicKeys other) {
        PublicKey key = byId.get(keyId);
        return key != null && key.equals(other.byId.get(keyId));
    }

    /** The names, sorted. */
    public Set<String> keyIds() {
        return byId.keySet();
    }

    /**
     * The set as a JSON Web Key Set document (RFC 7517, RFC 8037), public members only; the same keys give the same text.
     */
    public String toJwks() {
        List<JWK> keys = new ArrayList<>();
        byId.forEach((keyId, key) ->
                keys.add(new OctetKeyPair.Builder(Curve.Ed25519, Base64URL.encode(Ed25519Keys.rawPublic(key)))
                        .keyID(keyId)
                        .keyUse(KeyUse.SIGNATURE)
                        .algorithm(JWSAlgorithm.EdDSA)
                        .build()));
        return new JWKSet(keys).toString(true);
    }
}
