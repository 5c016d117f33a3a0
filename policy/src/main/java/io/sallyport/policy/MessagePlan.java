package io.sallyport.policy;

import com.google.protobuf.WireFormat;
import java.util.Arrays;
import java.util.Collection;
import java.util.Comparator;
import org.jspecify.annotations.Nullable;

/**
 * One message type as the scanner walks it at one place of a rule: what each known field looks like on the wire, and
 * what it means to the rule.
 *
 * <p>Filled once by {@link PlanCompiler} (message types may contain themselves), never changed after that.
 */
final class MessagePlan {
    /** Field numbers up to here are looked up in an array; gateways rarely use more. */
    private static final int DENSE = 255;

    /** The largest number whose tag is a single byte. */
    private static final int ONE_BYTE = 15;

    private static final int NO_BYTE = 1 << 8;

    private @Nullable Field[] dense = new Field[0];
    private Field[] sparse = new Field[0];
    private boolean sealed;

    /** A bit for each of the numbers up to {@link #ONE_BYTE} of which a text comes that the rule has nothing to say about. */
    private int freeTexts;

    /** The tag of a text that is an inner id and may come only once; {@link #NO_BYTE} when there is none of one byte. */
    int innerTag = NO_BYTE;

    /** That text's {@link Field#onceBit}. */
    long innerBit;

    /**
     * @param fields every field the descriptor knows
     * @param sealed whether an unknown field is refused: a oneof of this message lies on a path of the rule, and a newer
     *     decoder might know the field as another member of it
     */
    void fill(Collection<Field> fields, boolean sealed) {
        int highest = fields.stream()
                .mapToInt(field -> field.number)
                .filter(number -> number <= DENSE)
                .max()
                .orElse(-1);
        dense = new Field[highest + 1];
        for (Field field : fields) {
            if (field.number <= DENSE) {
                dense[field.number] = field;
            }
        }
        sparse = fields.stream()
                .filter(field -> field.number > DENSE)
                .sorted(Comparator.comparingInt(field -> field.number))
                .toArray(Field[]::new);
        this.sealed = sealed;
        for (Field field : fields) {
            if (field.number <= ONE_BYTE && field.content == Content.TEXT && field.isPlain()) {
                if (field.slot == Slot.INNER) {
                    innerTag = field.tag();
                    innerBit = field.onceBit;
                } else if (field.slot == Slot.NOTHING && field.onceBit == 0) {
                    freeTexts |= 1 << field.number;
                }
            }
        }
    }

    /** Whether a byte is the tag of a text that the rule has nothing to say about: such a text may come at any time. */
    boolean isFreeText(byte tag) {
        return (tag & 0x87) == WireFormat.WIRETYPE_LENGTH_DELIMITED && (freeTexts >>> (tag >>> 3) & 1) != 0;
    }

    boolean sealed() {
        return sealed;
    }

    @Nullable Field field(int number) {
        if (number < dense.length) {
            return dense[number];
        }
        if (sparse.length == 0) {
            return null;
        }
        int low = 0;
        int high = sparse.length - 1;
        while (low <= high) {
            int middle = (low + high) >>> 1;
            int found = sparse[middle].number;
            if (found == number) {
                return sparse[middle];
            }
            if (found < number) {
                low = middle + 1;
            } else {
                high = middle - 1;
            }
        }
        return null;
    }

    /** What the bytes of a length-delimited field are. */
    enum Content {
        BYTES,
        TEXT,
        MESSAGE
    }

    /** What a field says to the rule. */
    enum Slot {
        NOTHING,
        ID,
        NAME,
        WORKSPACE,
        /** A further id that must agree. */
        INNER
    }

    /** One field of a message. */
    static final class Field {
        final int number;
        final String name;
        /** The wire type it has, or its elements have when they are not packed. */
        final int wire;
        /** Repeated scalars may also come packed, whatever the descriptor prefers: decoders take both. */
        final boolean packable;

        final Content content;
        final @Nullable MessagePlan child;
        /** This field's bit among the fields of its message that may come once; 0 when it may come often. */
        final long onceBit;
        /** The bit of its oneof, when that oneof lies on a path of the rule; else 0. */
        final long oneofBit;

        final Slot slot;
        final @Nullable Requirement requirement;

        Field(
                int number,
                String name,
                int wire,
                boolean packable,
                Content content,
                @Nullable MessagePlan child,
                long onceBit,
                long oneofBit,
                Slot slot,
                @Nullable Requirement requirement) {
            this.number = number;
            this.name = name;
            this.wire = wire;
            this.packable = packable;
            this.content = content;
            this.child = child;
            this.onceBit = onceBit;
            this.oneofBit = oneofBit;
            this.slot = slot;
            this.requirement = requirement;
        }

        private int tag() {
            return number << 3 | wire;
        }

        /** Whether the rule neither asks for a value nor for a choice. */
        private boolean isPlain() {
            return requirement == null && oneofBit == 0;
        }
    }

    /** A value that a sandbox must send, or may not send. */
    static final class Requirement {
        /** How the value is compared. */
        enum Kind {
            PRESENT,
            ABSENT,
            /** Zero against not zero, as decoders read a bool. */
            BOOL,
            /** The 64 bits of the varint or fixed number. */
            BITS,
            TEXT
        }

        final String path;
        final Kind kind;
        final long bits;
        private final byte[] text;
        /** This requirement's bit among those whose field has to occur; 0 when leaving it out is as good. */
        final long occursBit;

        Requirement(String path, Kind kind, long bits, byte[] text, long occursBit) {
            this.path = path;
            this.kind = kind;
            this.bits = bits;
            this.text = Arrays.copyOf(text, text.length);
            this.occursBit = occursBit;
        }

        boolean allows(long value) {
            return switch (kind) {
                case PRESENT -> true;
                case BOOL -> (value != 0) == (bits != 0);
                case BITS -> value == bits;
                case ABSENT, TEXT -> false;
            };
        }

        int textLength() {
            return text.length;
        }

        byte textByte(int index) {
            return text[index];
        }
    }
}
