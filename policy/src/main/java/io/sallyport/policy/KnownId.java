package io.sallyport.policy;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;

/**
 * An id that messages are expected to name, with what is to be said of those that name it and no other: so a stream's
 * messages need no words of their own, as long as they are what they should be.
 */
public final class KnownId {
    private final byte[] bytes;
    private final References outside;
    private final References throughout;

    public KnownId(String id) {
        bytes = id.getBytes(StandardCharsets.UTF_8);
        outside = new References(id, "", "", List.of());
        throughout = new References(id, "", "", List.of(id));
    }

    /** Whether this is what stands in a message. */
    boolean isAt(byte[] message, int at, int length) {
        return length != 0 && Arrays.equals(message, at, at + length, bytes, 0, bytes.length);
    }

    /** Of a message that names it at the top only. */
    References outside() {
        return outside;
    }

    /** Of a message that names it at the top, and inside. */
    References throughout() {
        return throughout;
    }

    @Override
    public String toString() {
        return "KnownId[" + outside.id() + "]";
    }
}
