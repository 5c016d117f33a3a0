package io.sallyport.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.sallyport.base.Reason;
import io.sallyport.e2e.support.Arena;
import io.sallyport.e2e.support.Arenas;
import io.sallyport.e2e.support.Caller;
import io.sallyport.e2e.support.Setup;
import io.sallyport.e2e.wire.Outcome;
import io.sallyport.e2e.wire.RawHttp2;
import io.sallyport.e2e.wire.RawHttp2.Call;
import io.sallyport.e2e.wire.RawHttp2.Headers;
import io.sallyport.e2e.wire.Wire;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import java.util.stream.Stream;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.parallel.ResourceLock;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every kind of wrong body, sent by alpha with a good token.
 *
 * <p>The method is GetSandboxConfig, whose field 1 names the sandbox: by id in 0.0, by name in 0.1. Where a row needs a
 * field that the method does not have, it says which other method it uses.
 */
@ParameterizedClass(name = "{0}")
@EnumSource(Setup.class)
@ExtendWith(Arenas.Resolver.class)
@ResourceLock(Arenas.SHARED)
class BodyRowsTest {
    private static final int LIMIT = 64 << 10;
    private static final int UNKNOWN_FIELD = 1000;

    /** Envoy, which answers in the middle of a body, and ext-authz, which answers at its end, say the same. */
    private static final String TOO_LARGE = Reason.BODY_TOO_LARGE.statusCode() + ": " + Reason.BODY_TOO_LARGE.text();

    private final Arena arena;

    BodyRowsTest(Setup setup, Arenas arenas) {
        this.arena = arenas.shared(setup);
    }

    /**
     * One wrong body.
     *
     * @param byId why it is refused where field 1 is an id
     * @param byName why it is refused where field 1 is a name
     * @param method that is called
     * @param body whole, frame and all
     */
    record Row(String name, Reason byId, Reason byName, String method, Function<Names, byte[]> body) {
        Row(String name, Reason reason, Function<Names, byte[]> body) {
            this(name, reason, reason, Arena.GET_CONFIG, body);
        }

        @Override
        public String toString() {
            return name;
        }
    }

    /**
     * What field 1 says for whom.
     *
     * @param own id or name of the caller
     * @param other of the neighbour
     */
    record Names(String own, String other) {}

    private Names names() {
        return new Names(nameOf(arena.alpha()), nameOf(arena.beta()));
    }

    private String nameOf(Caller caller) {
        return arena.generation() == Generation.V0_0
                ? caller.sandbox().id()
                : caller.sandbox().name();
    }

    private static Wire own(Names names) {
        return Wire.message().string(1, names.own());
    }

    static Stream<Row> rows() {
        return Stream.of(
                new Row("no bytes at all", Reason.BODY_MISSING, names -> new byte[0]),
                new Row(
                        "an empty message",
                        Reason.CROSS_SANDBOX,
                        Reason.NAME_NOT_OWNED,
                        Arena.GET_CONFIG,
                        names -> Wire.message().framed()),
                new Row(
                        "an empty reference",
                        Reason.CROSS_SANDBOX,
                        Reason.NAME_NOT_OWNED,
                        Arena.GET_CONFIG,
                        names -> Wire.message().string(1, "").framed()),
                new Row(
                        "the other sandbox",
                        Reason.CROSS_SANDBOX,
                        Reason.NAME_NOT_OWNED,
                        Arena.GET_CONFIG,
                        names -> Wire.message().string(1, names.other()).framed()),
                new Row(
                        "a sandbox that does not exist",
                        Reason.CROSS_SANDBOX,
                        Reason.NAME_NOT_OWNED,
                        Arena.GET_CONFIG,
                        names -> Wire.message().string(1, "nobody").framed()),
                new Row(
                        "own in capitals",
                        Reason.CROSS_SANDBOX,
                        Reason.NAME_NOT_OWNED,
                        Arena.GET_CONFIG,
                        names -> Wire.message()
                                .string(1, names.own().toUpperCase(java.util.Locale.ROOT))
                                .framed()),
                new Row(
                        "own with a space",
                        Reason.CROSS_SANDBOX,
                        Reason.NAME_NOT_OWNED,
                        Arena.GET_CONFIG,
                        names -> Wire.message().string(1, names.own() + " ").framed()),
                new Row(
                        "own with a NUL",
                        Reason.CROSS_SANDBOX,
                        Reason.NAME_NOT_OWNED,
                        Arena.GET_CONFIG,
                        names -> Wire.message().string(1, names.own() + "\0").framed()),
                new Row(
                        "the id where a name belongs, the name where an id does",
                        Reason.CROSS_SANDBOX,
                        Reason.NAME_NOT_OWNED,
                        Arena.GET_CONFIG,
                        names -> Wire.message()
                                .string(1, names.own().equals("alpha") ? "alpha-id" : "alpha")
                                .framed()),
                new Row(
                        "own then other",
                        Reason.MESSAGE_FIELD_REPEATED,
                        names -> own(names).string(1, names.other()).framed()),
                new Row(
                        "other then own",
                        Reason.MESSAGE_FIELD_REPEATED,
                        names -> Wire.message()
                                .string(1, names.other())
                                .string(1, names.own())
                                .framed()),
                new Row(
                        "own then \"\"",
                        Reason.MESSAGE_FIELD_REPEATED,
                        names -> own(names).string(1, "").framed()),
                new Row(
                        "own twice",
                        Reason.MESSAGE_FIELD_REPEATED,
                        names -> own(names).string(1, names.own()).framed()),
                new Row(
                        "a varint where a text belongs",
                        Reason.MESSAGE_WIRE_TYPE,
                        names -> Wire.message().number(1, 7).framed()),
                new Row(
                        "own, and a varint in the same field",
                        Reason.MESSAGE_FIELD_REPEATED,
                        names -> own(names).number(1, 7).framed()),
                new Row(
                        "a length past the end",
                        Reason.MESSAGE_TRUNCATED,
                        names -> Wire.message()
                                .raw(0x0a, 0x7f)
                                .raw(names.own().getBytes(java.nio.charset.StandardCharsets.UTF_8))
                                .framed()),
                new Row(
                        "cut off after a tag",
                        Reason.MESSAGE_TRUNCATED,
                        names -> own(names).raw(0x7a).framed()),
                new Row(
                        "cut off inside a varint",
                        Reason.MESSAGE_TRUNCATED,
                        names -> own(names).raw(0x78, 0x80).framed()),
                new Row(
                        "an overlong length",
                        Reason.MESSAGE_VARINT,
                        names -> Wire.message()
                                .raw(0x0a, names.own().length() | 0x80, 0x00)
                                .raw(names.own().getBytes(java.nio.charset.StandardCharsets.UTF_8))
                                .framed()),
                new Row(
                        "an overlong tag",
                        Reason.MESSAGE_VARINT,
                        names -> Wire.message()
                                .raw(0x8a, 0x00, names.own().length())
                                .raw(names.own().getBytes(java.nio.charset.StandardCharsets.UTF_8))
                                .framed()),
                new Row(
                        "a varint of eleven bytes",
                        Reason.MESSAGE_VARINT,
                        names -> own(names)
                                .raw(0x78, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01)
                                .framed()),
                new Row(
                        "field number 0",
                        Reason.MESSAGE_TAG,
                        names -> own(names).raw(0x02, 0x00).framed()),
                new Row(
                        "wire type 6",
                        Reason.MESSAGE_TAG,
                        names -> own(names).raw(0x7e).framed()),
                new Row(
                        "a group around the other",
                        Reason.MESSAGE_GROUP,
                        names -> own(names)
                                .raw(0x7b)
                                .string(1, names.other())
                                .raw(0x7c)
                                .framed()),
                new Row(
                        "an end of a group",
                        Reason.MESSAGE_GROUP,
                        names -> own(names).raw(0x7c).framed()),
                new Row(
                        "not UTF-8",
                        Reason.MESSAGE_UTF8,
                        names -> Wire.message()
                                .bytes(1, new byte[] {(byte) 0xc3, 0x28})
                                .framed()),
                new Row(
                        "an overlong UTF-8 letter",
                        Reason.MESSAGE_UTF8,
                        names -> Wire.message()
                                .bytes(1, new byte[] {(byte) 0xc1, (byte) 0xa1})
                                .framed()),
                new Row(
                        "the compressed flag on a plain message",
                        Reason.FRAME_COMPRESSED,
                        names -> Wire.frame(1, own(names).toBytes())),
                new Row(
                        "compressed indeed",
                        Reason.FRAME_COMPRESSED,
                        names -> Wire.frame(1, gzip(own(names).toBytes()))),
                new Row(
                        "another flag",
                        Reason.FRAME_MALFORMED,
                        names -> Wire.frame(2, own(names).toBytes())),
                new Row(
                        "two messages, own then other",
                        Reason.FRAME_EXTRA,
                        names -> Wire.join(
                                own(names).framed(),
                                Wire.message().string(1, names.other()).framed())),
                new Row(
                        "two messages, other then own",
                        Reason.FRAME_EXTRA,
                        names -> Wire.join(
                                Wire.message().string(1, names.other()).framed(),
                                own(names).framed())),
                new Row(
                        "two messages, both own",
                        Reason.FRAME_EXTRA,
                        names -> Wire.join(own(names).framed(), own(names).framed())),
                new Row(
                        "a byte after the frame",
                        Reason.FRAME_EXTRA,
                        names -> Wire.join(own(names).framed(), new byte[] {0})),
                new Row("half a prefix", Reason.FRAME_MALFORMED, names -> new byte[] {0, 0, 0}),
                new Row(
                        "a frame longer than the body",
                        Reason.FRAME_MALFORMED,
                        names -> Arrays.copyOf(own(names).framed(), own(names).framed().length - 1)),
                new Row(
                        "a frame of 4 GiB by its prefix",
                        Reason.FRAME_MALFORMED,
                        names -> Wire.join(
                                new byte[] {0, -1, -1, -1, -1}, own(names).toBytes())),
                // UpdateConfig: a sandbox may sync its own policy (field 2), and nothing else.
                update(
                        "another's policy by name",
                        Reason.NAME_NOT_OWNED,
                        names -> Wire.message().string(1, "beta").message(2, Wire.message())),
                update(
                        "the global policy",
                        Reason.VALUE_NOT_ALLOWED,
                        names -> Wire.message()
                                .string(1, "alpha")
                                .message(2, Wire.message())
                                .number(6, 1)),
                update(
                        "a setting",
                        Reason.VALUE_NOT_ALLOWED,
                        names -> Wire.message()
                                .string(1, "alpha")
                                .message(2, Wire.message())
                                .string(3, "key")),
                update(
                        "a deletion",
                        Reason.VALUE_NOT_ALLOWED,
                        names -> Wire.message()
                                .string(1, "alpha")
                                .message(2, Wire.message())
                                .number(5, 1)),
                update(
                        "no policy",
                        Reason.VALUE_NOT_ALLOWED,
                        names -> Wire.message().string(1, "alpha")),
                update(
                        "global first false, then true",
                        Reason.MESSAGE_FIELD_REPEATED,
                        names -> Wire.message()
                                .string(1, "alpha")
                                .message(2, Wire.message())
                                .number(6, 0)
                                .number(6, 1)),
                // SubmitPolicyAnalysis: field 4 is the name, field 1 the summaries with an id inside.
                new Row(
                        "the own name outside, the other's id inside",
                        Reason.CROSS_SANDBOX,
                        Reason.CROSS_SANDBOX,
                        Arena.OPEN_SHELL + "SubmitPolicyAnalysis",
                        names -> Wire.message()
                                .message(1, Wire.message().string(1, "alpha-id"))
                                .message(1, Wire.message().string(1, "beta-id"))
                                .string(4, "alpha")
                                .framed()));
    }

    private static Row update(String name, Reason reason, Function<Names, Wire> message) {
        return new Row(
                "UpdateConfig: " + name,
                reason,
                reason,
                Arena.OPEN_SHELL + "UpdateConfig",
                names -> message.apply(names).framed());
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("rows")
    void isRefused(Row row) {
        Reason reason = arena.generation() == Generation.V0_0 ? row.byId() : row.byName();
        arena.refused(
                reason,
                () -> arena.call(
                        Headers.grpc(row.method()).bearer(arena.alpha().token()),
                        row.body().apply(names())));
    }

    /** Two members of a oneof; each generation has it in another place. */
    static Stream<Row> oneofRows() {
        // 0.0: UpdateConfig.setting_value (field 4); 0.1: GetSandboxConfig.workspace_scope (field 3).
        Wire both = Wire.message().string(1, "default").bytes(2, new byte[0]);
        return Stream.of(
                new Row("both members", Reason.MESSAGE_WIRE_TYPE, Reason.MESSAGE_ONEOF, "", names -> both.toBytes()),
                new Row(
                        "the same member twice",
                        Reason.VALUE_NOT_ALLOWED,
                        Reason.MESSAGE_FIELD_REPEATED,
                        "",
                        names -> Wire.message()
                                .string(1, "default")
                                .string(1, "default")
                                .toBytes()),
                new Row(
                        "another member beside, that only a newer gateway knows",
                        Reason.VALUE_NOT_ALLOWED,
                        Reason.MESSAGE_ONEOF,
                        "",
                        names -> Wire.message()
                                .string(1, "default")
                                .string(15, "other")
                                .toBytes()));
    }

    @ParameterizedTest(name = "oneof: {0}")
    @MethodSource("oneofRows")
    void aOneofIsReadInOneWay(Row row) {
        byte[] selector = row.body().apply(names());
        boolean byId = arena.generation() == Generation.V0_0;
        byte[] body = byId
                ? Wire.message()
                        .string(1, "alpha")
                        .message(2, Wire.message())
                        .bytes(4, selector)
                        .framed()
                : own(names()).bytes(3, selector).framed();
        String method = byId ? Arena.OPEN_SHELL + "UpdateConfig" : Arena.GET_CONFIG;
        arena.refused(
                byId ? row.byId() : row.byName(),
                () -> arena.call(Headers.grpc(method).bearer(arena.alpha().token()), body));
    }

    @Test
    void anotherWorkspaceIsNotTheOwn() {
        byte[] body = arena.generation() == Generation.V0_0
                ? Wire.message().string(1, "alpha").string(3, "elsewhere").framed()
                : Wire.message()
                        .string(1, "alpha")
                        .message(3, Wire.message().string(1, "elsewhere"))
                        .framed();
        arena.refused(
                Reason.NAME_NOT_OWNED,
                () -> arena.call(
                        Headers.grpc(Arena.OPEN_SHELL + "GetDraftPolicy")
                                .bearer(arena.alpha().token()),
                        body));
    }

    @Test
    void noFrameAtAllAndTheStreamEndsWithItsHeaders() {
        arena.refused(Reason.BODY_MISSING, () -> {
            try (RawHttp2 connection = arena.connect()) {
                return connection
                        .open(
                                Headers.grpc(Arena.GET_CONFIG)
                                        .bearer(arena.alpha().token()),
                                true)
                        .await();
            }
        });
    }

    @Test
    void aBodyExactlyAtTheLimitPasses() {
        Outcome outcome = callInPieces(ownOfSize(LIMIT), LIMIT);
        assertThat(outcome.inWords()).isEqualTo("OK: ");
        assertThat(outcome.body()).contains("policy-of-alpha-id");
    }

    /** Where the frames are cut decides which frame crosses the limit, and with it what Envoy does. */
    static Stream<Integer> cuts() {
        return Stream.of(1, LIMIT - 1, LIMIT, LIMIT + 1);
    }

    @ParameterizedTest(name = "the first frame has {0} bytes")
    @MethodSource("cuts")
    void aBodyOneByteOverTheLimitIsRefused(int firstFrame) {
        Outcome outcome = arena.unseen(() -> callInPieces(ownOfSize(LIMIT + 2), firstFrame));
        assertThat(outcome.inWords()).as("%s", outcome).isEqualTo(TOO_LARGE);
    }

    @Test
    void exactlyAtTheLimitWithTheRestInTheFrameThatEndsTheStream() {
        byte[] whole = ownOfSize(LIMIT);
        byte[] rest = Wire.message().string(1, names().other()).toBytes();
        arena.refused(Reason.BODY_TOO_LARGE, () -> callInPieces(Wire.join(whole, rest), LIMIT));
    }

    @Test
    void farOverTheLimitIsResourceExhausted() {
        Outcome outcome = arena.unseen(() -> callInPieces(ownOfSize(1 << 20), 16 << 10));
        assertThat(outcome.inWords()).isEqualTo(TOO_LARGE);
    }

    /** A message in many small DATA frames is one message. */
    @Test
    void bytesOneByOnePass() {
        byte[] body = own(names()).framed();
        try (RawHttp2 connection = arena.connect()) {
            Call call = connection.open(
                    Headers.grpc(Arena.GET_CONFIG).bearer(arena.alpha().token()), false);
            for (int i = 0; i < body.length; i++) {
                call.data(new byte[] {body[i]}, i == body.length - 1);
            }
            assertThat(call.await().body()).contains("policy-of-alpha-id");
        }
    }

    /** A body as a fields that nobody knows fill it up to a size, own reference first. */
    private byte[] ownOfSize(int size) {
        byte[] reference = own(names()).toBytes();
        // Tag of the unknown field: two bytes; its length: three bytes, for every size used here.
        int filling = size - 5 - reference.length - 2 - 3;
        byte[] body = Wire.message()
                .raw(reference)
                .bytes(UNKNOWN_FIELD, new byte[filling])
                .framed();
        assertThat(body).hasSize(size);
        return body;
    }

    private Outcome callInPieces(byte[] body, int pieceSize) {
        List<byte[]> pieces = new ArrayList<>();
        for (int at = 0; at < body.length; at += pieceSize) {
            pieces.add(Arrays.copyOfRange(body, at, Math.min(body.length, at + pieceSize)));
        }
        if (pieces.size() > 2 && pieceSize == 1) {
            // One byte, then everything else.
            pieces = List.of(pieces.getFirst(), Arrays.copyOfRange(body, 1, body.length));
        }
        try (RawHttp2 connection = arena.connect()) {
            Call call = connection.open(
                    Headers.grpc(Arena.GET_CONFIG).bearer(arena.alpha().token()), false);
            for (int i = 0; i < pieces.size(); i++) {
                call.data(pieces.get(i), i == pieces.size() - 1);
            }
            return call.await();
        }
    }

    private static byte[] gzip(byte[] bytes) {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        try (GZIPOutputStream gzip = new GZIPOutputStream(out)) {
            gzip.write(bytes);
        } catch (IOException e) {
            throw new AssertionError(e);
        }
        return out.toByteArray();
    }
}
