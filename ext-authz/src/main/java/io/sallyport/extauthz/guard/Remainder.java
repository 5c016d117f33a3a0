package io.sallyport.extauthz.guard;

import java.nio.ByteBuffer;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * The end of a large piece, taken out of Envoy: it goes on in front of the next piece, with that one's answer.
 *
 * <p>What gathers in Envoy while a stream's beginning is decided comes as one piece, as large as all that Envoy holds of a
 * stream. Where such a piece ends within a message, Envoy has stopped reading, and the rest of the message would never
 * come. So its whole messages go on at once, and what is behind them waits here. Its bytes count as those of an
 * unfinished message.
 */
final class Remainder {
    /**
     * Pieces up to this size wait in Envoy: the generated configuration lets it hold 128 KiB beside one message.
     */
    static final int WAITS_IN_ENVOY = 96 * 1024;

    private final MessageAssembler.Memory memory;
    private byte @Nullable [] bytes;

    Remainder(MessageAssembler.Memory memory) {
        this.memory = memory;
    }

    /** Whether the next piece that goes on does so as something else. */
    boolean isThere() {
        return bytes != null;
    }

    /** Keeps something; whether there was room. Nothing is kept yet. */
    boolean keep(byte[] from, int at, int end) {
        if (!memory.reserve(end - at)) {
            return false;
        }
        bytes = Arrays.copyOfRange(from, at, end);
        return true;
    }

    /** Puts a piece behind what is kept; whether there was room. */
    boolean add(byte[] from, int at, int length) {
        byte[] kept = bytes;
        if (kept == null) {
            throw new IllegalStateException("nothing is kept");
        }
        if (!memory.reserve(length)) {
            return false;
        }
        bytes = ByteBuffer.allocate(kept.length + length)
                .put(kept)
                .put(from, at, length)
                .array();
        return true;
    }

    /** What is kept, which is kept no longer. */
    byte[] take() {
        byte[] kept = bytes;
        if (kept == null) {
            throw new IllegalStateException("nothing is kept");
        }
        forget();
        return kept;
    }

    void forget() {
        if (bytes != null) {
            memory.release(bytes.length);
            bytes = null;
        }
    }
}
