package io.sallyport.bench;

import io.netty.buffer.ByteBuf;

/** Counts the messages of a gRPC stream in its bytes, cut wherever they may be; reads nothing but the prefixes. */
final class FrameCounter {
    private static final int PREFIX = 5;

    private int prefixed;
    private long length;
    private long left;
    private long messages;
    private long bytes;

    /** Takes all that is readable. */
    void take(ByteBuf data) {
        bytes += data.readableBytes();
        int at = data.readerIndex();
        int end = data.writerIndex();
        while (at < end) {
            if (prefixed < PREFIX) {
                int next = data.getByte(at++) & 0xff;
                length = prefixed == 0 ? 0 : length << 8 | next;
                prefixed++;
                left = length;
            } else {
                int count = (int) Math.min(left, end - at);
                at += count;
                left -= count;
            }
            if (prefixed == PREFIX && left == 0) {
                prefixed = 0;
                messages++;
            }
        }
    }

    /** Messages that have ended. */
    long messages() {
        return messages;
    }

    /** All bytes, those of the prefixes and of unfinished messages too. */
    long bytes() {
        return bytes;
    }
}
