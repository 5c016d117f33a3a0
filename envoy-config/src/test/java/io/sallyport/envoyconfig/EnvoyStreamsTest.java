package io.sallyport.envoyconfig;

import static io.sallyport.envoyconfig.RawHttp2.frame;
import static io.sallyport.envoyconfig.RawHttp2.grpc;
import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.ByteString;
import io.envoyproxy.envoy.config.core.v3.HeaderValue;
import io.envoyproxy.envoy.extensions.filters.http.ext_proc.v3.ProcessingMode.BodySendMode;
import io.envoyproxy.envoy.service.auth.v3.CheckResponse;
import io.envoyproxy.envoy.service.ext_proc.v3.ProcessingRequest;
import io.grpc.Status;
import io.grpc.Status.Code;
import io.grpc.stub.StreamObserver;
import io.netty.handler.codec.http2.DefaultHttp2Headers;
import io.sallyport.envoyconfig.FakeStreamGuard.Guarded;
import io.sallyport.envoyconfig.RawHttp2.Answer;
import io.sallyport.envoyconfig.RawHttp2.Call;
import io.sallyport.envoyconfig.RecordingUpstream.Arrival;
import java.time.Duration;
import java.util.Arrays;
import java.util.Objects;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** What a real Envoy does with sandboxes' streams while their guard holds, passes, cuts, fails or is silent. */
class EnvoyStreamsTest extends OnOneEnvoy {
    private static final int LIMIT = 1 << 20;
    private static final int DATA_FRAME = 16 << 10;
    private static final int WINDOW = 64 << 10;

    @Override
    SettingsText settings() {
        return new SettingsText().with("limits", "{guard: 1500ms, guarded-streams: 20, authorization: 5s}");
    }

    private static void send(Call call, byte[] bytes) {
        send(call, bytes, DATA_FRAME);
    }

    private static void send(Call call, byte[] bytes, int frame) {
        for (int from = 0; from < bytes.length; from += frame) {
            call.data(Arrays.copyOfRange(bytes, from, Math.min(bytes.length, from + frame)), false);
        }
    }

    private Arrival arrival() throws InterruptedException {
        live.gateway().awaitArrivals(1);
        return live.gateway().arrivals().getFirst();
    }

    // Who is asked what.

    @ParameterizedTest
    @ValueSource(strings = {ProbePolicy.SANDBOX, ProbePolicy.USER, ProbePolicy.USER_BIDI, ProbePolicy.OPEN})
    void theGuardIsNotAskedAboutAnybodyElsesCall(String path) throws Exception {
        assertThat(client.call(grpc(path), LiveEnvoy.ALPHA).grpcStatus()).isZero();

        assertThat(live.guard().streams()).isEmpty();
    }

    @Test
    void theGuardLearnsWhoseStreamItIsAndNoSecret() throws Exception {
        Answer answer = client.call(
                grpc(ProbePolicy.SANDBOX_BIDI)
                        .set("authorization", "Bearer token")
                        .set("x-of-the-clients-own", "not its business"),
                LiveEnvoy.ALPHA);

        assertThat(answer.grpcStatus()).isZero();
        assertThat(arrival().headers()).containsEntry("authorization", "Bearer token");
        ProcessingRequest first = live.guard().only().requests().getFirst();
        assertThat(first.getRequestHeaders().getHeaders().getHeadersList().stream()
                        .map(HeaderValue::getKey))
                .containsExactlyInAnyOrder(":path", "x-request-id");
        assertThat(first.getMetadataContext()
                        .getFilterMetadataOrThrow("envoy.filters.http.ext_authz")
                        .getFieldsOrThrow("principal")
                        .getStringValue())
                .isEqualTo(FakeExtAuthz.PRINCIPAL);
        assertThat(first.getAttributesMap()).isEmpty();
        // What the guard is told of its own setting, so that it can refuse another.
        assertThat(first.getProtocolConfig().getRequestBodyMode()).isEqualTo(BodySendMode.STREAMED);
        assertThat(first.getProtocolConfig().getResponseBodyMode()).isEqualTo(BodySendMode.NONE);
        live.guard().only().awaitEnd();
        assertThat(live.guard().only().requests().stream().map(ProcessingRequest::getRequestCase))
                .contains(ProcessingRequest.RequestCase.REQUEST_BODY, ProcessingRequest.RequestCase.RESPONSE_TRAILERS)
                .doesNotContain(
                        ProcessingRequest.RequestCase.RESPONSE_BODY, ProcessingRequest.RequestCase.RESPONSE_HEADERS);
    }

    @Test
    void ofATunnelTheGuardSeesTheBeginningAndNotAByte() throws Exception {
        Call call = client.open(grpc(ProbePolicy.SANDBOX_TUNNEL), false);
        send(call, new byte[3 * LIMIT]);
        live.gateway().awaitBody(3L * LIMIT);
        call.data(new byte[0], true);

        assertThat(call.answer().grpcStatus()).isZero();
        live.guard().only().awaitEnd();
        assertThat(live.guard().only().bodyBytes()).isZero();
        assertThat(live.guard().only().requests().getFirst().getRequestCase())
                .isEqualTo(ProcessingRequest.RequestCase.REQUEST_HEADERS);
    }

    // How much is held.

    /** What a client writes at once comes at once: fewer pieces, of which each costs a way to the guard and back. */
    @Test
    void aFrameMayBeAsLargeAsTheWindow() throws Exception {
        live.guard().holdsBodies();
        Call call = client.open(grpc(ProbePolicy.SANDBOX_BIDI), false).data(LiveEnvoy.ALPHA, false);
        Guarded guarded = live.guard().only();
        guarded.awaitBody(LiveEnvoy.ALPHA.length);
        live.gateway().awaitArrivals(1);
        byte[] large = new byte[3 * DATA_FRAME];
        call.data(large, false);

        guarded.awaitBody(LiveEnvoy.ALPHA.length + (long) large.length);
        assertThat(guarded.largestPiece()).isEqualTo(large.length);
    }

    @ParameterizedTest
    @ValueSource(ints = {DATA_FRAME, WINDOW})
    void theLargestMessageComesWholeBeforeAByteOfItGoesOn(int frame) throws Exception {
        live.guard().holdsBodies();
        byte[] message = frame(new byte[LIMIT]);
        Call call = client.open(grpc(ProbePolicy.SANDBOX_BIDI), false);
        send(call, message, frame);
        Guarded guarded = live.guard().only();

        guarded.awaitBody(message.length);
        assertThat(arrival().body()).isEmpty();
        guarded.answerAll();

        live.gateway().awaitBody(message.length);
        assertThat(arrival().body()).isEqualTo(message);
    }

    /**
     * A piece that a message begins in waits for the next one. Envoy, once it has stopped reading, goes on at half of what it
     * may hold: a piece as large as the window must be less than that, also where messages are tiny.
     */
    @Test
    void readingGoesOnWhileALargePieceWaits() throws Exception {
        live.guard().holdsBodies();
        byte[] body = new byte[12 * WINDOW];
        Call call = client.open(grpc(ProbePolicy.SANDBOX_CLIENT_STREAM), false).data(LiveEnvoy.ALPHA, false);
        Guarded guarded = live.guard().only();
        guarded.awaitBody(LiveEnvoy.ALPHA.length);
        live.gateway().awaitArrivals(1);
        guarded.answerAll();
        send(call, body, WINDOW);

        guarded.awaitBody(StreamGuard.heldBytes(1));
        for (long came = 0; came < LiveEnvoy.ALPHA.length + body.length; ) {
            came = guarded.bodyBytes();
            guarded.answerAllButTheLast();
            guarded.awaitBody(Math.min(LiveEnvoy.ALPHA.length + body.length, came + 1));
        }
        guarded.answerAll();
        live.gateway().awaitBody(LiveEnvoy.ALPHA.length + body.length);
    }

    /** A client that writes without end: Envoy reads what a message needs, and no more. */
    @ParameterizedTest
    @ValueSource(ints = {DATA_FRAME, WINDOW})
    void whatIsHeldIsBounded(int frame) throws Exception {
        live.guard().holdsBodies();
        Call call = client.open(grpc(ProbePolicy.SANDBOX_BIDI), false);
        send(call, frame(new byte[8 * LIMIT]), frame);
        Guarded guarded = live.guard().only();
        int most = StreamGuard.heldBytes(LIMIT) + WINDOW + frame;

        guarded.awaitBody(StreamGuard.heldBytes(LIMIT));
        // Whatever else there was to come has come before the answer to a call that began later on the same connection.
        for (int i = 0; i < 20; i++) {
            assertThat(client.call(grpc(ProbePolicy.SANDBOX), LiveEnvoy.ALPHA).grpcStatus())
                    .isZero();
        }
        assertThat(guarded.bodyBytes()).isLessThanOrEqualTo(most);
        guarded.cut(Code.RESOURCE_EXHAUSTED, "too large");

        assertThat(call.answer().grpcStatus()).isEqualTo(Code.RESOURCE_EXHAUSTED.value());
        assertThat(live.gateway().arrivals().getFirst().body()).isEmpty();
    }

    /**
     * What gathers while ext-authz is asked comes as one piece, as large as all that is held, and it can end in the middle
     * of a message: no more would come then. The guard answers such a piece with its whole messages, keeps the rest, and
     * puts that before the next piece.
     */
    @Test
    void aPieceThatFillsTheBufferIsAnsweredInTwo() throws Exception {
        live.guard().holdsBodies();
        CompletableFuture<StreamObserver<CheckResponse>> check = new CompletableFuture<>();
        live.extAuthz().decide(check::complete);
        byte[] message = frame(new byte[700 << 10]);
        byte[] all = new byte[3 * message.length];
        for (int i = 0; i < 3; i++) {
            System.arraycopy(message, 0, all, i * message.length, message.length);
        }
        Call call = client.open(grpc(ProbePolicy.SANDBOX_BIDI), false);
        send(call, all);
        StreamObserver<CheckResponse> asked = check.get(60, TimeUnit.SECONDS);
        // Envoy reads on while it waits for the check: others' checks come after what it has read by then.
        live.extAuthz().decide(FakeExtAuthz::allow);
        for (int i = 0; i < 20; i++) {
            assertThat(client.call(grpc(ProbePolicy.SANDBOX), LiveEnvoy.ALPHA).grpcStatus())
                    .isZero();
        }
        FakeExtAuthz.allow(asked);
        Guarded guarded = live.guard().only();
        guarded.awaitBody(StreamGuard.heldBytes(LIMIT));

        ByteString piece = guarded.body();
        assertThat(piece.size()).isGreaterThan(message.length).isLessThan(2 * message.length);
        guarded.answerWith(piece.substring(0, message.length));
        guarded.awaitBody(2L * message.length);
        // The piece that came next, with what was kept in front; what is behind the second message waits again.
        ByteString kept = piece.substring(message.length);
        guarded.answerNextWith(kept);
        guarded.awaitBody(all.length);
        guarded.answerAll();
        call.data(new byte[0], true);

        arrival();
        live.gateway().awaitBody(all.length + 20L * LiveEnvoy.ALPHA.length);
        assertThat(live.gateway().arrivals().stream()
                        .filter(arrival -> ProbePolicy.SANDBOX_BIDI.equals(
                                arrival.headers().get(":path")))
                        .map(Arrival::body))
                .singleElement()
                .isEqualTo(all);
    }

    /** An answer may let go of nothing: then nothing waits in Envoy, and what the guard kept can go on later. */
    @Test
    void aPieceMayBeTakenOutAndPutBackLater() throws Exception {
        live.guard().holdsBodies();
        Call call = client.open(grpc(ProbePolicy.SANDBOX_BIDI), false);
        byte[] first = frame(new byte[100]);
        byte[] second = frame(new byte[200]);
        call.data(first, false);
        Guarded guarded = live.guard().only();
        guarded.awaitBody(first.length);
        guarded.answerWith(ByteString.EMPTY);
        call.data(second, true);
        guarded.awaitBodyEnd();
        guarded.answerNextWith(ByteString.copyFrom(first));
        guarded.answerAll();

        assertThat(call.answer().grpcStatus()).isZero();
        assertThat(ByteString.copyFrom(arrival().body()))
                .isEqualTo(ByteString.copyFrom(first).concat(ByteString.copyFrom(second)));
    }

    // The end.

    /** Where a stream is when it is cut. */
    enum Moment {
        IDLE(ProbePolicy.SANDBOX_BIDI, false, false),
        HALF_CLOSED(ProbePolicy.SANDBOX_BIDI, true, false),
        ANSWERING(ProbePolicy.SANDBOX_BIDI, false, true),
        ANSWERING_HALF_CLOSED(ProbePolicy.SANDBOX_SERVER_STREAM, true, true),
        TUNNEL(ProbePolicy.SANDBOX_TUNNEL, false, false),
        TUNNEL_HALF_CLOSED(ProbePolicy.SANDBOX_TUNNEL, true, false),
        TUNNEL_ANSWERING(ProbePolicy.SANDBOX_TUNNEL, false, true),
        TUNNEL_ANSWERING_HALF_CLOSED(ProbePolicy.SANDBOX_TUNNEL, true, true);

        final String path;
        final boolean halfClosed;
        final boolean answering;

        Moment(String path, boolean halfClosed, boolean answering) {
            this.path = path;
            this.halfClosed = halfClosed;
            this.answering = answering;
        }
    }

    private Call opened(Moment moment) throws Exception {
        live.gateway().silent(true);
        live.gateway().eager(moment.answering);
        Call call = client.open(grpc(moment.path), false).data(LiveEnvoy.ALPHA, moment.halfClosed);
        live.gateway().awaitBody(LiveEnvoy.ALPHA.length);
        if (moment.halfClosed) {
            assertThat(arrival().awaitEnd()).isEqualTo("end of stream");
        }
        if (moment.answering) {
            call.awaitHead();
        }
        return call;
    }

    @ParameterizedTest
    @EnumSource(Moment.class)
    void theGuardCutsAStreamUnasked(Moment moment) throws Exception {
        Call call = opened(moment);

        live.guard().only().cut(Code.UNAUTHENTICATED, "token expired");

        Answer answer = call.answer();
        if (moment.answering) {
            assertThat(answer.reset()).as("%s", answer).isPresent();
        } else {
            assertThat(answer.grpcStatus()).isEqualTo(Code.UNAUTHENTICATED.value());
            assertThat(answer.message()).isEqualTo("token expired");
        }
        arrival().awaitReset();
    }

    @ParameterizedTest
    @EnumSource(Moment.class)
    void aStreamEndsWithItsGuard(Moment moment) throws Exception {
        Call call = opened(moment);

        live.guard().only().fail(Status.UNAVAILABLE);

        Answer answer = call.answer();
        if (moment.answering) {
            assertThat(answer.reset()).as("%s", answer).isPresent();
        } else {
            assertThat(answer.grpcStatus()).isEqualTo(Code.UNAVAILABLE.value());
            assertThat(answer.message()).isEqualTo("unavailable, try again");
        }
        arrival().awaitReset();
    }

    @Test
    void whatIsHeldIsGoneWithTheStream() throws Exception {
        live.guard().holdsBodies();
        Call call = client.open(grpc(ProbePolicy.SANDBOX_BIDI), false).data(LiveEnvoy.ALPHA, false);
        live.guard().only().awaitBody(LiveEnvoy.ALPHA.length);

        live.guard().only().cut(Code.PERMISSION_DENIED, "not yours");

        assertThat(call.answer().grpcStatus()).isEqualTo(Code.PERMISSION_DENIED.value());
        arrival().awaitReset();
        assertThat(arrival().body()).isEmpty();
    }

    /** Envoy keeps trailers behind what is held: they pass with it, or end with it. */
    @Test
    void trailersWithinAMessageReleaseNothingAndEndWithIt() throws Exception {
        live.guard().holdsBodies();
        Call call = client.open(grpc(ProbePolicy.SANDBOX_BIDI), false).data(LiveEnvoy.ALPHA, false);
        live.guard().only().awaitBody(LiveEnvoy.ALPHA.length);
        call.trailers(new DefaultHttp2Headers(false).set("x-anything", "else"));

        assertThat(call.answer().grpcStatus()).isEqualTo(Code.DEADLINE_EXCEEDED.value());
        arrival().awaitReset();
        assertThat(arrival().body()).isEmpty();
        assertThat(arrival().trailers()).isEmpty();
    }

    @Test
    void aClientThatGoesAwayEndsItsStreamOnBothSides() throws Exception {
        Call call = opened(Moment.IDLE);

        call.cancel();

        live.guard().only().awaitEnd();
        arrival().awaitReset();
    }

    @ParameterizedTest
    @ValueSource(strings = {ProbePolicy.SANDBOX_BIDI, ProbePolicy.SANDBOX_TUNNEL})
    void anAnswerOfTrailersAloneComesThrough(String path) throws Exception {
        live.gateway().refuses(true);

        Answer answer = client.open(grpc(path), false).answer();

        assertThat(answer.grpcStatus()).isEqualTo(Code.NOT_FOUND.value());
        live.guard().only().awaitEnd();
    }

    // Time.

    @Test
    void aGuardThatDoesNotAnswerTheBeginningEndsTheStream() throws Exception {
        live.guard().answersAtOnce(request -> false);

        Answer answer = client.open(grpc(ProbePolicy.SANDBOX_BIDI), false)
                .data(LiveEnvoy.ALPHA, false)
                .answer();

        assertThat(answer.grpcStatus()).isEqualTo(Code.DEADLINE_EXCEEDED.value());
        assertThat(live.gateway().arrivals()).isEmpty();
    }

    /** Envoy's timer runs anew with each piece that is held. */
    @Test
    void aMessageThatStandsStillEndsTheStreamWhicheverItIs() throws Exception {
        live.guard().holdsBodies();
        Call call = client.open(grpc(ProbePolicy.SANDBOX_BIDI), false).data(LiveEnvoy.ALPHA, false);
        Guarded guarded = live.guard().only();
        guarded.awaitBody(LiveEnvoy.ALPHA.length);
        guarded.answerAll();
        live.gateway().awaitBody(LiveEnvoy.ALPHA.length);
        call.data(LiveEnvoy.ALPHA, false);

        assertThat(call.answer().grpcStatus()).isEqualTo(Code.DEADLINE_EXCEEDED.value());
        arrival().awaitReset();
        assertThat(arrival().body()).isEqualTo(LiveEnvoy.ALPHA);
    }

    @Test
    void theGuardMayAskForMoreTime() throws Exception {
        live.guard().holdsBodies();
        Call patient = client.open(grpc(ProbePolicy.SANDBOX_BIDI), false).data(LiveEnvoy.ALPHA, false);
        Guarded guarded = live.guard().only();
        guarded.awaitBody(LiveEnvoy.ALPHA.length);
        guarded.askForTime(Duration.ofMinutes(5));

        // Twice as long as Envoy waits by itself.
        for (int i = 0; i < 2; i++) {
            assertThat(client.open(grpc(ProbePolicy.SANDBOX_BIDI), false)
                            .data(LiveEnvoy.ALPHA, false)
                            .answer()
                            .grpcStatus())
                    .isEqualTo(Code.DEADLINE_EXCEEDED.value());
        }

        assertThat(patient.answered()).isFalse();
        guarded.answerAll();
        live.gateway().awaitBody(LiveEnvoy.ALPHA.length);
    }

    @Test
    void anIdleStreamWaitsForNobody() throws Exception {
        live.guard().holdsBodies();
        Call idle = client.open(grpc(ProbePolicy.SANDBOX_BIDI), false);
        live.gateway().awaitArrivals(1);

        assertThat(client.open(grpc(ProbePolicy.SANDBOX_BIDI), false)
                        .data(LiveEnvoy.ALPHA, false)
                        .answer()
                        .grpcStatus())
                .isEqualTo(Code.DEADLINE_EXCEEDED.value());

        assertThat(idle.answered()).isFalse();
    }

    // How many.

    /**
     * A gateway that counts resets, as Netty's does, gives up the connection of who breaks off 200 calls; nobody else's
     * calls are on it.
     */
    @ParameterizedTest
    @ValueSource(
            strings = {ProbePolicy.SANDBOX, ProbePolicy.SANDBOX_BIDI, ProbePolicy.SANDBOX_TUNNEL, ProbePolicy.USER})
    void whoMakesTheGatewayHangUpLosesNobodyElsesCalls(String path) throws Exception {
        live.gateway().silent(true);
        Call quiet = client.open(grpc(path), false).data(LiveEnvoy.ALPHA, true);
        live.gateway().awaitArrivals(1);
        try (RawHttp2 attacker = live.connect()) {
            int connections = Integer.MAX_VALUE;
            for (int calls = 2; live.gateway().connectionsSoFar() <= connections; calls++) {
                assertThat(calls).as("calls that were broken off").isLessThan(400);
                Call brokenOff = attacker.open(grpc(path), false).data(LiveEnvoy.ALPHA, true);
                live.gateway().awaitArrivals(calls);
                connections = Math.min(connections, live.gateway().connectionsSoFar());
                brokenOff.cancel();
            }
        }
        live.gateway().silent(false);

        assertThat(client.call(grpc(path), LiveEnvoy.ALPHA).grpcStatus()).isZero();
        assertThat(quiet.answered()).isFalse();
    }

    /** All checks share a connection, all guards another: ext-authz counts no resets. */
    @ParameterizedTest
    @ValueSource(strings = {ProbePolicy.SANDBOX, ProbePolicy.SANDBOX_BIDI})
    void callsThatAreBrokenOffWhileTheyAreCheckedDisturbNobodysCheck(String path) throws Exception {
        BlockingQueue<StreamObserver<CheckResponse>> checks = new LinkedBlockingQueue<>();
        live.extAuthz().decide(checks::add);
        breakOff(checks, path, 190);
        Call quiet = client.open(grpc(path), false).data(LiveEnvoy.ALPHA, true);
        StreamObserver<CheckResponse> check = next(checks);
        breakOff(checks, path, 30);
        assertThat(quiet.answered()).isFalse();
        FakeExtAuthz.allow(check);

        assertThat(quiet.answer().grpcStatus()).isZero();
    }

    private void breakOff(BlockingQueue<StreamObserver<CheckResponse>> checks, String path, int calls)
            throws Exception {
        try (RawHttp2 attacker = live.connect()) {
            for (int i = 0; i < calls; i++) {
                Call brokenOff = attacker.open(grpc(path), false).data(LiveEnvoy.ALPHA, true);
                var _ = next(checks);
                brokenOff.cancel();
            }
        }
    }

    private static StreamObserver<CheckResponse> next(BlockingQueue<StreamObserver<CheckResponse>> checks)
            throws InterruptedException {
        return Objects.requireNonNull(checks.poll(60, TimeUnit.SECONDS), "no check came");
    }

    /** Envoy does not close them with their clients', so their idleness must. */
    @Test
    void connectionsToTheGatewayGoWithTheirClients() throws Exception {
        for (int i = 0; i < 30; i++) {
            try (RawHttp2 brief = live.connect()) {
                assertThat(brief.call(grpc(ProbePolicy.SANDBOX), LiveEnvoy.ALPHA)
                                .grpcStatus())
                        .isZero();
            }
        }
        live.gateway().awaitNoConnection();
    }

    @Test
    void streamsHaveAShareOfTheirOwn() throws Exception {
        live.gateway().silent(true);
        for (int i = 0; i < 20; i++) {
            client.open(grpc(ProbePolicy.SANDBOX_TUNNEL), false).data(LiveEnvoy.ALPHA, false);
        }
        live.gateway().awaitBody(20L * LiveEnvoy.ALPHA.length);
        live.gateway().silent(false);

        Answer oneMore = client.open(grpc(ProbePolicy.SANDBOX_BIDI), false)
                .data(LiveEnvoy.ALPHA, false)
                .answer();
        Answer unary = client.call(grpc(ProbePolicy.SANDBOX), LiveEnvoy.ALPHA);
        Answer user = client.call(grpc(ProbePolicy.USER_BIDI), LiveEnvoy.ALPHA);

        assertThat(oneMore.grpcStatus()).isEqualTo(Code.UNAVAILABLE.value());
        assertThat(unary.grpcStatus()).isZero();
        assertThat(user.grpcStatus()).isZero();
    }
}
