package io.sallyport.policy;

import com.google.protobuf.ByteString;
import com.google.protobuf.Descriptors.Descriptor;
import com.google.protobuf.Descriptors.FieldDescriptor;
import com.google.protobuf.DynamicMessage;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.List;
import java.util.random.RandomGenerator;
import org.jspecify.annotations.Nullable;

/** Makes messages of any type, and damages their bytes in the ways that tell decoders apart. */
final class RandomMessages {
    private static final List<String> TEXTS =
            List.of("", "alpha", "alpha", "beta", "default", "\u00e4\u20ac\ud83d\ude00");
    private static final long[] NUMBERS = {0, 1, 2, 127, 128, -1, 1L << 31, 1L << 32, Long.MIN_VALUE};

    private final RandomGenerator random;

    RandomMessages(RandomGenerator random) {
        this.random = random;
    }

    DynamicMessage message(Descriptor type) {
        return message(type, 4);
    }

    private DynamicMessage message(Descriptor type, int depth) {
        DynamicMessage.Builder builder = DynamicMessage.newBuilder(type);
        for (FieldDescriptor field : type.getFields()) {
            if (random.nextInt(3) == 0) {
                continue;
            }
            if (field.isRepeated()) {
                for (int i = random.nextInt(4); i > 0; i--) {
                    Object value = value(field, depth);
                    if (value != null) {
                        builder.addRepeatedField(field, value);
                    }
                }
            } else {
                Object value = value(field, depth);
                if (value != null) {
                    builder.setField(field, value);
                }
            }
        }
        return builder.build();
    }

    private @Nullable Object value(FieldDescriptor field, int depth) {
        long number = NUMBERS[random.nextInt(NUMBERS.length)];
        return switch (field.getJavaType()) {
            case INT -> (int) number;
            case LONG -> number;
            case FLOAT -> (float) number;
            case DOUBLE -> (double) number;
            case BOOLEAN -> random.nextInt(4) == 0;
            case STRING -> TEXTS.get(random.nextInt(TEXTS.size()));
            case BYTE_STRING -> ByteString.copyFrom(new byte[] {(byte) number, -1});
            case ENUM -> {
                var constants = field.getEnumType().getValues();
                yield constants.get(random.nextInt(constants.size()));
            }
            case MESSAGE -> depth == 0 ? null : message(field.getMessageType(), depth - 1);
        };
    }

    /** One to three mutations. */
    byte[] damaged(byte[] message, byte[] other) {
        byte[] bytes = message;
        for (int i = random.nextInt(3); i >= 0; i--) {
            bytes = damagedOnce(bytes, other);
        }
        return bytes;
    }

    private byte[] damagedOnce(byte[] bytes, byte[] other) {
        int at = random.nextInt(bytes.length + 1);
        int to = at + random.nextInt(bytes.length - at + 1);
        return switch (random.nextInt(11)) {
            case 0 -> flip(bytes, at);
            // What decoders merge.
            case 1 -> join(bytes, other);
            case 2 -> join(other, bytes);
            case 3 -> splice(bytes, at, at, Arrays.copyOfRange(bytes, at, to));
            case 4 -> splice(bytes, at, to, new byte[0]);
            case 5 -> Arrays.copyOf(bytes, at);
            case 6 -> splice(bytes, at, at, new byte[] {(byte) random.nextInt(256)});
            // Fields out of nowhere: any small number, any wire type, with something like a value.
            case 7 -> splice(bytes, at, at, field().bytes());
            case 8 -> join(bytes, field().bytes());
            case 9 -> overlong(bytes, at);
            default -> replace(bytes, at);
        };
    }

    private Wire field() {
        int number = 1 + random.nextInt(random.nextInt(4) == 0 ? 200 : 12);
        int wire = random.nextInt(8);
        Wire tag = random.nextInt(8) == 0 ? Wire.EMPTY.overlong(number << 3 | wire, 3) : Wire.EMPTY.tag(number, wire);
        return switch (wire) {
            case 0 ->
                random.nextInt(4) == 0
                        ? tag.overlong(random.nextInt(3), 2 + random.nextInt(9))
                        : tag.varint(NUMBERS[random.nextInt(NUMBERS.length)]);
            case 1 -> tag.raw(new byte[8]);
            case 2 -> {
                byte[] value = random.nextBoolean()
                        ? TEXTS.get(random.nextInt(TEXTS.size())).getBytes(StandardCharsets.UTF_8)
                        : Wire.EMPTY
                                .text(1, TEXTS.get(random.nextInt(TEXTS.size())))
                                .bytes();
                yield tag.varint(value.length).raw(value);
            }
            case 5 -> tag.raw(new byte[4]);
            default -> tag;
        };
    }

    private byte[] flip(byte[] bytes, int at) {
        byte[] copy = bytes.clone();
        if (at < copy.length) {
            copy[at] ^= (byte) (1 << random.nextInt(8));
        }
        return copy;
    }

    private byte[] replace(byte[] bytes, int at) {
        byte[] copy = bytes.clone();
        if (at < copy.length) {
            copy[at] = (byte) random.nextInt(256);
        }
        return copy;
    }

    /** Spreads one byte over two, as an overlong varint would be. */
    private static byte[] overlong(byte[] bytes, int at) {
        return at < bytes.length && bytes[at] >= 0
                ? splice(bytes, at, at + 1, new byte[] {(byte) (bytes[at] | 0x80), 0})
                : bytes;
    }

    private static byte[] join(byte[] a, byte[] b) {
        return Wire.EMPTY.raw(a).raw(b).bytes();
    }

    private static byte[] splice(byte[] bytes, int from, int to, byte[] middle) {
        byte[] result = new byte[from + middle.length + bytes.length - to];
        System.arraycopy(bytes, 0, result, 0, from);
        System.arraycopy(middle, 0, result, from, middle.length);
        System.arraycopy(bytes, to, result, from + middle.length, bytes.length - to);
        return result;
    }
}
