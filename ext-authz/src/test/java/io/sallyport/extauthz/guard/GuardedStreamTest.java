package io.sallyport.extauthz.guard;

import static io.sallyport.extauthz.guard.GuardStage.LOGS;
import static io.sallyport.extauthz.guard.GuardStage.RELAY;
import static io.sallyport.extauthz.guard.GuardStage.SESSION;
import static io.sallyport.extauthz.guard.GuardStage.frame;
import static io.sallyport.extauthz.guard.GuardStage.heartbeat;
import static io.sallyport.extauthz.guard.GuardStage.hello;
import static io.sallyport.extauthz.guard.GuardStage.logs;
import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.ListValue;
import com.google.protobuf.MessageLite;
import com.google.protobuf.NullValue;
import com.google.protobuf.Value;
import io.envoyproxy.envoy.extensions.filters.http.ext_proc.v3.ProcessingMode.BodySendMode;
import io.envoyproxy.envoy.service.ext_proc.v3.HttpBody;
import io.envoyproxy.envoy.service.ext_proc.v3.HttpHeaders;
import io.envoyproxy.envoy.service.ext_proc.v3.HttpTrailers;
import io.envoyproxy.envoy.service.ext_proc.v3.ProcessingRequest;
import io.grpc.Status;
import io.sallyport.base.Reason;
import io.sallyport.base.audit.AuditEvent;
import io.sallyport.extauthz.guard.GuardStage.Running;
import java.io.ByteArrayOutputStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What goes on and what ends a stream, on an Envoy that holds pieces as the real one does. */
class GuardedStreamTest {
    private final GuardStage stage = new GuardStage();

    /**
     * What a client sends, and what becomes of it.
     *
     * @param refused why the last frame is refused; null when all is good
     * @param asked the other sandbox, in the audit log
     */
    record Row(
            String name,
            String method,
            List<byte[]> frames,
            @Nullable Reason refused,
            @Nullable String asked) {
        @Override
        public String toString() {
            return name;
        }
    }

    private static Row row(
            String name, String method, @Nullable Reason refused, @Nullable String asked, Object... messagesOrFrames) {
        return new Row(
                name,
                method,
                Arrays.stream(messagesOrFrames)
                        .map(each -> each instanceof MessageLite message ? frame(message.toByteArray()) : (byte[]) each)
                        .toList(),
                refused,
                asked);
    }

    static Stream<Row> rows() {
        byte[] compressed = frame(logs("alpha").toByteArray());
        compressed[0] = 1;
        byte[] flagged = frame(logs("alpha").toByteArray());
        flagged[0] = 2;
        byte[] huge = {0, 0, 16, 0, 1, 10};
        byte[] negative = {0, (byte) 0xFF, (byte) 0xFF, (byte) 0xFF, (byte) 0xFF, 10};
        byte[] truncated = frame(new byte[] {10, 100, 'a'});
        String[] many = IntStream.range(0, 300).mapToObj(_ -> "alpha").toArray(String[]::new);
        return Stream.of(
                row("one message", LOGS, null, null, logs("alpha", "alpha")),
                row("many messages", LOGS, null, null, logs("alpha"), logs("alpha", "alpha"), logs("alpha", many)),
                row("empty ones first", LOGS, null, null, logs(""), logs(""), logs("alpha"), logs("")),
                row("only empty ones", LOGS, null, null, logs(""), new byte[] {0, 0, 0, 0, 0}),
                row("a session", SESSION, null, null, hello("alpha"), heartbeat(), heartbeat(), hello("alpha")),
                row("a hello later that names nobody", SESSION, null, null, hello("alpha"), hello("")),
                row("foreign at once", LOGS, Reason.CROSS_SANDBOX, "beta", logs("beta")),
                row("foreign after empty", LOGS, Reason.CROSS_SANDBOX, "beta", logs(""), logs("beta")),
                row("foreign inside, at once", LOGS, Reason.CROSS_SANDBOX, "beta", logs("alpha", "alpha", "beta")),
                row("foreign inside an empty one", LOGS, Reason.CROSS_SANDBOX, "beta", logs("", "beta")),
                row("switched", LOGS, Reason.STREAM_SWITCHED, "beta", logs("alpha"), logs("beta")),
                row(
                        "switched late",
                        LOGS,
                        Reason.STREAM_SWITCHED,
                        "beta",
                        logs("alpha"),
                        logs("alpha", many),
                        logs("beta")),
                row("switched inside", LOGS, Reason.STREAM_SWITCHED, "beta", logs("alpha"), logs("alpha", "beta")),
                row(
                        "switched inside an empty one",
                        LOGS,
                        Reason.STREAM_SWITCHED,
                        "beta",
                        logs("alpha"),
                        logs("", "beta")),
                row("not a name", LOGS, Reason.STREAM_SWITCHED, "(not a name)", logs("alpha"), logs("be ta")),
                row("no hello", SESSION, Reason.STREAM_UNNAMED, null, heartbeat()),
                row("a hello that names nobody", SESSION, Reason.STREAM_UNNAMED, null, hello("")),
                row("nothing first", SESSION, Reason.STREAM_UNNAMED, null, new byte[] {0, 0, 0, 0, 0}),
                row(
                        "another hello",
                        SESSION,
                        Reason.STREAM_SWITCHED,
                        "beta",
                        hello("alpha"),
                        heartbeat(),
                        hello("beta")),
                row("compressed", LOGS, Reason.FRAME_COMPRESSED, null, logs("alpha"), compressed),
                row("an unknown flag", LOGS, Reason.FRAME_MALFORMED, null, logs("alpha"), flagged),
                row("too long", LOGS, Reason.MESSAGE_TOO_LARGE, null, logs("alpha"), huge),
                row("as long as can be", LOGS, Reason.MESSAGE_TOO_LARGE, null, logs("alpha"), negative),
                row("not one message", LOGS, Reason.MESSAGE_TRUNCATED, null, logs("alpha"), truncated));
    }

    /** Every piece size from one byte on, and then cuts at random places. */
    @ParameterizedTest
    @MethodSource("rows")
    void whateverTheCuts(Row row) {
        byte[] all = join(row.frames());
        for (int size = 1; size <= Math.min(all.length, 64); size++) {
            run(row, all, cuts(all.length, size));
        }
        Random random = new Random(20_261_124);
        for (int round = 0; round < 300; round++) {
            int count = random.nextInt(8);
            run(row, all, random.ints(count, 0, all.length + 1).sorted().toArray());
        }
        run(row, all, new int[0]);
    }

    private void run(Row row, byte[] all, int[] cuts) {
        Running running = stage.open("alpha", row.method());
        byte[] last = row.frames().getLast();
        int refusedFrom = all.length - last.length;
        int at = 0;
        for (int cut : cuts) {
            running.piece(Arrays.copyOfRange(all, at, cut));
            at = cut;
        }
        running.piece(Arrays.copyOfRange(all, at, all.length), true);
        byte[] passed = running.envoy.passed.toByteArray();
        if (row.refused() == null) {
            assertThat(passed).isEqualTo(all);
            assertThat(running.envoy.said).containsOnly("headers", "piece");
            running.stream.envoyEnded();
            assertThat(running.envoy.status).isEqualTo(Status.OK);
        } else {
            assertThat(running.ended()).isEqualTo(row.refused());
            assertThat(passed.length).isLessThanOrEqualTo(refusedFrom);
            assertThat(passed).isEqualTo(Arrays.copyOf(all, passed.length));
            AuditEvent line = stage.audited.getLast();
            assertThat(line.sandboxAsked()).isEqualTo(row.asked());
            assertThat(line.principal()).contains("id=\"alpha\"");
            assertThat(line.method()).isEqualTo(row.method());
            assertThat(line.requestId()).isEqualTo("req-1");
            assertThat(running.envoy.grpcStatus())
                    .isEqualTo(row.refused().statusCode().value());
            assertThat(running.envoy.status).isNull();
            running.stream.envoyEnded();
            assertThat(running.envoy.closedWith()).isEqualTo(row.refused().statusCode());
        }
        assertThat(stage.streams.size()).isZero();
        assertThat(stage.streams.unfinishedBytes()).isZero();
    }

    private static int[] cuts(int length, int size) {
        return IntStream.iterate(size, cut -> cut < length, cut -> cut + size).toArray();
    }

    private static byte[] join(List<byte[]> frames) {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        frames.forEach(all::writeBytes);
        return all.toByteArray();
    }

    /** What is good goes on at once: a piece waits for no message but those that it is part of. */
    @Test
    void aPieceWaitsOnlyForItsOwnMessages() {
        Running running = stage.open("alpha", LOGS);
        byte[] one = frame(logs("alpha", "alpha").toByteArray());
        byte[] both = join(List.of(one, one));

        running.piece(Arrays.copyOf(both, one.length + 3));
        assertThat(running.envoy.passed.size()).isZero();
        running.piece(Arrays.copyOfRange(both, one.length + 3, one.length + 9));
        assertThat(running.envoy.passed.size()).isZero();
        running.piece(join(List.of(Arrays.copyOfRange(both, one.length + 9, both.length), new byte[] {0})));
        assertThat(running.envoy.passed.size()).isEqualTo(one.length + 9);
        running.piece(Arrays.copyOfRange(one, 1, one.length));
        assertThat(running.envoy.waiting).isEmpty();
        assertThat(running.envoy.ended).isNull();
    }

    @ParameterizedTest
    @ValueSource(ints = {1, 4, 5, 6, 20})
    void aRequestThatEndsWithinAMessage(int bytes) {
        byte[] one = frame(logs("alpha", "alpha").toByteArray());

        Running atOnce = stage.open("alpha", LOGS).piece(Arrays.copyOf(one, bytes), true);
        assertThat(atOnce.ended()).isEqualTo(Reason.FRAME_MALFORMED);
        assertThat(atOnce.envoy.passed.size()).isZero();

        Running byAnEmptyPiece = stage.open("alpha", LOGS)
                .piece(one)
                .piece(Arrays.copyOf(one, bytes))
                .piece(new byte[0], true);
        assertThat(byAnEmptyPiece.ended()).isEqualTo(Reason.FRAME_MALFORMED);
        assertThat(byAnEmptyPiece.envoy.passed.size()).isEqualTo(one.length);
    }

    @ParameterizedTest
    @ValueSource(booleans = {true, false})
    void trailersOfARequest(boolean withinAMessage) {
        Running running = stage.open("alpha", LOGS).message(logs("alpha"));
        if (withinAMessage) {
            running.piece(new byte[] {0, 0});
        }
        running.take(ProcessingRequest.newBuilder()
                .setRequestTrailers(HttpTrailers.getDefaultInstance())
                .build());

        assertThat(running.ended()).isEqualTo(Reason.STREAM_TRAILERS);
    }

    /** What ext_authz said decides; nothing that a client sends is in it. */
    @ParameterizedTest
    @ValueSource(
            strings = {
                "principal",
                "sandbox_id",
                "method",
                "policy",
                "token_id",
                "lineage",
                "generation",
                "issued_at",
                "key_id"
            })
    void aStreamThatIsNotAnnounced(String missing) {
        Running running = stage.stream("alpha", LOGS);
        running.said.removeFields(missing);
        running.begin();

        assertThat(running.ended()).isEqualTo(Reason.STREAM_UNGUARDED);
        assertThat(running.envoy.said).containsExactly("end");
        assertThat(stage.streams.size()).isZero();
    }

    /** Struct has one kind of number, and kinds of values that are none. */
    @ParameterizedTest
    @ValueSource(strings = {"generation", "issued_at", "token_expires"})
    void numbersThatAreNone(String field) {
        for (Value value : List.of(
                Value.newBuilder().setNumberValue(Double.NaN).build(),
                Value.newBuilder().setNumberValue(Double.POSITIVE_INFINITY).build(),
                Value.newBuilder().setNumberValue(Double.NEGATIVE_INFINITY).build(),
                Value.newBuilder().setNumberValue(-1).build(),
                Value.newBuilder().setNumberValue(1.5).build(),
                Value.newBuilder().setNumberValue(1e300).build(),
                Value.newBuilder().setNumberValue(0x1p54).build(),
                Value.newBuilder().setBoolValue(true).build(),
                Value.newBuilder().setNullValue(NullValue.NULL_VALUE).build(),
                Value.newBuilder().setListValue(ListValue.getDefaultInstance()).build(),
                Value.getDefaultInstance(),
                GuardStage.text("3"))) {
            Running running = stage.stream("alpha", LOGS);
            running.said.putFields(field, value);

            assertThat(running.begin().ended()).as("%s", value).isEqualTo(Reason.STREAM_UNGUARDED);
        }
        assertThat(stage.streams.size()).isZero();
    }

    /** The largest that a number can be ends nobody's looking. */
    @Test
    void aTokenThatEndsInAgesLives() {
        Running running = stage.stream("alpha", LOGS);
        running.said.putFields(
                "token_expires", Value.newBuilder().setNumberValue(0x1p53).build());
        running.begin();
        new StreamLife(stage.guard, stage, GuardStage.MAX_STALENESS, Optional.empty()).look();

        assertThat(running.ended()).isNull();
    }

    @Test
    void aStreamOfAnotherPolicyOrMethod() {
        Running policy = stage.stream("alpha", LOGS);
        policy.said.putFields("policy", GuardStage.text("another"));
        Running unknown = stage.stream("alpha", "/openshell.v1.OpenShell/Nothing");
        Running unary = stage.stream("alpha", "/openshell.v1.OpenShell/GetSandboxConfig");
        Running other = stage.stream("alpha", LOGS);
        other.said.putFields("principal", GuardStage.text("sandbox;id=\"beta\";source=\"gateway-jwt\""));

        assertThat(policy.begin().ended()).isEqualTo(Reason.POLICY_MISMATCH);
        assertThat(unknown.begin().ended()).isEqualTo(Reason.STREAM_UNGUARDED);
        assertThat(unary.begin().ended()).isEqualTo(Reason.STREAM_UNGUARDED);
        assertThat(other.begin().ended()).isEqualTo(Reason.STREAM_UNGUARDED);
    }

    @Test
    void modesThatWouldLeaveTheGateOpen() {
        for (BodySendMode mode : List.of(BodySendMode.NONE, BodySendMode.BUFFERED, BodySendMode.FULL_DUPLEX_STREAMED)) {
            Running running = stage.stream("alpha", LOGS);
            running.modes.setRequestBodyMode(mode);
            assertThat(running.begin().ended()).as("%s", mode).isEqualTo(Reason.STREAM_UNGUARDED);
        }
        Running tunnel = stage.stream("alpha", RELAY);
        tunnel.modes.setRequestBodyMode(BodySendMode.STREAMED);
        assertThat(tunnel.begin().ended()).isEqualTo(Reason.STREAM_UNGUARDED);
        Running early = stage.stream("alpha", LOGS);
        early.modes.setSendBodyWithoutWaitingForHeaderResponse(true);
        assertThat(early.begin().ended()).isEqualTo(Reason.STREAM_UNGUARDED);
        Running response = stage.stream("alpha", LOGS);
        response.modes.setResponseBodyMode(BodySendMode.STREAMED);
        assertThat(response.begin().ended()).isEqualTo(Reason.STREAM_UNGUARDED);
        Running watched = stage.stream("alpha", LOGS);
        watched.take(watched.headers().toBuilder().setObservabilityMode(true).build());
        assertThat(watched.ended()).isEqualTo(Reason.STREAM_UNGUARDED);
    }

    static Stream<ProcessingRequest> outOfPlace() {
        return Stream.of(
                ProcessingRequest.getDefaultInstance(),
                ProcessingRequest.newBuilder()
                        .setRequestHeaders(HttpHeaders.getDefaultInstance())
                        .build(),
                ProcessingRequest.newBuilder()
                        .setResponseHeaders(HttpHeaders.getDefaultInstance())
                        .build(),
                ProcessingRequest.newBuilder()
                        .setResponseBody(HttpBody.getDefaultInstance())
                        .build());
    }

    @ParameterizedTest
    @MethodSource("outOfPlace")
    void whatEnvoyIsNotToSay(ProcessingRequest request) {
        Running running = stage.open("alpha", LOGS);
        running.take(request);

        assertThat(running.ended()).isEqualTo(Reason.STREAM_UNGUARDED);
        running.stream.envoyEnded();
        assertThat(running.envoy.closedWith()).isNotEqualTo(Status.Code.OK);
    }

    @Test
    void garbleAndPiecesOutOfPlace() {
        Running garbled = stage.open("alpha", LOGS);
        garbled.stream.take(ProcessMessageReader.read(new byte[] {10, 100}, 2));
        assertThat(garbled.ended()).isEqualTo(Reason.STREAM_UNGUARDED);

        assertThat(stage.open("alpha", RELAY).piece(frame(new byte[3])).ended()).isEqualTo(Reason.STREAM_UNGUARDED);
        assertThat(stage.stream("alpha", LOGS).message(logs("alpha")).ended()).isEqualTo(Reason.STREAM_UNGUARDED);
        Running after = stage.open("alpha", LOGS)
                .piece(frame(logs("alpha").toByteArray()), true)
                .message(logs("alpha"));
        assertThat(after.ended()).isEqualTo(Reason.STREAM_UNGUARDED);
    }

    @Test
    void anAnswerOfTheGatewayEnds() {
        Running running = stage.open("alpha", RELAY);
        ProcessingRequest trailers = ProcessingRequest.newBuilder()
                .setResponseTrailers(HttpTrailers.getDefaultInstance())
                .build();
        running.take(trailers);
        assertThat(running.envoy.said).containsExactly("headers", "trailers");
        running.take(trailers);
        assertThat(running.ended()).isEqualTo(Reason.STREAM_UNGUARDED);
    }

    /** To end in peace is to open the gate: only Envoy may end first, and only with nothing left to answer. */
    @Test
    void endsInPeaceOnlyAfterEnvoyAndWithNothingHeld() {
        Running done = stage.open("alpha", LOGS).message(logs("alpha"));
        done.stream.envoyEnded();
        assertThat(done.envoy.said).containsExactly("headers", "piece", "finish");

        Running held = stage.open("alpha", LOGS).piece(new byte[] {0});
        held.stream.envoyEnded();
        assertThat(held.envoy.closedWith()).isEqualTo(Status.Code.UNAVAILABLE);

        Running nothing = stage.stream("alpha", LOGS);
        nothing.stream.envoyEnded();
        assertThat(nothing.envoy.closedWith()).isEqualTo(Status.Code.UNAVAILABLE);

        stage.owners.put("alpha", new Owner.Unsure("not known yet"));
        Running opening = stage.open("alpha", LOGS);
        opening.stream.envoyEnded();
        assertThat(opening.envoy.closedWith()).isEqualTo(Status.Code.UNAVAILABLE);
        assertThat(stage.streams.size()).isZero();
    }

    @Test
    void anOwnerThatIsNotKnownIsAskedForAndNothingElseIsTaken() {
        stage.owners.put("alpha", new Owner.Unsure("not known yet"));
        Running running = stage.open("alpha", LOGS);
        assertThat(running.envoy.said).isEmpty();
        assertThat(running.envoy.asked).isEqualTo(1);

        stage.ownersAsked.removeFirst().complete(new Owner.Living("alpha", "default", ""));
        assertThat(running.envoy.said).containsExactly("headers");
        assertThat(running.envoy.asked).isEqualTo(2);

        running.message(logs("alpha"));
        assertThat(running.envoy.passed.size()).isZero();
        stage.ownersAsked.removeFirst().complete(new Owner.Living("alpha", "default", ""));
        assertThat(running.envoy.said).containsExactly("headers", "piece");

        // From here on it is pinned, and nothing needs to be known.
        running.message(logs("alpha"));
        assertThat(stage.ownersAsked).isEmpty();
        assertThat(running.envoy.said).containsExactly("headers", "piece", "piece");
    }

    @Test
    void anOwnerThatMayNotGoOn() {
        stage.owners.put("alpha", new Owner.Barred(Reason.SANDBOX_STOPPED, ""));
        assertThat(stage.open("alpha", RELAY).ended()).isEqualTo(Reason.SANDBOX_STOPPED);

        stage.owners.remove("alpha");
        Running running = stage.open("alpha", LOGS);
        stage.owners.put("alpha", new Owner.Barred(Reason.SANDBOX_DELETED, ""));
        running.message(logs("alpha"));
        assertThat(running.ended()).isEqualTo(Reason.SANDBOX_DELETED);
        assertThat(running.envoy.passed.size()).isZero();

        stage.owners.put("alpha", new Owner.Unsure("not known yet"));
        Running unsure = stage.open("alpha", LOGS);
        stage.ownersAsked.removeFirst().complete(new Owner.Unsure("the issuer is away"));
        assertThat(unsure.ended()).isEqualTo(Reason.ISSUER_UNAVAILABLE);
        Running failing = stage.open("alpha", LOGS);
        stage.ownersAsked.removeFirst().completeExceptionally(new IllegalStateException("broken"));
        assertThat(failing.ended()).isEqualTo(Reason.ISSUER_UNAVAILABLE);
    }

    @Test
    void aCutWhileTheOwnerIsAskedFor() {
        stage.owners.put("alpha", new Owner.Unsure("not known yet"));
        Running running = stage.open("alpha", LOGS);
        running.stream.cut(new Refusal(Reason.TOKEN_REVOKED, ""));
        stage.ownersAsked.removeFirst().complete(new Owner.Living("alpha", "default", ""));

        assertThat(running.envoy.said).containsExactly("end");
    }

    /** A refusal ends the stream by itself; a guard that is not heard closes the gate by failing. */
    @Test
    void anEnvoyThatDoesNotEndWhatWasRefused() {
        Running running = stage.open("alpha", LOGS).message(logs("beta"));
        running.message(logs("alpha"));
        stage.time.advance(Duration.ofMillis(999));
        stage.streams.insist();
        assertThat(running.envoy.said).containsExactly("headers", "end");
        stage.time.advance(Duration.ofMillis(1));
        stage.streams.insist();
        stage.streams.insist();
        running.stream.envoyEnded();
        running.stream.cancelled();

        assertThat(running.envoy.said).containsExactly("headers", "end", "fail");
        assertThat(running.envoy.closedWith()).isEqualTo(Status.Code.PERMISSION_DENIED);
        assertThat(stage.audited).hasSize(1);
    }

    @Test
    void aSandboxAtItsBoundLeavesOthersUntouched() {
        GuardStage small = new GuardStage(new StreamLimits(2, 4, 1 << 20, Optional.empty()));
        Running first = small.open("alpha", LOGS);
        small.open("alpha", RELAY);

        assertThat(small.open("alpha", LOGS).ended()).isEqualTo(Reason.TOO_MANY_STREAMS);
        assertThat(small.audited.getLast().principal()).contains("alpha");
        assertThat(small.open("beta", LOGS).ended()).isNull();
        first.stream.cancelled();
        assertThat(small.open("alpha", LOGS).ended()).isNull();
        assertThat(small.open("gamma", LOGS).ended()).isNull();
        assertThat(small.open("delta", LOGS).ended()).isEqualTo(Reason.OVERLOADED);
        assertThat(small.streams.size()).isEqualTo(4);
    }

    /** Two come at once for the last place: one gets it, and one does not. */
    @Test
    void theLastPlaceIsGivenAwayOnce() throws Exception {
        GuardStage small = new GuardStage(new StreamLimits(2, 100, 1 << 20, Optional.empty()));
        try (ExecutorService threads = Executors.newFixedThreadPool(2)) {
            for (int round = 0; round < 300; round++) {
                Running first = small.open("alpha", RELAY);
                CyclicBarrier both = new CyclicBarrier(2);
                List<Future<Running>> comers = new ArrayList<>();
                for (int i = 0; i < 2; i++) {
                    Running comer = small.stream("alpha", RELAY);
                    comers.add(threads.submit(() -> {
                        both.await();
                        return comer.begin();
                    }));
                }
                List<Running> all = new ArrayList<>(List.of(first));
                for (Future<Running> each : comers) {
                    all.add(each.get());
                }
                assertThat(all.stream().filter(running -> running.envoy.ended == null))
                        .as("round %d", round)
                        .hasSize(2);
                all.forEach(running -> running.stream.cancelled());
                assertThat(small.streams.size()).isZero();
            }
        }
    }

    @Test
    void unfinishedMessagesAreBoundedPerSandboxAndInAll() {
        GuardStage small = new GuardStage(new StreamLimits(64, 100, 4 << 20, Optional.empty()));
        byte[] halfAMegabyte = Arrays.copyOf(new byte[] {0, 0, 8, 0, 0}, 300_000);

        Running first = small.open("alpha", LOGS).piece(halfAMegabyte);
        assertThat(first.ended()).isNull();
        assertThat(small.streams.unfinishedBytes()).isEqualTo(512 << 10);
        small.open("alpha", LOGS).piece(halfAMegabyte);
        assertThat(small.open("alpha", LOGS).piece(halfAMegabyte).ended()).isEqualTo(Reason.TOO_MUCH_UNFINISHED);
        for (String other : List.of("b", "c", "d")) {
            assertThat(small.open(other, LOGS).piece(halfAMegabyte).ended()).isNull();
            assertThat(small.open(other, LOGS).piece(halfAMegabyte).ended()).isNull();
        }
        assertThat(small.open("e", LOGS).piece(halfAMegabyte).ended()).isEqualTo(Reason.TOO_MUCH_UNFINISHED);
        first.stream.cancelled();
        assertThat(small.open("e", LOGS).piece(halfAMegabyte).ended()).isNull();
        assertThat(small.streams.unfinishedBytes()).isEqualTo(4 << 20);
    }

    /** What was only announced takes no room. */
    @Test
    void anAnnouncedLengthReservesLittle() {
        Running running = stage.open("alpha", LOGS).piece(new byte[] {0, 0, 15, 0, 0, 10});
        assertThat(stage.streams.unfinishedBytes()).isEqualTo(32 << 10);
        assertThat(running.ended()).isNull();
    }

    @Test
    void shutdownFailsWhatIsOpenAndWhatComes() {
        Running open = stage.open("alpha", SESSION);
        stage.streams.drain();
        Running later = stage.open("alpha", SESSION);

        for (Running running : List.of(open, later)) {
            assertThat(running.envoy.grpcStatus()).isEqualTo(14);
            running.stream.envoyEnded();
            assertThat(running.envoy.closedWith()).isEqualTo(Status.Code.UNAVAILABLE);
        }
        assertThat(stage.audited).extracting(AuditEvent::reason).containsOnly(Reason.SHUTTING_DOWN);
        assertThat(stage.streams.size()).isZero();
    }

    /** Whatever comes first, nothing follows an end. */
    @Test
    void cutsAndPiecesAtOnce() throws Exception {
        byte[] one = frame(logs("alpha", "alpha").toByteArray());
        try (ExecutorService threads = Executors.newFixedThreadPool(2)) {
            for (int round = 0; round < 300; round++) {
                Running running = stage.open("alpha", LOGS);
                CountDownLatch both = new CountDownLatch(2);
                List<Future<?>> done = new ArrayList<>();
                done.add(threads.submit(() -> {
                    both.countDown();
                    both.await();
                    for (int i = 0; i < 20; i++) {
                        running.piece(one);
                    }
                    return null;
                }));
                done.add(threads.submit(() -> {
                    both.countDown();
                    both.await();
                    running.stream.cut(new Refusal(Reason.TOKEN_REVOKED, ""));
                    return null;
                }));
                for (Future<?> each : done) {
                    each.get();
                }
                assertThat(running.envoy.said).endsWith("end").containsOnlyOnce("end");
                assertThat(running.envoy.passed.size() % one.length).isZero();
            }
        }
        assertThat(stage.streams.size()).isZero();
    }
}
