package io.sallyport.identity;

import java.security.PublicKey;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/** Ed25519 public keys by {@code kid}: an immutable snapshot. */
public final class PublicKeys {
    private final Map<String, PublicKey> byId;

    public PublicKeys(Map<String, PublicKey> byId) {
        this.byId = Map.copyOf(byId);
    }

    /** The key of that name, or null. */
    public @Nullable PublicKey find(String keyId) {
        return byId.get(keyId);
    }

    public Set<String> keyIds() {
        return byId.keySet();
    }

    /** The set as a JSON Web Key Set document (RFC 7517), public members only. */
    public String toJwks() {
        throw new UnsupportedOperationException("PublicKeys.toJwks");
    }
}
