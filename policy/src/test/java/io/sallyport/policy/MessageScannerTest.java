package io.sallyport.policy;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowable;

import io.sallyport.base.Reason;
import io.sallyport.base.RejectedException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class MessageScannerTest {
    private static final String SERVICE = "/openshell.v1.OpenShell/";
    private static final AccessPolicy BY_ID = Policies.preset("openshell-0.0");
    private static final AccessPolicy BY_NAME = Policies.preset("openshell-0.1");
    private static final Wire OWN = Wire.EMPTY.text(1, "alpha");
    private static final Wire OTHER = Wire.EMPTY.text(1, "beta");

    private static MessageRule rule(AccessPolicy policy, String method) {
        return Policies.method(policy, SERVICE + method).messages();
    }

    /** The reason a body is refused for; null when it is accepted. */
    private static @Nullable Reason reason(MessageRule rule, Wire body) {
        return catchThrowable(() -> MessageScanner.scanUnary(rule, body.buffer())) instanceof RejectedException e
                ? e.reason()
                : null;
    }

    /** Bodies that are refused whatever the first field means; every generation, the same answer. */
    enum EvilBody {
        NOTHING(Wire.EMPTY, Reason.BODY_MISSING),
        ONE_BYTE(Wire.EMPTY.raw(0), Reason.FRAME_MALFORMED),
        FOUR_BYTES(Wire.EMPTY.raw(0, 0, 0, 0), Reason.FRAME_MALFORMED),
        COMPRESSED(Wire.EMPTY.raw(1).length(7).raw(OWN.bytes()), Reason.FRAME_COMPRESSED),
        COMPRESSED_AND_EMPTY(Wire.EMPTY.raw(1).length(0), Reason.FRAME_COMPRESSED),
        FLAG_TWO(Wire.EMPTY.raw(2).length(7).raw(OWN.bytes()), Reason.FRAME_MALFORMED),
        FLAG_OF_TRAILERS(Wire.EMPTY.raw(0x80).length(7).raw(OWN.bytes()), Reason.FRAME_MALFORMED),
        LENGTH_ONE_TOO_LONG(Wire.EMPTY.raw(0).length(8).raw(OWN.bytes()), Reason.FRAME_MALFORMED),
        LENGTH_OF_4_GIB(Wire.EMPTY.raw(0).length(-1).raw(OWN.bytes()), Reason.FRAME_MALFORMED),
        LENGTH_ONE_TOO_SHORT(Wire.EMPTY.raw(0).length(6).raw(OWN.bytes()), Reason.FRAME_EXTRA),
        TRAILING_BYTE(OWN.framed().raw(0), Reason.FRAME_EXTRA),
        TWO_MESSAGES(OWN.framed().raw(OTHER.framed().bytes()), Reason.FRAME_EXTRA),
        AN_EMPTY_SECOND_MESSAGE(OWN.framed().raw(Wire.EMPTY.framed().bytes()), Reason.FRAME_EXTRA),

        OWN_THEN_OTHER(OWN.text(1, "beta").framed(), Reason.MESSAGE_FIELD_REPEATED),
        OTHER_THEN_OWN(OTHER.text(1, "alpha").framed(), Reason.MESSAGE_FIELD_REPEATED),
        OWN_THEN_EMPTY(OWN.text(1, "").framed(), Reason.MESSAGE_FIELD_REPEATED),
        EMPTY_THEN_OTHER(Wire.EMPTY.text(1, "").text(1, "beta").framed(), Reason.MESSAGE_FIELD_REPEATED),
        OWN_TWICE(OWN.text(1, "alpha").framed(), Reason.MESSAGE_FIELD_REPEATED),
        OWN_THEN_OTHER_FAR_APART(
                OWN.number(200, 5).text(77, "x").text(1, "beta").framed(), Reason.MESSAGE_FIELD_REPEATED),
        OTHER_WITH_AN_OVERLONG_TAG(
                OWN.raw(0x8A, 0).varint(4).raw('b', 'e', 't', 'a').framed(), Reason.MESSAGE_VARINT),

        AS_VARINT(Wire.EMPTY.number(1, 5).framed(), Reason.MESSAGE_WIRE_TYPE),
        AS_FIXED64(Wire.EMPTY.tag(1, 1).raw(new byte[8]).framed(), Reason.MESSAGE_WIRE_TYPE),
        AS_FIXED32(Wire.EMPTY.tag(1, 5).raw(new byte[4]).framed(), Reason.MESSAGE_WIRE_TYPE),
        OWN_THEN_AS_VARINT(OWN.number(1, 5).framed(), Reason.MESSAGE_FIELD_REPEATED),
        AS_GROUP(Wire.EMPTY.tag(1, 3).tag(1, 4).framed(), Reason.MESSAGE_GROUP),
        UNKNOWN_GROUP(OWN.tag(99, 3).tag(99, 4).framed(), Reason.MESSAGE_GROUP),
        UNKNOWN_GROUP_AROUND_OTHER(OWN.tag(99, 3).text(1, "beta").tag(99, 4).framed(), Reason.MESSAGE_GROUP),
        END_OF_NO_GROUP(OWN.tag(1, 4).framed(), Reason.MESSAGE_GROUP),
        WIRE_TYPE_SIX(OWN.tag(9, 6).framed(), Reason.MESSAGE_TAG),
        WIRE_TYPE_SEVEN(OWN.tag(9, 7).framed(), Reason.MESSAGE_TAG),
        FIELD_ZERO(OWN.tag(0, 2).varint(0).framed(), Reason.MESSAGE_TAG),
        TAG_OF_33_BITS(
                OWN.tag(1L << 29 | 1, 2).varint(4).raw('b', 'e', 't', 'a').framed(), Reason.MESSAGE_TAG),
        TAG_OF_64_BITS(OWN.varint(-1L << 3 | 2).varint(0).framed(), Reason.MESSAGE_TAG),

        OVERLONG_TAG(
                Wire.EMPTY
                        .overlong(1 << 3 | 2, 2)
                        .varint(5)
                        .raw("alpha".getBytes(UTF_8))
                        .framed(),
                Reason.MESSAGE_VARINT),
        OVERLONG_TAG_OF_TEN(Wire.EMPTY.overlong(1 << 3 | 2, 10).varint(0).framed(), Reason.MESSAGE_VARINT),
        OVERLONG_LENGTH(
                Wire.EMPTY.tag(1, 2).overlong(5, 2).raw("alpha".getBytes(UTF_8)).framed(), Reason.MESSAGE_VARINT),
        OVERLONG_VALUE_OF_AN_UNKNOWN_FIELD(OWN.tag(99, 0).overlong(0, 2).framed(), Reason.MESSAGE_VARINT),
        TENTH_BYTE_TOO_LARGE(
                OWN.tag(99, 0)
                        .raw(255, 255, 255, 255, 255, 255, 255, 255, 255, 3)
                        .framed(),
                Reason.MESSAGE_VARINT),
        ELEVEN_BYTES(
                OWN.tag(99, 0)
                        .raw(255, 255, 255, 255, 255, 255, 255, 255, 255, 129, 0)
                        .framed(),
                Reason.MESSAGE_VARINT),
        CUT_IN_A_TAG(OWN.raw(0x8A).framed(), Reason.MESSAGE_TRUNCATED),
        CUT_AFTER_A_TAG(OWN.tag(99, 0).framed(), Reason.MESSAGE_TRUNCATED),
        CUT_IN_A_VARINT(OWN.tag(99, 0).raw(0x80).framed(), Reason.MESSAGE_TRUNCATED),
        CUT_IN_A_STRING(OWN.cut(6).framed(), Reason.MESSAGE_TRUNCATED),
        CUT_IN_AN_UNKNOWN_FIXED64(OWN.tag(99, 1).raw(new byte[7]).framed(), Reason.MESSAGE_TRUNCATED),
        CUT_IN_AN_UNKNOWN_FIXED32(OWN.tag(99, 5).raw(new byte[3]).framed(), Reason.MESSAGE_TRUNCATED),
        CUT_IN_AN_UNKNOWN_STRING(OWN.tag(99, 2).varint(2).raw(0).framed(), Reason.MESSAGE_TRUNCATED),
        LENGTH_OF_2_GIB(OWN.tag(99, 2).varint(1L << 31).framed(), Reason.MESSAGE_TRUNCATED),
        LENGTH_OF_4_GIB_AND_NOTHING(OWN.tag(99, 2).varint(1L << 32).framed(), Reason.MESSAGE_TRUNCATED),
        NEGATIVE_LENGTH(OWN.tag(99, 2).varint(-1).framed(), Reason.MESSAGE_TRUNCATED),
        MESSAGE_ZERO_BYTE(OWN.raw(0).framed(), Reason.MESSAGE_TAG),

        LATIN_1(Wire.EMPTY.data(1, new byte[] {'a', (byte) 0xE4}).framed(), Reason.MESSAGE_UTF8),
        LONE_CONTINUATION(Wire.EMPTY.data(1, new byte[] {(byte) 0x80}).framed(), Reason.MESSAGE_UTF8),
        OVERLONG_SLASH(Wire.EMPTY.data(1, new byte[] {(byte) 0xC0, (byte) 0xAF}).framed(), Reason.MESSAGE_UTF8),
        SURROGATE(
                Wire.EMPTY
                        .data(1, new byte[] {(byte) 0xED, (byte) 0xA0, (byte) 0x80})
                        .framed(),
                Reason.MESSAGE_UTF8),
        OVER_10FFFF(
                Wire.EMPTY
                        .data(1, new byte[] {(byte) 0xF4, (byte) 0x90, (byte) 0x80, (byte) 0x80})
                        .framed(),
                Reason.MESSAGE_UTF8),
        UTF8_CUT_SHORT(
                Wire.EMPTY.data(1, new byte[] {'a', (byte) 0xE2, (byte) 0x82}).framed(), Reason.MESSAGE_UTF8),
        LATIN_1_AFTER_EIGHT(
                Wire.EMPTY.data(1, "12345678\u00e4".getBytes(ISO_8859_1)).framed(), Reason.MESSAGE_UTF8);

        @SuppressWarnings("ImmutableEnumChecker") // A Wire never changes.
        private final Wire body;

        private final Reason reason;

        EvilBody(Wire body, Reason reason) {
            this.body = body;
            this.reason = reason;
        }
    }

    @ParameterizedTest
    @EnumSource(EvilBody.class)
    void evilBodiesAreRefusedInBothGenerations(EvilBody evil) {
        assertThat(reason(rule(BY_ID, "GetSandboxConfig"), evil.body)).isEqualTo(evil.reason);
        assertThat(reason(rule(BY_NAME, "GetSandboxConfig"), evil.body)).isEqualTo(evil.reason);
    }

    /** What one method's rule makes of one message. */
    record Row(
            String what,
            AccessPolicy policy,
            String method,
            Wire message,
            @Nullable Reason reason,
            References says) {
        @Override
        public String toString() {
            return method + ": " + what;
        }
    }

    private static Row accepted(String what, AccessPolicy policy, String method, Wire message, References says) {
        return new Row(what, policy, method, message, null, says);
    }

    private static Row refused(String what, AccessPolicy policy, String method, Wire message, Reason reason) {
        return new Row(what, policy, method, message, reason, References.NONE);
    }

    private static References id(String id, String... inner) {
        return new References(id, "", "", List.of(inner));
    }

    private static References name(String name, String workspace, String... inner) {
        return new References("", name, workspace, List.of(inner));
    }

    static Stream<Row> byId() {
        String config = "GetSandboxConfig";
        String env = "GetSandboxProviderEnvironment";
        String logs = "PushSandboxLogs";
        String hello = "ConnectSupervisor";
        Wire line = Wire.EMPTY.text(1, "alpha").text(5, "hello, w\u00f6rld");
        return Stream.of(
                accepted("own", BY_ID, config, OWN, id("alpha")),
                accepted("nothing said", BY_ID, config, Wire.EMPTY, id("")),
                accepted("\"\" said", BY_ID, config, Wire.EMPTY.text(1, ""), id("")),
                accepted("unknown fields", BY_ID, config, OWN.number(99, -1).text(300, "\u00ff"), id("alpha")),
                accepted(
                        "unknown bytes before",
                        BY_ID,
                        config,
                        Wire.EMPTY.data(88, new byte[] {-1}).text(1, "alpha"),
                        id("alpha")),
                accepted(
                        "highest field number",
                        BY_ID,
                        config,
                        OWN.tag((1 << 29) - 1, 0).varint(0),
                        id("alpha")),
                accepted(
                        "UTF-8 of every length",
                        BY_ID,
                        config,
                        Wire.EMPTY.text(1, "a\u00e9\u20ac\ud83d\ude00"),
                        id("a\u00e9\u20ac\ud83d\ude00")),
                accepted("a NUL inside", BY_ID, config, Wire.EMPTY.text(1, "alpha\0"), id("alpha\0")),
                accepted("bool", BY_ID, env, OWN.number(2, 1), id("alpha")),
                accepted(
                        "a bool twice, off the paths",
                        BY_ID,
                        env,
                        OWN.number(2, 1).number(2, 0),
                        id("alpha")),
                refused("bool as string", BY_ID, env, OWN.text(2, "x"), Reason.MESSAGE_WIRE_TYPE),
                accepted("lines that agree", BY_ID, logs, OWN.message(2, line).message(2, line), id("alpha", "alpha")),
                accepted(
                        "lines that say nothing",
                        BY_ID,
                        logs,
                        OWN.message(2, Wire.EMPTY).message(2, Wire.EMPTY.text(1, "")),
                        id("alpha")),
                accepted(
                        "lines before the id",
                        BY_ID,
                        logs,
                        Wire.EMPTY.message(2, line).text(1, "alpha"),
                        id("alpha", "alpha")),
                accepted(
                        "a line of another",
                        BY_ID,
                        logs,
                        OWN.message(2, line).message(2, OTHER).message(2, line),
                        id("alpha", "alpha", "beta")),
                accepted(
                        "ids that share a beginning",
                        BY_ID,
                        logs,
                        OWN.message(2, Wire.EMPTY.text(1, "alph")).message(2, line),
                        id("alpha", "alph", "alpha")),
                refused(
                        "a line with two ids",
                        BY_ID,
                        logs,
                        OWN.message(2, line.text(1, "beta")),
                        Reason.MESSAGE_FIELD_REPEATED),
                refused(
                        "a line's text no UTF-8",
                        BY_ID,
                        logs,
                        OWN.message(2, Wire.EMPTY.data(5, new byte[] {-1})),
                        Reason.MESSAGE_UTF8),
                refused(
                        "a line's id runs out of the line",
                        BY_ID,
                        logs,
                        OWN.tag(2, 2).varint(2).raw(10, 4, 'b', 'e', 't', 'a'),
                        Reason.MESSAGE_TRUNCATED),
                refused(
                        "a line as a group",
                        BY_ID,
                        logs,
                        OWN.tag(2, 3).text(1, "beta").tag(2, 4),
                        Reason.MESSAGE_GROUP),
                accepted("hello", BY_ID, hello, Wire.EMPTY.message(1, OWN), id("alpha")),
                accepted("heartbeat", BY_ID, hello, Wire.EMPTY.message(2, Wire.EMPTY), id("")),
                refused(
                        "hello and heartbeat",
                        BY_ID,
                        hello,
                        Wire.EMPTY.message(1, OWN).message(2, Wire.EMPTY),
                        Reason.MESSAGE_ONEOF),
                refused(
                        "heartbeat and hello",
                        BY_ID,
                        hello,
                        Wire.EMPTY.message(2, Wire.EMPTY).message(1, OWN),
                        Reason.MESSAGE_ONEOF),
                refused(
                        "heartbeat twice",
                        BY_ID,
                        hello,
                        Wire.EMPTY.message(2, Wire.EMPTY).message(2, Wire.EMPTY),
                        Reason.MESSAGE_ONEOF),
                refused(
                        "two halves of a hello",
                        BY_ID,
                        hello,
                        Wire.EMPTY.message(1, OWN).message(1, Wire.EMPTY),
                        Reason.MESSAGE_FIELD_REPEATED),
                refused(
                        "an unknown member beside the hello",
                        BY_ID,
                        hello,
                        Wire.EMPTY.message(1, OWN).message(5, Wire.EMPTY),
                        Reason.MESSAGE_ONEOF),
                accepted(
                        "a tunnel's bytes",
                        BY_ID,
                        "RelayStream",
                        Wire.EMPTY.data(2, new byte[] {-1, 0}),
                        References.NONE),
                refused(
                        "a tunnel's broken init",
                        BY_ID,
                        "RelayStream",
                        Wire.EMPTY.message(1, Wire.EMPTY.data(1, new byte[] {-1})),
                        Reason.MESSAGE_UTF8),
                accepted(
                        "services",
                        BY_ID,
                        "RefreshSandboxToken",
                        Wire.EMPTY.text(1, "a").text(1, "b"),
                        References.NONE),
                refused(
                        "a group",
                        BY_ID,
                        "RefreshSandboxToken",
                        Wire.EMPTY.tag(1, 3).tag(1, 4),
                        Reason.MESSAGE_GROUP),
                refused(
                        "an empty request that is cut",
                        BY_ID,
                        "IssueSandboxToken",
                        Wire.EMPTY.tag(1, 2),
                        Reason.MESSAGE_TRUNCATED));
    }

    static Stream<Row> byName() {
        String config = "GetSandboxConfig";
        String draft = "GetDraftPolicy";
        String analysis = "SubmitPolicyAnalysis";
        Wire inTeam = Wire.EMPTY.text(1, "team");
        return Stream.of(
                accepted("default workspace", BY_ID, draft, OWN, name("alpha", "")),
                accepted("a workspace", BY_ID, draft, OWN.text(3, "team"), name("alpha", "team")),
                accepted("the workspace alone", BY_ID, draft, Wire.EMPTY.text(3, "team"), name("", "team")),
                refused("two workspaces", BY_ID, draft, OWN.text(3, "team").text(3, ""), Reason.MESSAGE_FIELD_REPEATED),
                accepted(
                        "summaries",
                        BY_ID,
                        analysis,
                        Wire.EMPTY.message(1, OWN).text(4, "alpha"),
                        name("alpha", "", "alpha")),
                accepted("default workspace", BY_NAME, config, OWN, name("alpha", "")),
                accepted(
                        "a scope that selects nothing", BY_NAME, config, OWN.message(3, Wire.EMPTY), name("alpha", "")),
                accepted("a workspace", BY_NAME, config, OWN.message(3, inTeam), name("alpha", "team")),
                accepted("\"\" selected", BY_NAME, config, OWN.message(3, Wire.EMPTY.text(1, "")), name("alpha", "")),
                refused(
                        "all workspaces",
                        BY_NAME,
                        config,
                        OWN.message(3, Wire.EMPTY.message(2, Wire.EMPTY)),
                        Reason.VALUE_NOT_ALLOWED),
                refused(
                        "a workspace and all",
                        BY_NAME,
                        config,
                        OWN.message(3, inTeam.message(2, Wire.EMPTY)),
                        Reason.MESSAGE_ONEOF),
                refused(
                        "all and a workspace",
                        BY_NAME,
                        config,
                        OWN.message(3, Wire.EMPTY.message(2, Wire.EMPTY).text(1, "team")),
                        Reason.MESSAGE_ONEOF),
                refused(
                        "scopes that merge",
                        BY_NAME,
                        config,
                        OWN.message(3, inTeam).message(3, Wire.EMPTY),
                        Reason.MESSAGE_FIELD_REPEATED),
                refused(
                        "a scope of another kind",
                        BY_NAME,
                        config,
                        OWN.message(3, Wire.EMPTY.number(9, 1)),
                        Reason.MESSAGE_ONEOF),
                refused(
                        "all workspaces of the draft",
                        BY_NAME,
                        draft,
                        OWN.message(3, Wire.EMPTY.message(2, Wire.EMPTY)),
                        Reason.VALUE_NOT_ALLOWED),
                accepted(
                        "summaries",
                        BY_NAME,
                        analysis,
                        Wire.EMPTY
                                .text(4, "alpha")
                                .message(1, OWN)
                                .message(1, OTHER)
                                .message(6, inTeam),
                        name("alpha", "team", "alpha", "beta")));
    }

    /** UpdateConfig: a sandbox may only sync its own policy. */
    static Stream<Row> ownPolicyOnly() {
        String update = "UpdateConfig";
        Wire sync = OWN.message(2, Wire.EMPTY.number(1, 3));
        return Stream.of(BY_ID, BY_NAME)
                .flatMap(policy -> Stream.of(
                        accepted("a policy", policy, update, sync, name("alpha", "")),
                        accepted("an empty policy", policy, update, OWN.message(2, Wire.EMPTY), name("alpha", "")),
                        accepted(
                                "false, said",
                                policy,
                                update,
                                sync.number(5, 0).number(6, 0).text(3, ""),
                                name("alpha", "")),
                        // A gateway keeps them on the sandbox's own object, and as the origin of its policy.
                        refused(
                                "annotations",
                                policy,
                                update,
                                sync.message(9, Wire.EMPTY.text(1, "k").text(2, "v")),
                                Reason.VALUE_NOT_ALLOWED),
                        refused("no policy", policy, update, OWN, Reason.VALUE_NOT_ALLOWED),
                        refused("global", policy, update, sync.number(6, 1), Reason.VALUE_NOT_ALLOWED),
                        refused("global, as 2", policy, update, sync.number(6, 2), Reason.VALUE_NOT_ALLOWED),
                        refused("global, as 2^32", policy, update, sync.number(6, 1L << 32), Reason.VALUE_NOT_ALLOWED),
                        refused("global, as 2^63", policy, update, sync.number(6, 1L << 63), Reason.VALUE_NOT_ALLOWED),
                        refused(
                                "global, then not",
                                policy,
                                update,
                                sync.number(6, 1).number(6, 0),
                                Reason.MESSAGE_FIELD_REPEATED),
                        refused(
                                "not global, then global",
                                policy,
                                update,
                                sync.number(6, 0).number(6, 1),
                                Reason.MESSAGE_FIELD_REPEATED),
                        refused(
                                "global, packed",
                                policy,
                                update,
                                sync.data(6, new byte[] {1}),
                                Reason.MESSAGE_WIRE_TYPE),
                        refused(
                                "global, overlong",
                                policy,
                                update,
                                sync.tag(6, 0).overlong(1, 2),
                                Reason.MESSAGE_VARINT),
                        refused("deletes a setting", policy, update, sync.number(5, 1), Reason.VALUE_NOT_ALLOWED),
                        refused("a setting", policy, update, sync.text(3, "k"), Reason.VALUE_NOT_ALLOWED),
                        refused(
                                "a setting's value",
                                policy,
                                update,
                                sync.message(4, Wire.EMPTY),
                                Reason.VALUE_NOT_ALLOWED),
                        refused("a merge", policy, update, sync.message(7, Wire.EMPTY), Reason.VALUE_NOT_ALLOWED),
                        refused(
                                "two policies",
                                policy,
                                update,
                                sync.message(2, Wire.EMPTY),
                                Reason.MESSAGE_FIELD_REPEATED),
                        refused(
                                "a broken policy",
                                policy,
                                update,
                                OWN.message(2, Wire.EMPTY.text(1, "x")),
                                Reason.MESSAGE_WIRE_TYPE),
                        refused(
                                "a broken annotation",
                                policy,
                                update,
                                sync.message(9, Wire.EMPTY.data(1, new byte[] {-1})),
                                Reason.MESSAGE_UTF8)));
    }

    @ParameterizedTest
    @MethodSource({"byId", "byName", "ownPolicyOnly"})
    void readsWhatTheRuleAsksFor(Row row) throws RejectedException {
        MessageRule rule = rule(row.policy, row.method);
        Reason refused = row.reason;
        if (refused != null) {
            assertThat(catchThrowable(() -> MessageScanner.scanMessage(rule, row.message.buffer())))
                    .isInstanceOfSatisfying(
                            RejectedException.class, e -> assertThat(e.reason()).isEqualTo(refused));
            assertThat(reason(rule, row.message.framed())).isEqualTo(refused);
        } else {
            assertThat(MessageScanner.scanMessage(rule, row.message.buffer())).isEqualTo(row.says);
            assertThat(MessageScanner.scanUnary(rule, row.message.framed().buffer()))
                    .isEqualTo(row.says);
        }
    }

    @Test
    void asManyInnerIdsAsCouldBeTheCallersAndNoMore() throws RejectedException {
        MessageRule logs = rule(BY_ID, "PushSandboxLogs");
        Wire message = OWN;
        for (int i = 0; i < MessageScanner.MAX_INNER; i++) {
            message = message.message(2, Wire.EMPTY.text(1, "id-" + i));
        }
        // Repeats are not new ones.
        message = message.message(2, Wire.EMPTY.text(1, "id-0")).message(2, Wire.EMPTY.text(1, "id-5"));
        assertThat(MessageScanner.scanMessage(logs, message.buffer()).inner())
                .containsExactlyElementsOf(IntStream.range(0, MessageScanner.MAX_INNER)
                        .mapToObj(i -> "id-" + i)
                        .toList());
        assertThat(reason(logs, message.message(2, OTHER).framed())).isEqualTo(Reason.CROSS_SANDBOX);
    }

    /** The first inner id is known again by its bytes: what is not quite it is another one. */
    @ParameterizedTest
    @ValueSource(ints = {1, 7, 8, 9, 16, 17, 36, 127, 128, 200})
    void anInnerIdThatDiffersInAByteIsAnotherOne(int length) throws RejectedException {
        MessageRule logs = rule(BY_ID, "PushSandboxLogs");
        String id = "x".repeat(length);
        Wire line = Wire.EMPTY.text(1, id).text(5, "hello");
        Wire twoLines = OWN.message(2, line).message(2, line);
        assertThat(MessageScanner.scanMessage(logs, twoLines.buffer()).inner()).containsExactly(id);
        for (int at = 0; at < length; at++) {
            String other = id.substring(0, at) + "y" + id.substring(at + 1);
            assertThat(MessageScanner.scanMessage(
                                    logs,
                                    twoLines.message(2, Wire.EMPTY.text(1, other))
                                            .buffer())
                            .inner())
                    .containsExactly(id, other);
        }
        // Also one that goes on as the message does behind the first.
        for (String more : List.of("x", "*\u0005hello")) {
            assertThat(MessageScanner.scanMessage(
                                    logs,
                                    twoLines.message(2, Wire.EMPTY.text(1, id + more))
                                            .buffer())
                            .inner())
                    .containsExactly(id, id + more);
        }
        assertThat(reason(logs, twoLines.message(2, line.text(1, id)).framed()))
                .isEqualTo(Reason.MESSAGE_FIELD_REPEATED);
        // The line ends within its id, though the same id stands where it would go on.
        assertThat(reason(
                        logs,
                        twoLines.tag(2, 2)
                                .varint(line.size() - 8)
                                .raw(line.bytes())
                                .framed()))
                .isEqualTo(Reason.MESSAGE_TRUNCATED);
    }

    /** The expected id is compared whole: what it begins with, and what begins with it, are others. */
    @Test
    void whichIdIsExpectedMakesNoDifference() throws RejectedException {
        MessageRule logs = rule(BY_ID, "PushSandboxLogs");
        List<String> ids = List.of("", "a", "alph", "alpha", "alphb", "alpha2", "beta");
        for (String top : ids) {
            for (String inner : ids) {
                Wire message = Wire.EMPTY.text(1, top).message(2, Wire.EMPTY.text(1, inner));
                References says = new References(top, "", "", inner.isEmpty() ? List.of() : List.of(inner));
                for (String known : ids) {
                    assertThat(MessageScanner.scanMessage(logs, message.buffer(), new KnownId(known)))
                            .isEqualTo(says);
                }
            }
        }
    }

    /** Every byte where a tag is expected, with an empty value behind it. */
    @Test
    void onlyTheTagOfATextIsReadAsOne() {
        MessageRule logs = rule(BY_ID, "PushSandboxLogs");
        for (int tag = 0; tag < 256; tag++) {
            int number = tag >>> 3;
            boolean unknown = number == 2 || number > 6;
            boolean good = tag < 128 && number > 1 && ((tag & 7) == 2 || ((tag & 7) == 0 && unknown));
            Wire line = Wire.EMPTY.text(1, "x").raw(tag, 0);
            assertThat(reason(logs, OWN.message(2, line).framed()) == null)
                    .as("%02x", tag)
                    .isEqualTo(good);
        }
    }

    /** Where the bytes lie must not matter. */
    static Stream<ByteBuffer> buffers() {
        byte[] body = OWN.framed().bytes();
        ByteBuffer direct = ByteBuffer.allocateDirect(body.length).put(body).flip();
        ByteBuffer inTheMiddle = ByteBuffer.allocate(body.length + 9)
                .put(new byte[] {9, 9, 9, 9})
                .put(body)
                .put(new byte[] {9, 9, 9, 9, 9})
                .position(4)
                .limit(4 + body.length);
        return Stream.of(
                ByteBuffer.wrap(body),
                ByteBuffer.wrap(body).asReadOnlyBuffer(),
                direct,
                inTheMiddle,
                inTheMiddle.slice(),
                ByteBuffer.wrap(body).order(ByteOrder.LITTLE_ENDIAN));
    }

    @ParameterizedTest
    @MethodSource("buffers")
    void readsAnyBufferAndLeavesItAsItWas(ByteBuffer buffer) throws RejectedException {
        int position = buffer.position();
        int limit = buffer.limit();
        assertThat(MessageScanner.scanUnary(rule(BY_ID, "GetSandboxConfig"), buffer)
                        .id())
                .isEqualTo("alpha");
        assertThat(buffer.position()).isEqualTo(position);
        assertThat(buffer.limit()).isEqualTo(limit);
    }

    /** Text is looked at several bytes at a time: every length, and a wrong byte at every place of it. */
    @ParameterizedTest
    @ValueSource(ints = {1, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 39, 40, 41, 63, 64, 65, 100})
    void aByteThatIsNoTextIsFoundWhereverItStands(int length) {
        MessageRule logs = rule(BY_ID, "PushSandboxLogs");
        byte[] text = new byte[length];
        Arrays.fill(text, (byte) 'x');
        assertThat(reason(logs, lineOf(text))).isNull();
        for (int at = 0; at < length; at++) {
            byte[] wrong = text.clone();
            wrong[at] = (byte) 0x80;
            assertThat(reason(logs, lineOf(wrong))).as("at %d", at).isEqualTo(Reason.MESSAGE_UTF8);
            if (at + 1 < length) {
                wrong[at] = (byte) 0xC3;
                wrong[at + 1] = (byte) 0xA9;
                assertThat(reason(logs, lineOf(wrong))).as("\u00e9 at %d", at).isNull();
            }
        }
    }

    private static Wire lineOf(byte[] text) {
        return OWN.message(2, Wire.EMPTY.tag(5, 2).varint(text.length).raw(text))
                .framed();
    }

    @Test
    void everyPrefixOfAGoodBodyIsRefused() {
        Wire whole = OWN.message(2, Wire.EMPTY.number(1, 300)).text(10, "team").framed();
        for (int size = 0; size < whole.size(); size++) {
            assertThat(reason(rule(BY_ID, "UpdateConfig"), whole.cut(size)))
                    .as("cut after %d bytes", size)
                    .isNotNull();
        }
        assertThat(reason(rule(BY_ID, "UpdateConfig"), whole)).isNull();
    }

    @Test
    void refusalsCarryNoBytesOfTheBody() {
        Throwable refusal = catchThrowable(() -> MessageScanner.scanUnary(
                rule(BY_ID, "GetSandboxConfig"),
                Wire.EMPTY.text(1, "s3cret").text(1, "s3cret").framed().buffer()));
        assertThat(refusal).hasMessageNotContaining("s3cret");
        assertThat(refusal.getStackTrace()).isEmpty();
    }
}
