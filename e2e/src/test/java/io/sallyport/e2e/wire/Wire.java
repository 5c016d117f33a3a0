package io.sallyport.e2e.wire;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/** Protobuf and gRPC framing by hand, so that it can be done wrongly. */
public final class Wire {
    private final ByteArrayOutputStream bytes = new ByteArrayOutputStream();

    /** An empty message. */
    public static Wire message() {
        return new Wire();
    }

    /** A string field. */
    public Wire string(int field, String value) {
        return bytes(field, value.getBytes(StandardCharsets.UTF_8));
    }

    /** A length-delimited field: bytes, a string, or an embedded message. */
    public Wire bytes(int field, byte[] value) {
        return varint(((long) field << 3) | 2).varint(value.length).raw(value);
    }

    /** An embedded message. */
    public Wire message(int field, Wire value) {
        return bytes(field, value.toBytes());
    }

    /** A varint field: bool, an integer, an enum. */
    public Wire number(int field, long value) {
        return varint((long) field << 3).varint(value);
    }

    /** A bare varint. */
    public Wire varint(long value) {
        long rest = value;
        while ((rest & ~0x7fL) != 0) {
            bytes.write((int) ((rest & 0x7f) | 0x80));
            rest >>>= 7;
        }
        bytes.write((int) rest);
        return this;
    }

    /** Bytes as they are. */
    public Wire raw(byte[] value) {
        bytes.writeBytes(value);
        return this;
    }

    /** Bytes as they are. */
    public Wire raw(int... value) {
        for (int each : value) {
            bytes.write(each);
        }
        return this;
    }

    public byte[] toBytes() {
        return bytes.toByteArray();
    }

    /** As one gRPC frame. */
    public byte[] framed() {
        return frame(0, toBytes());
    }

    /** As a gRPC frame with any flag. */
    public static byte[] frame(int flag, byte[] message) {
        return ByteBuffer.allocate(5 + message.length)
                .put((byte) flag)
                .putInt(message.length)
                .put(message)
                .array();
    }

    /** One after the other. */
    public static byte[] join(byte[]... parts) {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (byte[] part : parts) {
            all.writeBytes(part);
        }
        return all.toByteArray();
    }
}
