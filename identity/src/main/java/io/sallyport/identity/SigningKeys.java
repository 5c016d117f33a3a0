package io.sallyport.identity;

import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * The private keys at one moment: an immutable snapshot. One of them signs what is new.
 *
 * <p>The others sign nothing but what they signed before, once more and byte for byte (Ed25519 always gives the same
 * signature). A key that is only prepared is among them: another replica may have seen it activated a moment earlier, and
 * what that one signed must be signed again here. A tainted key is never here.
 */
public final class SigningKeys {
    private final Optional<SigningKey> active;
    private final Map<String, SigningKey> byId;

    /**
     * @param active the key that signs what is new; empty when it is tainted and nothing may be signed
     * @param all every key that may sign, {@code active} included
     */
    SigningKeys(Optional<SigningKey> active, Collection<SigningKey> all) {
        this.active = active;
        Map<String, SigningKey> keys = new HashMap<>();
        all.forEach(key -> keys.put(key.keyId(), key));
        active.ifPresent(key -> keys.put(key.keyId(), key));
        this.byId = Map.copyOf(keys);
    }

    /** A set of one key. */
    public static SigningKeys of(SigningKey only) {
        return new SigningKeys(Optional.of(only), List.of());
    }

    /**
     * The key that signs what is new.
     *
     * @throws IllegalStateException when there is none, because the active key is tainted
     */
    public SigningKey active() {
        return active.orElseThrow(() -> new IllegalStateException(
                "the active key is tainted, so nothing is signed; activate another one: keys rotate DIR activate"));
    }

    /** Whether anything new can be signed. */
    public boolean canSign() {
        return active.isPresent();
    }

    /** The key of that name, active or not; null when its private half is not here (any more), or it is tainted. */
    public @Nullable SigningKey find(String keyId) {
        return byId.get(keyId);
    }

    Collection<SigningKey> all() {
        return byId.values();
    }

    @Override
    public String toString() {
        return "SigningKeys[active " + active.map(SigningKey::keyId).orElse("none") + ", " + byId.size() + " in all]";
    }
}
