package io.sallyport.extauthz.guard;

import io.sallyport.base.Reason;
import java.nio.ByteBuffer;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Finds the messages of a gRPC stream in the pieces that its bytes come in, cut wherever they may be.
 *
 * <p>A message that lies whole in a piece is handed on where it lies. Of one that does not, the bytes are gathered, in a
 * buffer that grows with what has come and not with what was announced; it is let go with the message's last byte. Frames:
 * a flag (0: not compressed), four bytes of length, the message.
 */
final class MessageAssembler {
    /** Takes whole messages; says why one is not good, or null. */
    @FunctionalInterface
    interface Sink {
        /**
         * Takes one.
         *
         * @param message between its position and its limit; good until this returns
         */
        @Nullable Refusal take(ByteBuffer message);
    }

    /** Where the bytes of unfinished messages are counted. */
    interface Memory {
        /** Whether there is room for so many more; if so, they are taken. */
        boolean reserve(int bytes);

        void release(int bytes);
    }

    static final int PREFIX = 5;

    /** A message up to this size is given all its room at once. */
    private static final int SMALL = 32 * 1024;

    private final int limit;
    private final Memory memory;

    /** Bytes of the current frame's prefix that have come. */
    private int prefixed;

    private long length;
    private byte @Nullable [] gathered;
    private int filled;
    private int ended;

    /** Where, in the last piece, the last message ended that did. */
    private int whole;

    /** @param limit bytes of the largest message, prefix not included */
    MessageAssembler(int limit, Memory memory) {
        this.limit = limit;
        this.memory = memory;
    }

    /** Takes the next piece. Once anything has been refused, the stream is over and nothing more may be taken. */
    @Nullable Refusal take(byte[] bytes, int at, int size, Sink sink) {
        ended = 0;
        whole = 0;
        ByteBuffer piece = ByteBuffer.wrap(bytes);
        int end = at + size;
        int position = at;
        while (position < end || isWhole()) {
            if (prefixed < PREFIX) {
                Refusal refusal = prefix(bytes[position++]);
                if (refusal != null) {
                    return refusal;
                }
                continue;
            }
            int rest = (int) length;
            if (filled == 0 && rest <= end - position) {
                piece.limit(position + rest).position(position);
                position += rest;
                whole = position - at;
                Refusal refusal = hand(piece, sink);
                if (refusal != null) {
                    return refusal;
                }
                continue;
            }
            int count = Math.min(rest - filled, end - position);
            byte[] target = room(filled + count);
            if (target == null) {
                return new Refusal(
                        Reason.TOO_MUCH_UNFINISHED, length + " bytes announced, " + (filled + count) + " came");
            }
            System.arraycopy(bytes, position, target, filled, count);
            filled += count;
            position += count;
            if (filled == rest) {
                whole = position - at;
                Refusal refusal = hand(ByteBuffer.wrap(target, 0, filled), sink);
                forget();
                if (refusal != null) {
                    return refusal;
                }
            }
        }
        return null;
    }

    /** Whether no message is under way: everything that came is part of a message that was good. */
    boolean isBetweenMessages() {
        return prefixed == 0;
    }

    /** How many messages ended in the last piece. */
    int endedInLastPiece() {
        return ended;
    }

    /** How many bytes of the last piece belong to messages that have ended. */
    int wholeInLastPiece() {
        return whole;
    }

    /** Lets go what was gathered. */
    void forget() {
        if (gathered != null) {
            memory.release(gathered.length);
            gathered = null;
        }
        filled = 0;
    }

    /** A message without a byte is whole as soon as its prefix is. */
    private boolean isWhole() {
        return prefixed == PREFIX && length == 0;
    }

    private @Nullable Refusal prefix(byte next) {
        if (prefixed == 0) {
            if (next == 1) {
                return new Refusal(Reason.FRAME_COMPRESSED, "the compressed flag is set");
            }
            if (next != 0) {
                return new Refusal(Reason.FRAME_MALFORMED, "the first byte of the frame is not 0 or 1");
            }
            length = 0;
        } else {
            length = (length << 8) | (next & 0xFF);
        }
        prefixed++;
        return prefixed == PREFIX && length > limit
                ? new Refusal(Reason.MESSAGE_TOO_LARGE, length + " bytes, at most " + limit + " are allowed")
                : null;
    }

    private @Nullable Refusal hand(ByteBuffer message, Sink sink) {
        prefixed = 0;
        ended++;
        return sink.take(message);
    }

    /** The buffer, with room for so many bytes; null when there is none. */
    private byte @Nullable [] room(int needed) {
        int has = gathered == null ? 0 : gathered.length;
        if (gathered != null && needed <= has) {
            return gathered;
        }
        int whole = (int) length;
        int wanted = whole <= SMALL ? whole : (int) Math.min(whole, Math.max(2L * needed, SMALL));
        if (!memory.reserve(wanted - has)) {
            return null;
        }
        gathered = gathered == null ? new byte[wanted] : Arrays.copyOf(gathered, wanted);
        return gathered;
    }
}
