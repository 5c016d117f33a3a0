package io.sallyport.policy;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** Writes protobuf bytes one by one, also wrong ones. Immutable. */
final class Wire {
    static final Wire EMPTY = new Wire(new byte[0]);

    private final byte[] bytes;

    private Wire(byte[] bytes) {
        this.bytes = bytes;
    }

    byte[] bytes() {
        return bytes.clone();
    }

    ByteBuffer buffer() {
        return ByteBuffer.wrap(bytes());
    }

    /** Bytes as they are, each an int from 0 to 255. */
    Wire raw(int... more) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.writeBytes(bytes);
        for (int b : more) {
            out.write(b);
        }
        return new Wire(out.toByteArray());
    }

    Wire raw(byte[] more) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        out.writeBytes(bytes);
        out.writeBytes(more);
        return new Wire(out.toByteArray());
    }

    Wire varint(long value) {
        Wire wire = this;
        long rest = value;
        while ((rest & ~0x7FL) != 0) {
            wire = wire.raw((int) (rest & 0x7F) | 0x80);
            rest >>>= 7;
        }
        return wire.raw((int) rest);
    }

    /** A varint with more bytes than it needs. */
    Wire overlong(long value, int size) {
        Wire wire = this;
        for (int i = 0; i < size; i++) {
            int low = i < 9 ? (int) (value >>> (7 * i) & 0x7F) : (int) (value >>> 63);
            wire = wire.raw(i < size - 1 ? low | 0x80 : low);
        }
        return wire;
    }

    Wire tag(long number, int wireType) {
        return varint(number << 3 | wireType);
    }

    Wire number(int field, long value) {
        return tag(field, 0).varint(value);
    }

    Wire text(int field, String value) {
        return data(field, value.getBytes(StandardCharsets.UTF_8));
    }

    Wire message(int field, Wire value) {
        return data(field, value.bytes());
    }

    Wire data(int field, byte[] value) {
        return tag(field, 2).varint(value.length).raw(value);
    }

    /** The whole as one gRPC frame. */
    Wire framed() {
        return new Wire(new byte[0]).raw(0).length(bytes.length).raw(bytes);
    }

    /** Four bytes, the most significant first. */
    Wire length(int value) {
        return raw(value >>> 24 & 0xFF, value >>> 16 & 0xFF, value >>> 8 & 0xFF, value & 0xFF);
    }

    /** The first bytes only. */
    Wire cut(int size) {
        return new Wire(Arrays.copyOf(bytes, size));
    }

    int size() {
        return bytes.length;
    }
}
