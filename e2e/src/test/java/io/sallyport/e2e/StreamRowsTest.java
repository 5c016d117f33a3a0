package io.sallyport.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.ByteString;
import io.sallyport.base.Reason;
import io.sallyport.e2e.gateway.Sighting;
import io.sallyport.e2e.gateway.Sighting.End;
import io.sallyport.e2e.support.Arena;
import io.sallyport.e2e.support.Arenas;
import io.sallyport.e2e.support.Eventually;
import io.sallyport.e2e.support.GuardedStream;
import io.sallyport.e2e.support.GuardedStream.Method;
import io.sallyport.e2e.support.Setup;
import io.sallyport.e2e.wire.Cuts;
import io.sallyport.e2e.wire.Outcome;
import io.sallyport.e2e.wire.RawHttp2;
import io.sallyport.e2e.wire.RawHttp2.Headers;
import io.sallyport.e2e.wire.Wire;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.parallel.ResourceLock;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Every kind of message on a stream of alpha's, with message boundaries and piece boundaries in every position to each
 * other: what is good reaches the gateway byte for byte, and of what is refused not one byte does.
 *
 * <p>Streams look alike in both generations of the API: an id names the sandbox, and the field numbers are the same.
 */
@ParameterizedClass(name = "{0}")
@EnumSource(
        value = Setup.class,
        names = {"V0_0_TRUSTING", "V0_1_UNCHANGED"})
@ExtendWith(Arenas.Resolver.class)
@ResourceLock(Arenas.SHARED)
class StreamRowsTest {
    private static final String OWN = "alpha-id";
    private static final String OTHER = "beta-id";
    private static final int LIMIT = 1 << 20;

    private final Arena arena;
    private RawHttp2 connection;

    StreamRowsTest(Setup setup, Arenas arenas) {
        this.arena = arenas.shared(setup);
    }

    @BeforeEach
    void connect() {
        connection = arena.connect();
    }

    @AfterEach
    void disconnect() {
        connection.close();
    }

    /** How a request ends after its last message. */
    enum Ending {
        /** It does not: the last message alone must be enough. */
        NONE,
        HALF_CLOSE,
        /** Trailers, which gRPC has none of on this side. */
        TRAILERS
    }

    /**
     * A stream that is refused.
     *
     * @param good messages that are let through
     * @param bad what follows and is not
     * @param asked the sandbox that the audit line must name as asked for; "" for none
     */
    @SuppressWarnings("ArrayRecordComponent") // a table of rows reads better so, and nobody writes to it
    record Row(String name, Reason reason, Method method, List<byte[]> good, byte[] bad, Ending ending, String asked) {
        Row(String name, Reason reason, Method method, List<byte[]> good, byte[] bad) {
            this(name, reason, method, good, bad, Ending.NONE, "");
        }

        static Row foreign(String name, Reason reason, Method method, List<byte[]> good, byte[] bad) {
            return new Row(name, reason, method, good, bad, Ending.NONE, OTHER);
        }

        static Row ending(String name, Reason reason, List<byte[]> good, byte[] bad, Ending ending) {
            return new Row(name, reason, Method.LOGS, good, bad, ending, "");
        }

        byte[] goodBytes() {
            return Wire.join(good.toArray(byte[][]::new));
        }

        @Override
        public String toString() {
            return method + ": " + name;
        }
    }

    private static Stream<Row> rows() {
        return Stream.of(logRows(), frameRows(), ambiguousRows(), sessionRows()).flatMap(rows -> rows);
    }

    private static Stream<Row> logRows() {
        byte[] own = GuardedStream.logs(OWN).framed();
        byte[] nobody = GuardedStream.logs("").framed();
        byte[] other = GuardedStream.logs(OTHER).framed();
        return Stream.of(
                Row.foreign("the first names another", Reason.CROSS_SANDBOX, Method.LOGS, List.of(), other),
                new Row(
                        "the first names one that does not exist",
                        Reason.CROSS_SANDBOX,
                        Method.LOGS,
                        List.of(),
                        GuardedStream.logs("nobody").framed(),
                        Ending.NONE,
                        "nobody"),
                new Row(
                        "the first names itself in capitals",
                        Reason.CROSS_SANDBOX,
                        Method.LOGS,
                        List.of(),
                        GuardedStream.logs("ALPHA-ID").framed()),
                new Row(
                        "the first names itself and a NUL",
                        Reason.CROSS_SANDBOX,
                        Method.LOGS,
                        List.of(),
                        GuardedStream.logs(OWN + "\0").framed()),
                new Row(
                        "the first names itself by name, not by id",
                        Reason.CROSS_SANDBOX,
                        Method.LOGS,
                        List.of(),
                        GuardedStream.logs("alpha").framed()),
                Row.foreign(
                        "skipped ones, then another",
                        Reason.CROSS_SANDBOX,
                        Method.LOGS,
                        List.of(nobody, nobody),
                        other),
                Row.foreign(
                        "another inside the first",
                        Reason.CROSS_SANDBOX,
                        Method.LOGS,
                        List.of(),
                        GuardedStream.logs(OWN, OTHER).framed()),
                Row.foreign(
                        "another inside one that would be skipped",
                        Reason.CROSS_SANDBOX,
                        Method.LOGS,
                        List.of(nobody),
                        GuardedStream.logs("", OTHER).framed()),
                Row.foreign("a switch", Reason.STREAM_SWITCHED, Method.LOGS, List.of(own), other),
                Row.foreign(
                        "a switch after a long while",
                        Reason.STREAM_SWITCHED,
                        Method.LOGS,
                        List.of(nobody, own, own, nobody, own, own),
                        other),
                Row.foreign(
                        "a switch inside",
                        Reason.STREAM_SWITCHED,
                        Method.LOGS,
                        List.of(own, own),
                        GuardedStream.logs(OWN, OTHER).framed()),
                Row.foreign(
                        "a switch inside one that names nobody",
                        Reason.STREAM_SWITCHED,
                        Method.LOGS,
                        List.of(own),
                        GuardedStream.logs("", OTHER).framed()),
                Row.foreign(
                        "a switch inside, after lines of its own",
                        Reason.STREAM_SWITCHED,
                        Method.LOGS,
                        List.of(own),
                        GuardedStream.logs(OWN, OWN)
                                .message(2, Wire.message().string(1, OTHER))
                                .framed()),
                new Row(
                        "a switch to itself in capitals",
                        Reason.STREAM_SWITCHED,
                        Method.LOGS,
                        List.of(own),
                        GuardedStream.logs("ALPHA-ID").framed()));
    }

    private static Stream<Row> frameRows() {
        byte[] own = GuardedStream.logs(OWN).framed();
        byte[] message = GuardedStream.logs(OWN).toBytes();
        byte[] half = Arrays.copyOf(own, own.length / 2);
        return Stream.of(
                new Row(
                        "the compressed flag on the first",
                        Reason.FRAME_COMPRESSED,
                        Method.LOGS,
                        List.of(),
                        Wire.frame(1, message)),
                new Row(
                        "the compressed flag later",
                        Reason.FRAME_COMPRESSED,
                        Method.LOGS,
                        List.of(own),
                        Wire.frame(1, message)),
                new Row("another flag", Reason.FRAME_MALFORMED, Method.LOGS, List.of(own), Wire.frame(2, message)),
                new Row("all flags", Reason.FRAME_MALFORMED, Method.LOGS, List.of(own), Wire.frame(0xff, message)),
                new Row(
                        "a byte over the limit, by its prefix alone",
                        Reason.MESSAGE_TOO_LARGE,
                        Method.LOGS,
                        List.of(own),
                        prefix(LIMIT + 1L)),
                new Row("2 GiB by its prefix", Reason.MESSAGE_TOO_LARGE, Method.LOGS, List.of(own), prefix(1L << 31)),
                new Row("4 GiB by its prefix", Reason.MESSAGE_TOO_LARGE, Method.LOGS, List.of(), prefix(0xffff_ffffL)),
                Row.ending(
                        "the end in a prefix",
                        Reason.FRAME_MALFORMED,
                        List.of(own),
                        new byte[] {0, 0, 0},
                        Ending.HALF_CLOSE),
                Row.ending(
                        "the end after a prefix", Reason.FRAME_MALFORMED, List.of(own), prefix(10), Ending.HALF_CLOSE),
                Row.ending("the end in a message", Reason.FRAME_MALFORMED, List.of(own, own), half, Ending.HALF_CLOSE),
                Row.ending("the end in the first message", Reason.FRAME_MALFORMED, List.of(), half, Ending.HALF_CLOSE),
                Row.ending(
                        "trailers after a message",
                        Reason.STREAM_TRAILERS,
                        List.of(own),
                        new byte[0],
                        Ending.TRAILERS));
    }

    private static Stream<Row> ambiguousRows() {
        byte[] own = GuardedStream.logs(OWN).framed();
        return Stream.of(
                        Map.entry(
                                "own then other",
                                Map.entry(
                                        Reason.MESSAGE_FIELD_REPEATED,
                                        Wire.message().string(1, OWN).string(1, OTHER))),
                        Map.entry(
                                "other then own",
                                Map.entry(
                                        Reason.MESSAGE_FIELD_REPEATED,
                                        Wire.message().string(1, OTHER).string(1, OWN))),
                        Map.entry(
                                "own then \"\"",
                                Map.entry(
                                        Reason.MESSAGE_FIELD_REPEATED,
                                        Wire.message().string(1, OWN).string(1, ""))),
                        Map.entry(
                                "a line that names two",
                                Map.entry(
                                        Reason.MESSAGE_FIELD_REPEATED,
                                        Wire.message()
                                                .string(1, OWN)
                                                .message(
                                                        2,
                                                        Wire.message()
                                                                .string(1, OWN)
                                                                .string(1, OTHER)))),
                        Map.entry(
                                "a number where the id belongs",
                                Map.entry(
                                        Reason.MESSAGE_WIRE_TYPE, Wire.message().number(1, 7))),
                        Map.entry(
                                "a length past the end",
                                Map.entry(
                                        Reason.MESSAGE_TRUNCATED,
                                        Wire.message()
                                                .raw(0x0a, 0x7f)
                                                .raw(OWN.getBytes(java.nio.charset.StandardCharsets.UTF_8)))),
                        Map.entry(
                                "an overlong tag",
                                Map.entry(
                                        Reason.MESSAGE_VARINT,
                                        Wire.message()
                                                .raw(0x8a, 0x00, OWN.length())
                                                .raw(OWN.getBytes(java.nio.charset.StandardCharsets.UTF_8)))),
                        Map.entry(
                                "a group around another",
                                Map.entry(
                                        Reason.MESSAGE_GROUP,
                                        Wire.message()
                                                .string(1, OWN)
                                                .raw(0x7b)
                                                .string(1, OTHER)
                                                .raw(0x7c))),
                        Map.entry(
                                "not UTF-8",
                                Map.entry(Reason.MESSAGE_UTF8, Wire.message().bytes(1, new byte[] {(byte) 0xc3, 0x28
                                }))))
                .flatMap(row -> Stream.of(
                        new Row(
                                "first, " + row.getKey(),
                                row.getValue().getKey(),
                                Method.LOGS,
                                List.of(),
                                row.getValue().getValue().framed()),
                        new Row(
                                "later, " + row.getKey(),
                                row.getValue().getKey(),
                                Method.LOGS,
                                List.of(own),
                                row.getValue().getValue().framed())));
    }

    private static Stream<Row> sessionRows() {
        byte[] own = Method.SESSION.hello(OWN);
        byte[] other = Method.SESSION.hello(OTHER);
        byte[] heartbeat = Wire.message().message(2, Wire.message()).framed();
        byte[] relayOpened =
                Wire.message().message(3, Wire.message().string(1, "channel")).framed();
        return Stream.of(
                Row.foreign("the hello of another", Reason.CROSS_SANDBOX, Method.SESSION, List.of(), other),
                new Row(
                        "a hello of nobody",
                        Reason.STREAM_UNNAMED,
                        Method.SESSION,
                        List.of(),
                        Method.SESSION.hello("")),
                new Row(
                        "an empty hello",
                        Reason.STREAM_UNNAMED,
                        Method.SESSION,
                        List.of(),
                        Wire.message().message(1, Wire.message()).framed()),
                new Row("no hello: a heartbeat", Reason.STREAM_UNNAMED, Method.SESSION, List.of(), heartbeat),
                new Row("no hello: a relay's result", Reason.STREAM_UNNAMED, Method.SESSION, List.of(), relayOpened),
                new Row(
                        "no hello: an empty message",
                        Reason.STREAM_UNNAMED,
                        Method.SESSION,
                        List.of(),
                        Wire.message().framed()),
                new Row(
                        "no hello: a field that nobody knows",
                        Reason.MESSAGE_ONEOF,
                        Method.SESSION,
                        List.of(),
                        Wire.message().string(1000, OWN).framed()),
                new Row(
                        "hello and heartbeat in one",
                        Reason.MESSAGE_ONEOF,
                        Method.SESSION,
                        List.of(),
                        Wire.message()
                                .message(1, Wire.message().string(1, OWN))
                                .message(2, Wire.message())
                                .framed()),
                new Row(
                        "two hellos in one, its own and another's",
                        Reason.MESSAGE_FIELD_REPEATED,
                        Method.SESSION,
                        List.of(),
                        Wire.message()
                                .message(1, Wire.message().string(1, OWN))
                                .message(1, Wire.message().string(1, OTHER))
                                .framed()),
                Row.foreign("a second hello of another", Reason.STREAM_SWITCHED, Method.SESSION, List.of(own), other),
                Row.foreign(
                        "a second hello of another, much later",
                        Reason.STREAM_SWITCHED,
                        Method.SESSION,
                        List.of(own, heartbeat, relayOpened, own, heartbeat),
                        other));
    }

    private static byte[] prefix(long length) {
        return new byte[] {0, (byte) (length >> 24), (byte) (length >> 16), (byte) (length >> 8), (byte) length};
    }

    /** What was good has arrived before the bad message begins: exactly that is what the gateway ever sees. */
    @ParameterizedTest(name = "{0}")
    @MethodSource("rows")
    void isRefused(Row row) {
        for (Cuts cuts :
                List.of(Cuts.none(), Cuts.every(1), Cuts.random(row.name().hashCode(), 7))) {
            GuardedStream stream = open(row.method());
            stream.send(row.goodBytes(), cuts).awaitReached();
            arena.audit().skip();
            sendBad(stream, row, cuts);
            Outcome outcome = stream.await();
            // A session's answer has begun with the first good message: then the client can only be cut off.
            if (row.method() == Method.SESSION && !row.good().isEmpty()) {
                GuardedStream.assertError(outcome);
            } else {
                assertThat(outcome.inWords())
                        .isEqualTo(
                                row.reason().statusCode() + ": " + row.reason().text());
            }
            assertThat(stream.awaitBrokenOffAfter())
                    .as("what the gateway saw")
                    .isEqualTo(ByteString.copyFrom(row.goodBytes()));
            assertThat(arena.audit().next(1))
                    .singleElement()
                    .satisfies(line -> assertThat(line)
                            .containsEntry("event", "refused")
                            .containsEntry("reason", row.reason().code())
                            .containsEntry("method", row.method().path())
                            .containsEntry("principal", "sandbox;id=\"alpha-id\";source=\"gateway-jwt\""))
                    .satisfies(line -> assertThat(line.getOrDefault("sandbox_asked", ""))
                            .as("the sandbox that was asked for")
                            .contains(row.asked()));
        }
    }

    /** Everything is sent before anything is answered: of what is good some may stay behind, and nothing else arrives. */
    @ParameterizedTest(name = "{0}")
    @MethodSource("rows")
    void isRefusedInAHurry(Row row) {
        for (Cuts cuts :
                List.of(Cuts.none(), Cuts.every(1), Cuts.random(row.name().hashCode(), 11))) {
            GuardedStream stream = open(row.method());
            stream.send(row.goodBytes(), cuts);
            sendBad(stream, row, cuts);
            GuardedStream.assertError(stream.await());
            assertPrefix(stream.awaitBrokenOffAfter(), row.goodBytes());
        }
    }

    /** Once the answer has begun, Envoy cannot tell the client why; it must not tell it that all is well. */
    @ParameterizedTest(name = "{0}")
    @MethodSource("rows")
    void isRefusedOnceTheAnswerHasBegun(Row row) {
        GuardedStream stream = open(row.method(), "early");
        stream.send(row.goodBytes());
        stream.awaitReached();
        sendBad(stream, row, Cuts.none());
        GuardedStream.assertError(stream.await());
        assertThat(stream.awaitBrokenOffAfter()).isEqualTo(ByteString.copyFrom(row.goodBytes()));
    }

    private void sendBad(GuardedStream stream, Row row, Cuts cuts) {
        List<byte[]> pieces = cuts.of(row.bad());
        // The end may come in the last frame, or in an empty one after it.
        boolean inLast = row.ending() == Ending.HALF_CLOSE && pieces.size() > 1;
        for (int i = 0; i < pieces.size(); i++) {
            stream.call().data(pieces.get(i), inLast && i == pieces.size() - 1);
        }
        switch (row.ending()) {
            case NONE -> {}
            case HALF_CLOSE -> {
                if (!inLast) {
                    stream.halfClose();
                }
            }
            case TRAILERS -> stream.call().trailers(new Headers().add("x-anything", "else"));
        }
    }

    private GuardedStream open(Method method, String... manners) {
        return GuardedStream.open(arena, connection, method, arena.alpha().token(), manners);
    }

    private static void assertPrefix(ByteString seen, byte[] good) {
        assertThat(ByteString.copyFrom(good).startsWith(seen))
                .as("what the gateway saw is a beginning of what was good: %s", seen)
                .isTrue();
    }

    /**
     * Trailers where a message, the first or a later one, is not whole: Envoy keeps them back until what is held has its
     * answer, and nothing passes.
     */
    @ParameterizedTest
    @EnumSource(
            value = Method.class,
            names = {"LOGS", "SESSION"})
    void trailersWithinAMessageReleaseNothing(Method method) {
        byte[] hello = method.hello(OWN);
        byte[] more = method.more(OWN);
        GuardedStream first = open(method);
        first.call().data(Arrays.copyOf(hello, hello.length - 1), false);
        GuardedStream firstByItsPrefix = open(method);
        firstByItsPrefix.call().data(Arrays.copyOf(hello, 5), false);
        GuardedStream later = open(method).send(hello).awaitReached();
        later.call().data(Arrays.copyOf(more, more.length - 1), false);
        List<GuardedStream> all = List.of(first, firstByItsPrefix, later);
        Eventually.soon("they open", () -> all.stream().allMatch(GuardedStream::isSeen));
        GuardedStream atOnce = open(method);
        atOnce.call().data(Arrays.copyOf(hello, hello.length - 1), false);
        Stream.concat(all.stream(), Stream.of(atOnce))
                .forEach(stream -> stream.call().trailers(new Headers().add("x-anything", "else")));
        // Whatever could pass has passed before what comes later on the same connection.
        open(method).send(hello).awaitReached().assertGoesOn(OWN);
        for (GuardedStream stream : all) {
            assertThat(ByteString.copyFrom(stream.reached())).isEqualTo(ByteString.copyFrom(stream.sent()));
            assertThat(stream.seen().end()).isEqualTo(End.OPEN);
            stream.call().cancel();
            Sighting seen = stream.awaitBrokenOff();
            assertThat(seen.data()).isEqualTo(ByteString.copyFrom(stream.sent()));
            assertThat(seen.trailers()).isEmpty();
        }
        assertThat(atOnce.reached()).isEmpty();
        atOnce.call().cancel();
        assertThat(atOnce.awaitBrokenOffAfter()).isEmpty();
    }

    /** The last good message and the switch after it, cut in two at every place there is. */
    @ParameterizedTest
    @EnumSource(
            value = Method.class,
            names = {"LOGS", "SESSION"})
    void aSwitchIsSeenWhereverItIsCut(Method method) {
        byte[] first = method.hello(OWN);
        byte[] more = method.more(OWN);
        byte[] rest = Wire.join(more, method.hello(OTHER));
        List<GuardedStream> streams = IntStream.rangeClosed(0, rest.length)
                .mapToObj(cut -> {
                    GuardedStream stream = open(method);
                    stream.send(first).awaitReached();
                    Cuts.at(cut).of(rest).forEach(piece -> stream.call().data(piece, false));
                    GuardedStream.assertError(stream.await());
                    return stream;
                })
                .toList();
        for (GuardedStream stream : streams) {
            ByteString seen = stream.awaitBrokenOffAfter();
            assertPrefix(seen, Wire.join(first, more));
            assertThat(seen.size()).isGreaterThanOrEqualTo(first.length);
        }
    }

    /** A good stream. */
    record Good(String name, Method method, List<byte[]> messages) {
        @Override
        public String toString() {
            return method + ": " + name;
        }
    }

    private static Stream<Good> goodStreams() {
        byte[] logs = GuardedStream.logs(OWN).framed();
        byte[] inside = GuardedStream.logs(OWN, OWN).framed();
        byte[] nobody = GuardedStream.logs("").framed();
        byte[] empty = Wire.message().framed();
        byte[] hello = Method.SESSION.hello(OWN);
        byte[] heartbeat = Wire.message().message(2, Wire.message()).framed();
        byte[] closed = Wire.message()
                .message(4, Wire.message().string(1, "channel").string(2, OTHER))
                .framed();
        byte[] large =
                GuardedStream.logs(OWN).string(1000, "x".repeat(LIMIT / 3)).framed();
        return Stream.of(
                new Good("nothing", Method.LOGS, List.of()),
                new Good("one", Method.LOGS, List.of(logs)),
                new Good("many", Method.LOGS, List.of(logs, inside, logs, inside, logs)),
                new Good("skipped ones before the first", Method.LOGS, List.of(nobody, empty, nobody, logs, logs)),
                new Good("none that names anybody", Method.LOGS, List.of(nobody, empty, nobody)),
                new Good("ones that say nothing later", Method.LOGS, List.of(logs, nobody, empty, logs)),
                new Good("large ones between small ones", Method.LOGS, List.of(logs, large, logs, large, empty)),
                new Good("exactly the limit", Method.LOGS, List.of(logs, exactly(LIMIT), logs)),
                new Good("a session", Method.SESSION, List.of(hello, heartbeat, closed, empty, heartbeat)),
                new Good("a second hello of its own", Method.SESSION, List.of(hello, heartbeat, hello)),
                new Good("a tunnel", Method.RELAY, List.of(Method.RELAY.hello(OWN), Method.RELAY.more(OWN))),
                // Nothing of a tunnel is read: what would be refused elsewhere goes through as it is.
                new Good(
                        "a tunnel that names others",
                        Method.RELAY,
                        List.of(
                                Method.RELAY.hello(OTHER),
                                logs,
                                GuardedStream.logs(OTHER).framed())),
                new Good("a tunnel with compressed messages", Method.RELAY, List.of(Wire.frame(1, new byte[] {1, 2, 3
                }))),
                new Good(
                        "a tunnel with a large message",
                        Method.RELAY,
                        List.of(Wire.frame(0, new byte[LIMIT + LIMIT / 2]))),
                new Good("a tunnel with noise", Method.RELAY, List.of(noise(100_000))));
    }

    /** A message of just so many bytes. */
    private static byte[] exactly(int size) {
        Wire message = GuardedStream.logs(OWN);
        int filling = size - message.toBytes().length - 5;
        return message.string(1000, "x".repeat(filling)).framed();
    }

    private static byte[] noise(int size) {
        byte[] bytes = new byte[size];
        new Random(5).nextBytes(bytes);
        // Whoever read it as frames would wait for 2 GiB.
        bytes[0] = 0;
        bytes[1] = (byte) 0x80;
        return bytes;
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("goodStreams")
    void whatIsGoodArrivesByteForByte(Good good) {
        byte[] bytes = Wire.join(good.messages().toArray(byte[][]::new));
        List<Cuts> cuts = bytes.length < 1000
                ? List.of(Cuts.none(), Cuts.every(1), Cuts.every(5), Cuts.random(1, 9), Cuts.random(2, 30))
                : List.of(Cuts.none(), Cuts.every(16_384), Cuts.random(3, 40_000));
        for (Cuts each : cuts) {
            GuardedStream stream = open(good.method());
            List<byte[]> pieces = each.of(bytes);
            for (int i = 0; i < pieces.size(); i++) {
                stream.call().data(pieces.get(i), i == pieces.size() - 1);
            }
            if (pieces.isEmpty()) {
                stream.halfClose();
            }
            Outcome outcome = stream.await();
            assertThat(outcome.inWords()).as(arena::logs).isEqualTo("OK: ");
            Sighting seen = stream.seen();
            assertThat(seen.end()).isEqualTo(End.HALF_CLOSED);
            assertThat(seen.dataLength()).isEqualTo(bytes.length);
            assertThat(ByteString.copyFrom(bytes).startsWith(seen.data()))
                    .as("byte for byte")
                    .isTrue();
        }
    }

    /** Many streams on one connection, each cut in its own way, good ones and switched ones side by side. */
    @ParameterizedTest
    @EnumSource(
            value = Method.class,
            names = {"LOGS", "SESSION"})
    void streamsSideBySideDoNotMix(Method method) {
        int count = 40;
        Random random = new Random(42);
        List<GuardedStream> streams =
                IntStream.range(0, count).mapToObj(i -> open(method)).toList();
        List<byte[]> good = IntStream.range(0, count)
                .mapToObj(i -> {
                    byte[] bytes = method.hello(OWN);
                    for (int more = random.nextInt(5); more > 0; more--) {
                        bytes = Wire.join(bytes, method.more(OWN));
                    }
                    return bytes;
                })
                .toList();
        List<List<byte[]>> pieces = IntStream.range(0, count)
                .mapToObj(i ->
                        Cuts.random(i, 13).of(i % 2 == 0 ? good.get(i) : Wire.join(good.get(i), method.hello(OTHER))))
                .toList();
        for (int round = 0; round < 500; round++) {
            for (int i = 0; i < count; i++) {
                if (round < pieces.get(i).size()) {
                    streams.get(i).call().data(pieces.get(i).get(round), false);
                }
            }
        }
        for (int i = 0; i < count; i++) {
            GuardedStream stream = streams.get(i);
            if (i % 2 == 0) {
                stream.halfClose();
                assertThat(stream.await().inWords()).isEqualTo("OK: ");
                assertThat(stream.seen().data()).isEqualTo(ByteString.copyFrom(good.get(i)));
            } else {
                GuardedStream.assertError(stream.await());
                assertPrefix(stream.awaitBrokenOffAfter(), good.get(i));
            }
        }
    }
}
