package io.sallyport.identity;

import java.security.PrivateKey;
import java.util.Objects;

/** An Ed25519 private key and its name. Its text form never shows the key. */
public final class SigningKey {
    private final String keyId;
    private final PrivateKey key;

    public SigningKey(String keyId, PrivateKey key) {
        this.keyId = Objects.requireNonNull(keyId, "keyId is null");
        this.key = Objects.requireNonNull(key, "key is null");
    }

    /** {@code kid}. */
    public String keyId() {
        return keyId;
    }

    PrivateKey key() {
        return key;
    }

    @Override
    public String toString() {
        return "SigningKey[" + keyId + "]";
    }
}
