package io.sallyport.extauthz.envoy;

import com.google.protobuf.ByteString;
import com.google.protobuf.CodedOutputStream;
import com.google.protobuf.InvalidProtocolBufferException;
import com.google.protobuf.UnknownFieldSet;
import com.google.protobuf.UnknownFieldSet.Field;
import com.google.protobuf.WireFormat;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.List;

/**
 * A protobuf message as its numbered fields: for those of Envoy's messages that are built once, or come once in a stream.
 * Immutable.
 *
 * <p>Read as protobuf says: of a scalar the last counts, and messages under one number are merged. A field that is not there
 * is 0, the empty text or the empty message; so is one of another wire type.
 */
public final class Fields {
    /** The message that says nothing. */
    public static final Fields NONE = new Fields(UnknownFieldSet.getDefaultInstance());

    private final UnknownFieldSet fields;

    private Fields(UnknownFieldSet fields) {
        this.fields = fields;
    }

    /**
     * The fields of a message.
     *
     * @throws InvalidProtocolBufferException when the bytes are not a message
     */
    public static Fields parse(byte[] message) throws InvalidProtocolBufferException {
        return new Fields(UnknownFieldSet.parseFrom(message));
    }

    /** With one more text, message or bytes under a number. */
    public Fields with(int number, ByteString value) {
        return with(number, Field.newBuilder().addLengthDelimited(value));
    }

    public Fields with(int number, String value) {
        return with(number, ByteString.copyFromUtf8(value));
    }

    public Fields with(int number, Fields value) {
        return with(number, value.fields.toByteString());
    }

    /** With one more whole number, truth value or member of an enum under a number. */
    public Fields with(int number, long value) {
        return with(number, Field.newBuilder().addVarint(value));
    }

    /** With one more {@code double} under a number. */
    public Fields withReal(int number, double value) {
        return with(number, Field.newBuilder().addFixed64(Double.doubleToRawLongBits(value)));
    }

    private Fields with(int number, Field.Builder value) {
        return new Fields(fields.toBuilder().mergeField(number, value.build()).build());
    }

    /** Whether anything is said under a number. */
    public boolean has(int number) {
        return fields.hasField(number);
    }

    /** How many different numbers something is said under. */
    int count() {
        return fields.asMap().size();
    }

    /**
     * The message under a number.
     *
     * @throws InvalidProtocolBufferException when there is something that is not a message
     */
    public Fields message(int number) throws InvalidProtocolBufferException {
        UnknownFieldSet.Builder merged = UnknownFieldSet.newBuilder();
        for (ByteString part : fields.getField(number).getLengthDelimitedList()) {
            merged.mergeFrom(part);
        }
        return new Fields(merged.build());
    }

    /**
     * Each of the messages under a number: the field is a repeated one, or a map.
     *
     * @throws InvalidProtocolBufferException when there is something that is not a message
     */
    public List<Fields> messages(int number) throws InvalidProtocolBufferException {
        List<Fields> messages = new ArrayList<>();
        for (ByteString message : fields.getField(number).getLengthDelimitedList()) {
            messages.add(new Fields(UnknownFieldSet.parseFrom(message)));
        }
        return messages;
    }

    /**
     * The text under a number.
     *
     * @throws InvalidProtocolBufferException when it is not UTF-8
     */
    public String text(int number) throws InvalidProtocolBufferException {
        ByteString value = bytes(number);
        if (!value.isValidUtf8()) {
            throw new InvalidProtocolBufferException("a text is not UTF-8");
        }
        return value.toStringUtf8();
    }

    /** The bytes under a number. */
    public ByteString bytes(int number) {
        List<ByteString> values = fields.getField(number).getLengthDelimitedList();
        return values.isEmpty() ? ByteString.EMPTY : values.getLast();
    }

    /** The whole number, truth value or member of an enum under a number. */
    public long integer(int number) {
        List<Long> values = fields.getField(number).getVarintList();
        return values.isEmpty() ? 0 : values.getLast();
    }

    /** The {@code double} under a number. */
    public double real(int number) {
        List<Long> values = fields.getField(number).getFixed64List();
        return values.isEmpty() ? 0 : Double.longBitsToDouble(values.getLast());
    }

    /** The message in protobuf's encoding. */
    public byte[] toByteArray() {
        return fields.toByteArray();
    }

    /**
     * Bytes inside of messages inside of each other, as {@code with} would put them together, copied but once.
     *
     * @param numbers from the outermost message's to the one that the bytes are under
     */
    public static byte[] nested(ByteString bytes, int... numbers) {
        int[] lengths = new int[numbers.length];
        int length = bytes.size();
        for (int i = numbers.length - 1; i >= 0; i--) {
            lengths[i] = length;
            length += CodedOutputStream.computeTagSize(numbers[i]) + CodedOutputStream.computeUInt32SizeNoTag(length);
        }
        byte[] message = new byte[length];
        try {
            CodedOutputStream out = CodedOutputStream.newInstance(message);
            for (int i = 0; i < numbers.length; i++) {
                out.writeTag(numbers[i], WireFormat.WIRETYPE_LENGTH_DELIMITED);
                out.writeUInt32NoTag(lengths[i]);
            }
            bytes.copyTo(message, length - bytes.size());
        } catch (IOException e) {
            throw new UncheckedIOException("the message is as long as was counted", e);
        }
        return message;
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Fields that && fields.equals(that.fields);
    }

    @Override
    public int hashCode() {
        return fields.hashCode();
    }

    /** Nothing of what it says. */
    @Override
    public String toString() {
        return "Fields" + fields.asMap().keySet();
    }
}
