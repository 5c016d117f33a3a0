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

    private static final VarHandle EIGHT = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.nativeOrder());
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
        return scan(rule, body, start + FRAME_PREFIX, body.limit(), null);
    }

    /**
     * Scans one message, without its frame.
     *
     * @param message the whole message; its position and limit are left as they are
     * @throws RejectedException as {@link #scanUnary}, without the frame's reasons
     */
    public static References scanMessage(MessageRule rule, ByteBuffer message) throws RejectedException {
        return scan(rule, message, message.position(), message.limit(), null);
    }

    /**
     * Scans one message of many that are expected to name the same id. What comes of it is the same as without that; it only
     * takes less.
     *
     * @throws RejectedException as {@link #scanMessage(MessageRule, ByteBuffer)}
     */
    public static References scanMessage(MessageRule rule, ByteBuffer message, KnownId known) throws RejectedException {
        return scan(rule, message, message.position(), message.limit(), known);
    }

    private static References scan(MessageRule rule, ByteBuffer buffer, int start, int end, @Nullable KnownId known)
            throws RejectedException {
        if (buffer.hasArray()) {
            return scan(rule, buffer.array(), buffer.arrayOffset() + start, buffer.arrayOffset() + end, known);
        }
        byte[] copy = new byte[end - start];
        buffer.get(start, copy);
        return scan(rule, copy, 0, copy.length, known);
    }

    private static References scan(MessageRule rule, byte[] bytes, int start, int end, @Nullable KnownId known)
            throws RejectedException {
        Scan scan = new Scan(bytes);
        scan.walk(rule.plan(), start, end, MAX_DEPTH);
        Requirement broken = scan.broken;
        if (broken != null) {
            throw new RejectedException(Reason.VALUE_NOT_ALLOWED, "the rule forbids this value of " + broken.path);
        }
        if ((rule.occurringBits() & ~scan.occurred) != 0) {
            throw new RejectedException(Reason.VALUE_NOT_ALLOWED, "missing: " + missing(rule, scan.occurred));
        }
        return scan.references(rule.reference(), known);
    }

    private static String missing(MessageRule rule, long occurred) {
        for (Requirement requirement : rule.occurring()) {
            if ((requirement.occursBit & occurred) == 0) {
                return requirement.path;
            }
        }
        return "";
    }

    /**
     * What one scan has found. Where it has come to is handed on: each step takes a place and gives back the next one, since a
     * place that is kept here would be written and read again for every few bytes.
     */
    private static final class Scan {
        private final byte[] bytes;

        private int idAt;
        private int idLength;
        private int nameAt;
        private int nameLength;
        private int workspaceAt;
        private int workspaceLength;

        /** The first inner id, which is nearly always the only one; of no length until there is one. */
        private int innerAt;

        private int innerLength;

        /** Where other ones stand: offset, length, offset, length, … */
        private int @Nullable [] others;

        private int otherCount;

        private long occurred;
        private @Nullable Requirement broken;

        Scan(byte[] bytes) {
            this.bytes = bytes;
        }

        References references(MessageRule.Reference reference, @Nullable KnownId known) {
            if (reference == MessageRule.Reference.ID
                    && known != null
                    && others == null
                    && known.isAt(bytes, idAt, idLength)) {
                if (innerLength == 0) {
                    return known.outside();
                }
                if (known.isAt(bytes, innerAt, innerLength)) {
                    return known.throughout();
                }
            }
            return switch (reference) {
                case NONE -> innerLength == 0 ? References.NONE : new References("", "", "", innerIds());
                case ID -> new References(text(idAt, idLength), "", "", innerIds());
                case NAME ->
                    new References("", text(nameAt, nameLength), text(workspaceAt, workspaceLength), innerIds());
            };
        }

        /** The message between two places. */
        void walk(MessagePlan plan, int from, int end, int depth) throws RejectedException {
            long seen = 0;
            long oneofs = 0;
            int at = pastFreeTexts(plan, from, end);
            while (at < end) {
                int tag = bytes[at];
                if (tag == plan.innerTag && (seen & plan.innerBit) == 0 && isFirstInner(at + 1, end)) {
                    seen |= plan.innerBit;
                    at = pastFreeTexts(plan, at + 2 + innerLength, end);
                    continue;
                }
                if (tag >= FIRST_FIELD) {
                    at++;
                } else {
                    int past = pastVarint(at, end);
                    tag = longTag(varint(at, past));
                    at = past;
                }
                int wire = tag & 7;
                if ((WIRE_TYPES >>> wire & 1) == 0) {
                    throw noWireType(wire);
                }
                Field field = plan.field(tag >>> 3);
                if (field == null) {
                    if (plan.sealed()) {
                        throw new RejectedException(
                                Reason.MESSAGE_ONEOF, "unknown field " + (tag >>> 3) + " beside a oneof of the rule");
                    }
                    at = past(wire, at, end);
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
                    at = wire == LENGTH ? delimited(field, at, end, depth) : number(field, at, end);
                } else if (wire == LENGTH && field.packable) {
                    at = packed(field, at, end);
                } else {
                    throw new RejectedException(Reason.MESSAGE_WIRE_TYPE, field.name + " comes with wire type " + wire);
                }
                at = pastFreeTexts(plan, at, end);
            }
        }

        /**
         * Behind the texts that a glance is enough for, which most of most messages are: short, of ASCII, and nothing to the
         * rule. Whatever is not like that is where it stops, right or wrong.
         */
        private int pastFreeTexts(MessagePlan plan, int from, int end) {
            int at = from;
            while (end - at >= 2 && plan.isFreeText(bytes[at])) {
                int start = at + 2;
                int past = start + bytes[at + 1];
                if (past < start || past > end || !isAscii(start, past)) {
                    break;
                }
                at = past;
            }
            return at;
        }

        /** Whether the first inner id comes again, length and text, as it does in each line of a batch. */
        private boolean isFirstInner(int at, int end) {
            return at < end
                    && bytes[at] == innerLength
                    && innerLength < end - at
                    && isSame(innerAt, at + 1, innerLength);
        }

        private int number(Field field, int at, int end) throws RejectedException {
            int past = past(field.wire, at, end);
            Requirement requirement = field.requirement;
            if (requirement != null) {
                occurred |= requirement.occursBit;
                if (!requirement.allows(field.wire == VARINT ? varint(at, past) : fixed(at, past))) {
                    broken = requirement;
                }
            }
            return past;
        }

        private int delimited(Field field, int at, int end, int depth) throws RejectedException {
            int start = pastVarint(at, end);
            int past = past(varint(at, start), start, end);
            if (field.content == Content.MESSAGE) {
                if (depth == 0) {
                    throw new RejectedException(Reason.MESSAGE_DEPTH, "nested too deep at " + field.name);
                }
                MessagePlan child = field.child;
                if (child == null) {
                    throw new IllegalStateException("no plan for the message field " + field.name);
                }
                walk(child, start, past, depth - 1);
            } else {
                if (field.content == Content.TEXT && !isAscii(start, past) && !isUtf8(start, past)) {
                    throw new RejectedException(Reason.MESSAGE_UTF8, field.name + " is not UTF-8");
                }
                if (field.slot != Slot.NOTHING) {
                    note(field.slot, start, past - start);
                }
            }
            Requirement requirement = field.requirement;
            if (requirement != null) {
                occurred |= requirement.occursBit;
                if (!allows(requirement, start, past - start)) {
                    broken = requirement;
                }
            }
            return past;
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

        private int packed(Field field, int at, int end) throws RejectedException {
            int start = pastVarint(at, end);
            int past = past(varint(at, start), start, end);
            Requirement requirement = field.requirement;
            if (requirement != null) {
                // An empty packed field is no element: to a decoder it is as if it were not there.
                if (past > start) {
                    occurred |= requirement.occursBit;
                }
                if (requirement.kind != Requirement.Kind.PRESENT) {
                    broken = requirement;
                }
            }
            for (int element = start; element < past; ) {
                element = past(field.wire, element, past);
            }
            return past;
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
            if (length == 0 || (length == innerLength && isSame(innerAt, at, length))) {
                return;
            }
            if (innerLength == 0) {
                innerAt = at;
                innerLength = length;
                return;
            }
            int[] known = others;
            if (known == null) {
                known = new int[2 * (MAX_INNER - 1)];
                others = known;
            }
            for (int i = 0; i < otherCount; i++) {
                if (known[2 * i + 1] == length && isSame(known[2 * i], at, length)) {
                    return;
                }
            }
            if (otherCount == MAX_INNER - 1) {
                throw new RejectedException(
                        Reason.CROSS_SANDBOX, "the message names more than " + MAX_INNER + " sandboxes");
            }
            known[2 * otherCount] = at;
            known[2 * otherCount + 1] = length;
            otherCount++;
        }

        private boolean isSame(int a, int b, int length) {
            if (length < 8) {
                int i = 0;
                while (i < length && bytes[a + i] == bytes[b + i]) {
                    i++;
                }
                return i == length;
            }
            int last = length - 8;
            for (int i = 0; i < last; i += 8) {
                if (eight(a + i) != eight(b + i)) {
                    return false;
                }
            }
            return eight(a + last) == eight(b + last);
        }

        private List<String> innerIds() {
            int[] known = others;
            if (innerLength == 0) {
                return List.of();
            }
            String first = text(innerAt, innerLength);
            if (known == null) {
                return List.of(first);
            }
            List<String> ids = new ArrayList<>(1 + otherCount);
            ids.add(first);
            for (int i = 0; i < otherCount; i++) {
                ids.add(text(known[2 * i], known[2 * i + 1]));
            }
            return ids;
        }

        private String text(int at, int length) {
            return length == 0 ? "" : new String(bytes, at, length, StandardCharsets.UTF_8);
        }

        /** A tag of several bytes, or a wrong one. */
        private static int longTag(long tag) throws RejectedException {
            if ((tag >>> 32) != 0 || (tag >>> 3) == 0) {
                throw new RejectedException(Reason.MESSAGE_TAG, "a tag is out of range");
            }
            return (int) tag;
        }

        private static RejectedException noWireType(int wire) {
            return wire == GROUP || wire == GROUP_END
                    ? new RejectedException(Reason.MESSAGE_GROUP, "a group")
                    : new RejectedException(Reason.MESSAGE_TAG, "wire type " + wire + " does not exist");
        }

        /** Behind a value. */
        private int past(int wire, int at, int end) throws RejectedException {
            return switch (wire) {
                case VARINT -> pastVarint(at, end);
                case FIXED64 -> past(8L, at, end);
                case FIXED32 -> past(4L, at, end);
                case LENGTH -> {
                    int start = pastVarint(at, end);
                    yield past(varint(at, start), start, end);
                }
                default -> throw new IllegalStateException("there is no wire type " + wire);
            };
        }

        /** Behind so many bytes. */
        private static int past(long length, int at, int end) throws RejectedException {
            if (length < 0 || length > end - at) {
                throw truncated();
            }
            return at + (int) length;
        }

        /** Behind a varint, which is as short as can be. */
        private int pastVarint(int at, int end) throws RejectedException {
            if (at >= end) {
                throw truncated();
            }
            return bytes[at] >= 0 ? at + 1 : pastLongVarint(at, end);
        }

        private int pastLongVarint(int at, int end) throws RejectedException {
            for (int past = at + 1; past < end; past++) {
                byte next = bytes[past];
                // The tenth byte holds the 64th bit alone.
                if (past - at == 9 && next != 1) {
                    throw new RejectedException(Reason.MESSAGE_VARINT, "a varint is over 64 bits");
                }
                if (next == 0) {
                    throw new RejectedException(Reason.MESSAGE_VARINT, "a varint is longer than need be");
                }
                if (next > 0) {
                    return past + 1;
                }
            }
            throw truncated();
        }

        /** The value of a varint that was found between two places. */
        private long varint(int at, int past) {
            long value = bytes[past - 1];
            for (int i = past - 2; i >= at; i--) {
                value = value << 7 | (bytes[i] & 0x7F);
            }
            return value;
        }

        /** The bits of a fixed number, the lowest byte first; the sign of a short one goes on. */
        private long fixed(int at, int past) {
            long value = bytes[past - 1];
            for (int i = past - 2; i >= at; i--) {
                value = value << 8 | (bytes[i] & 0xFF);
            }
            return value;
        }

        /** Most text is, and this is most of what a scan does: so it goes by as many bytes at a time as there are. */
        private boolean isAscii(int from, int to) {
            if (to - from < 8) {
                int any = 0;
                for (int at = from; at < to; at++) {
                    any |= bytes[at];
                }
                return any >= 0;
            }
            // The last ones, which the others may not come out even with.
            long any = eight(to - 8);
            int at = from;
            for (; to - at > 32; at += 32) {
                any |= eight(at) | eight(at + 8) | eight(at + 16) | eight(at + 24);
            }
            for (; to - at > 8; at += 8) {
                any |= eight(at);
            }
            return (any & NOT_ASCII) == 0;
        }

        private long eight(int at) {
            return (long) EIGHT.get(bytes, at);
        }

        /** Well-formed UTF-8 by table 3-7 of the Unicode standard: no surrogates, nothing overlong. */
        private boolean isUtf8(int from, int to) {
            int at = from;
            while (at < to) {
                if (to - at >= 8 && (eight(at) & NOT_ASCII) == 0) {
                    at += 8;
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
