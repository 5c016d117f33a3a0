package io.sallyport.policy;

import io.sallyport.base.Reason;
import io.sallyport.base.RejectedException;
import io.sallyport.policy.MessagePlan.Content;
import io.sallyport.policy.MessagePlan.Field;
import io.sallyport.policy.MessagePlan.Requirement;
import io.sallyport.policy.MessagePlan.Slot;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Reads the references out of a request, or refuses what could be read in two ways. Stateless.
 *
 * <p>It walks the whole message as the descriptor describes it, without building anything, and is stricter than any
 * decoder, so that every decoder that reads what it accepts reads the same. Refused anywhere in the message:
 *
 * <ul>
 *   <li>a varint that is longer than need be, or over 64 bits; a tag over 32 bits; field number 0 (decoders truncate,
 *       or refuse);
 *   <li>a group, known or not (some decoders skip it, some refuse);
 *   <li>a known field with another wire type (some decoders skip it, some refuse); packed and unpacked repeated
 *       scalars are both right;
 *   <li>a length that runs past its message; text that is not UTF-8; more than {@value #MAX_DEPTH} nested messages.
 * </ul>
 *
 * <p>On the paths of the rule, besides:
 *
 * <ul>
 *   <li>a singular field that comes twice, also as two halves of one message (the last one wins, or they merge);
 *   <li>two members of one oneof, or the same one twice;
 *   <li>an unknown field beside such a oneof: a newer decoder may know it as another member.
 * </ul>
 *
 * <p>Written by hand because {@code CodedInputStream} is laxer than some decoders (it drops the surplus bits of a tenth
 * varint byte and of a long tag, where Rust's refuses) and answers bad input with exceptions that carry stack traces.
 */
public final class MessageScanner {
    /** Below the 100 that Java, Rust and C++ allow, so that no decoder gives up where another goes on. */
    static final int MAX_DEPTH = 64;

    /** So many different ids cannot all be the caller's. */
    static final int MAX_INNER = 8;

    private static final int FRAME_PREFIX = 5;
    private static final int VARINT = 0;
    private static final int FIXED64 = 1;
    private static final int LENGTH = 2;
    private static final int GROUP = 3;
    private static final int GROUP_END = 4;
    private static final int FIXED32 = 5;

    /** The least tag: field 1 with wire type 0. */
    private static final int FIRST_FIELD = 1 << 3;

    /** A bit for each wire type that there is, groups left out. */
    private static final int WIRE_TYPES = 1 << VARINT | 1 << FIXED64 | 1 << LENGTH | 1 << FIXED32;

    private static final VarHandle LONGS = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.nativeOrder());
    private static final long NOT_ASCII = 0x8080808080808080L;

    private MessageScanner() {}

    /**
     * Scans the body of a unary call: exactly one gRPC frame, uncompressed.
     *
     * @param body the whole body, frame prefix included; its position and limit are left as they are
     * @throws RejectedException with a {@code FRAME_…}, {@code MESSAGE_…} or {@code BODY_…} reason, with
     *     {@code VALUE_NOT_ALLOWED} for a requirement of the rule, or with {@code CROSS_SANDBOX} for more different
     *     inner ids than could be the caller's
     */
    public static References scanUnary(MessageRule rule, ByteBuffer body) throws RejectedException {
        int start = body.position();
        int size = body.remaining();
        if (size == 0) {
            throw new RejectedException(Reason.BODY_MISSING, "the body is empty");
        }
        byte flag = body.get(start);
        if (flag == 1) {
            throw new RejectedException(Reason.FRAME_COMPRESSED, "the compressed flag is set");
        }
        if (flag != 0) {
            throw new RejectedException(Reason.FRAME_MALFORMED, "the first byte of the frame is not 0 or 1");
        }
        if (size < FRAME_PREFIX) {
            throw new RejectedException(Reason.FRAME_MALFORMED, "shorter than a frame's prefix");
        }
        long length = (body.get(start + 1) & 0xFFL) << 24
                | (body.get(start + 2) & 0xFFL) << 16
                | (body.get(start + 3) & 0xFFL) << 8
                | (body.get(start + 4) & 0xFFL);
        if (length > size - FRAME_PREFIX) {
            throw new RejectedException(Reason.FRAME_MALFORMED, "shorter than its frame says");
        }
        if (length < size - FRAME_PREFIX) {
            throw new RejectedException(Reason.FRAME_EXTRA, "bytes after the first frame");
        }
        return scan(rule, body, start + FRAME_PREFIX, body.limit());
    }

    /**
     * Scans one message, without its frame.
     *
     * @param message the whole message; its position and limit are left as they are
     * @throws RejectedException as {@link #scanUnary}, without the frame's reasons
     */
    public static References scanMessage(MessageRule rule, ByteBuffer message) throws RejectedException {
        return scan(rule, message, message.position(), message.limit());
    }

    private static References scan(MessageRule rule, ByteBuffer buffer, int start, int end) throws RejectedException {
        if (buffer.hasArray()) {
            return scan(rule, buffer.array(), buffer.arrayOffset() + start, buffer.arrayOffset() + end);
        }
        byte[] copy = new byte[end - start];
        buffer.get(start, copy);
        return scan(rule, copy, 0, copy.length);
    }

    private static References scan(MessageRule rule, byte[] bytes, int start, int end) throws RejectedException {
        Scan scan = new Scan(bytes, start);
        scan.walk(rule.plan(), end, MAX_DEPTH);
        Requirement broken = scan.broken;
        if (broken != null) {
            throw new RejectedException(Reason.VALUE_NOT_ALLOWED, "the rule forbids this value of " + broken.path);
        }
        if ((rule.occurringBits() & ~scan.occurred) != 0) {
            throw new RejectedException(Reason.VALUE_NOT_ALLOWED, "missing: " + missing(rule, scan.occurred));
        }
        return scan.references(rule.reference());
    }

    private static String missing(MessageRule rule, long occurred) {
        for (Requirement requirement : rule.occurring()) {
            if ((requirement.occursBit & occurred) == 0) {
                return requirement.path;
            }
        }
        return "";
    }

    /** The state of one scan. */
    private static final class Scan {
        private final byte[] bytes;
        private int position;

        private int idAt;
        private int idLength;
        private int nameAt;
        private int nameLength;
        private int workspaceAt;
        private int workspaceLength;

        /** Where the distinct inner ids stand: offset, length, offset, length, … */
        private int @Nullable [] inner;

        private int innerCount;

        private long occurred;
        private @Nullable Requirement broken;

        Scan(byte[] bytes, int position) {
            this.bytes = bytes;
            this.position = position;
        }

        References references(MessageRule.Reference reference) {
            return switch (reference) {
                case NONE -> innerCount == 0 ? References.NONE : new References("", "", "", innerIds());
                case ID -> new References(text(idAt, idLength), "", "", innerIds());
                case NAME ->
                    new References("", text(nameAt, nameLength), text(workspaceAt, workspaceLength), innerIds());
            };
        }

        void walk(MessagePlan plan, int end, int depth) throws RejectedException {
            long seen = 0;
            long oneofs = 0;
            while (position < end) {
                int tag = tag(end);
                int wire = tag & 7;
                Field field = plan.field(tag >>> 3);
                if (field == null) {
                    if (plan.sealed()) {
                        throw new RejectedException(
                                Reason.MESSAGE_ONEOF, "unknown field " + (tag >>> 3) + " beside a oneof of the rule");
                    }
                    skip(wire, end);
                    continue;
                }
                if ((seen & field.onceBit) != 0) {
                    throw new RejectedException(Reason.MESSAGE_FIELD_REPEATED, field.name + " comes twice");
                }
                seen |= field.onceBit;
                if ((oneofs & field.oneofBit) != 0) {
                    throw new RejectedException(
                            Reason.MESSAGE_ONEOF, field.name + " is the second member of its oneof");
                }
                oneofs |= field.oneofBit;
                if (wire == field.wire) {
                    switch (wire) {
                        case VARINT -> number(field, varint(end));
                        case FIXED64 -> number(field, fixed64(end));
                        case FIXED32 -> number(field, fixed32(end));
                        default -> delimited(field, end, depth);
                    }
                } else if (wire == LENGTH && field.packable) {
                    packed(field, end);
                } else {
                    throw new RejectedException(Reason.MESSAGE_WIRE_TYPE, field.name + " comes with wire type " + wire);
                }
            }
        }

        private void number(Field field, long value) {
            Requirement requirement = field.requirement;
            if (requirement != null) {
                occurred |= requirement.occursBit;
                if (!requirement.allows(value)) {
                    broken = requirement;
                }
            }
        }

        private void delimited(Field field, int end, int depth) throws RejectedException {
            int length = length(end);
            int start = position;
            if (field.content == Content.MESSAGE) {
                if (depth == 0) {
                    throw new RejectedException(Reason.MESSAGE_DEPTH, "nested too deep at " + field.name);
                }
                MessagePlan child = field.child;
                if (child == null) {
                    throw new IllegalStateException("no plan for the message field " + field.name);
                }
                walk(child, start + length, depth - 1);
            } else {
                position = start + length;
                if (field.content == Content.TEXT && !isAscii(start, position) && !isUtf8(start, position)) {
                    throw new RejectedException(Reason.MESSAGE_UTF8, field.name + " is not UTF-8");
                }
                if (field.slot != Slot.NOTHING) {
                    note(field.slot, start, length);
                }
            }
            Requirement requirement = field.requirement;
            if (requirement != null) {
                occurred |= requirement.occursBit;
                if (!allows(requirement, start, length)) {
                    broken = requirement;
                }
            }
        }

        private boolean allows(Requirement requirement, int at, int length) {
            return switch (requirement.kind) {
                case PRESENT -> true;
                case TEXT -> {
                    if (length != requirement.textLength()) {
                        yield false;
                    }
                    for (int i = 0; i < length; i++) {
                        if (bytes[at + i] != requirement.textByte(i)) {
                            yield false;
                        }
                    }
                    yield true;
                }
                case ABSENT, BOOL, BITS -> false;
            };
        }

        private void packed(Field field, int end) throws RejectedException {
            int length = length(end);
            int limit = position + length;
            Requirement requirement = field.requirement;
            if (requirement != null) {
                // An empty packed field is no element: to a decoder it is as if it were not there.
                if (limit > position) {
                    occurred |= requirement.occursBit;
                }
                if (requirement.kind != Requirement.Kind.PRESENT) {
                    broken = requirement;
                }
            }
            while (position < limit) {
                skip(field.wire, limit);
            }
        }

        private void note(Slot slot, int at, int length) throws RejectedException {
            switch (slot) {
                case ID -> {
                    idAt = at;
                    idLength = length;
                }
                case NAME -> {
                    nameAt = at;
                    nameLength = length;
                }
                case WORKSPACE -> {
                    workspaceAt = at;
                    workspaceLength = length;
                }
                case INNER -> noteInner(at, length);
                case NOTHING -> {}
            }
        }

        private void noteInner(int at, int length) throws RejectedException {
            if (length == 0) {
                return;
            }
            int[] known = inner;
            if (known == null) {
                known = new int[2 * MAX_INNER];
                inner = known;
            }
            // The newest first: a batch nearly always repeats one id.
            for (int i = innerCount - 1; i >= 0; i--) {
                if (known[2 * i + 1] == length && same(known[2 * i], at, length)) {
                    return;
                }
            }
            if (innerCount == MAX_INNER) {
                throw new RejectedException(
                        Reason.CROSS_SANDBOX, "the message names more than " + MAX_INNER + " sandboxes");
            }
            known[2 * innerCount] = at;
            known[2 * innerCount + 1] = length;
            innerCount++;
        }

        private boolean same(int a, int b, int length) {
            return Arrays.equals(bytes, a, a + length, bytes, b, b + length);
        }

        private List<String> innerIds() {
            int[] known = inner;
            if (known == null || innerCount == 0) {
                return List.of();
            }
            if (innerCount == 1) {
                return List.of(text(known[0], known[1]));
            }
            List<String> ids = new ArrayList<>(innerCount);
            for (int i = 0; i < innerCount; i++) {
                ids.add(text(known[2 * i], known[2 * i + 1]));
            }
            return ids;
        }

        private String text(int at, int length) {
            return length == 0 ? "" : new String(bytes, at, length, StandardCharsets.UTF_8);
        }

        private int tag(int end) throws RejectedException {
            int tag = bytes[position];
            if (tag >= FIRST_FIELD) {
                position++;
            } else {
                tag = longTag(end);
            }
            int wire = tag & 7;
            if ((WIRE_TYPES >>> wire & 1) == 0) {
                throw wire == GROUP || wire == GROUP_END
                        ? new RejectedException(Reason.MESSAGE_GROUP, "a group")
                        : new RejectedException(Reason.MESSAGE_TAG, "wire type " + wire + " does not exist");
            }
            return tag;
        }

        /** One of several bytes, or a wrong one. */
        private int longTag(int end) throws RejectedException {
            long tag = varint(end);
            if ((tag >>> 32) != 0 || (tag >>> 3) == 0) {
                throw new RejectedException(Reason.MESSAGE_TAG, "a tag is out of range");
            }
            return (int) tag;
        }

        private int length(int end) throws RejectedException {
            long length = varint(end);
            if (length < 0 || length > end - position) {
                throw truncated();
            }
            return (int) length;
        }

        private void skip(int wire, int end) throws RejectedException {
            switch (wire) {
                case VARINT -> varint(end);
                case FIXED64 -> fixed64(end);
                case FIXED32 -> fixed32(end);
                case LENGTH -> {
                    int length = length(end);
                    position += length;
                }
                default -> throw new IllegalStateException("tag() lets no wire type " + wire + " through");
            }
        }

        private long varint(int end) throws RejectedException {
            if (position >= end) {
                throw truncated();
            }
            byte first = bytes[position++];
            return first >= 0 ? first : longVarint(first, end);
        }

        private long longVarint(byte first, int end) throws RejectedException {
            long value = first & 0x7F;
            for (int shift = 7; ; shift += 7) {
                if (position >= end) {
                    throw truncated();
                }
                byte next = bytes[position++];
                // The tenth byte holds the 64th bit alone.
                if (shift == 63 && next != 1) {
                    throw new RejectedException(Reason.MESSAGE_VARINT, "a varint is over 64 bits");
                }
                value |= (next & 0x7FL) << shift;
                if (next == 0) {
                    throw new RejectedException(Reason.MESSAGE_VARINT, "a varint is longer than need be");
                }
                if (next > 0) {
                    return value;
                }
            }
        }

        private long fixed64(int end) throws RejectedException {
            return (fixed32(end) & 0xFFFFFFFFL) | fixed32(end) << 32;
        }

        private long fixed32(int end) throws RejectedException {
            if (end - position < 4) {
                throw truncated();
            }
            int at = position;
            position = at + 4;
            return (bytes[at] & 0xFF)
                    | (bytes[at + 1] & 0xFF) << 8
                    | (bytes[at + 2] & 0xFF) << 16
                    | (long) bytes[at + 3] << 24;
        }

        /** Most text is, and this is most of what a scan does: so it goes by as many bytes at a time as there are. */
        private boolean isAscii(int from, int to) {
            if (to - from < Long.BYTES) {
                int any = 0;
                for (int at = from; at < to; at++) {
                    any |= bytes[at];
                }
                return any >= 0;
            }
            // The last ones, which the others may not come out even with.
            long any = (long) LONGS.get(bytes, to - Long.BYTES);
            int at = from;
            for (; to - at > 4 * Long.BYTES; at += 4 * Long.BYTES) {
                any |= (long) LONGS.get(bytes, at)
                        | (long) LONGS.get(bytes, at + Long.BYTES)
                        | (long) LONGS.get(bytes, at + 2 * Long.BYTES)
                        | (long) LONGS.get(bytes, at + 3 * Long.BYTES);
            }
            for (; to - at > Long.BYTES; at += Long.BYTES) {
                any |= (long) LONGS.get(bytes, at);
            }
            return (any & NOT_ASCII) == 0;
        }

        /** Well-formed UTF-8 by table 3-7 of the Unicode standard: no surrogates, nothing overlong. */
        private boolean isUtf8(int from, int to) {
            int at = from;
            while (at < to) {
                if (to - at >= Long.BYTES && ((long) LONGS.get(bytes, at) & NOT_ASCII) == 0) {
                    at += Long.BYTES;
                    continue;
                }
                int first = bytes[at++];
                if (first >= 0) {
                    continue;
                }
                first &= 0xFF;
                int low = 0x80;
                int high = 0xBF;
                int more;
                if (first >= 0xC2 && first <= 0xDF) {
                    more = 1;
                } else if (first >= 0xE0 && first <= 0xEF) {
                    more = 2;
                    if (first == 0xE0) {
                        low = 0xA0;
                    } else if (first == 0xED) {
                        high = 0x9F;
                    }
                } else if (first >= 0xF0 && first <= 0xF4) {
                    more = 3;
                    if (first == 0xF0) {
                        low = 0x90;
                    } else if (first == 0xF4) {
                        high = 0x8F;
                    }
                } else {
                    return false;
                }
                if (to - at < more) {
                    return false;
                }
                for (int i = 0; i < more; i++) {
                    int next = bytes[at++] & 0xFF;
                    if (next < low || next > high) {
                        return false;
                    }
                    low = 0x80;
                    high = 0xBF;
                }
            }
            return true;
        }

        private static RejectedException truncated() {
            return new RejectedException(Reason.MESSAGE_TRUNCATED, "a field runs past the end of its message");
        }
    }
}
