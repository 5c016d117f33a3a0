package io.sallyport.policy;

import io.sallyport.base.RejectedException;
import java.nio.ByteBuffer;

/** Reads the references out of a request, or refuses what could be read in two ways. Stateless. */
public final class MessageScanner {
    private MessageScanner() {}

    /**
     * Scans the body of a unary call: exactly one gRPC frame, uncompressed.
     *
     * @param body the whole body, frame prefix included; its position and limit are left as they are
     * @throws RejectedException with a {@code FRAME_…}, {@code MESSAGE_…}, {@code BODY_…} reason, or
     *     {@code VALUE_NOT_ALLOWED}
     */
    public static References scanUnary(MessageRule rule, ByteBuffer body) throws RejectedException {
        throw new UnsupportedOperationException("MessageScanner.scanUnary");
    }

    /** Scans one message, without its frame. */
    public static References scanMessage(MessageRule rule, ByteBuffer message) throws RejectedException {
        throw new UnsupportedOperationException("MessageScanner.scanMessage");
    }
}
