package io.sallyport.envoyconfig;

import static io.sallyport.envoyconfig.LiveEnvoy.ALPHA;
import static io.sallyport.envoyconfig.RawHttp2.grpc;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.envoyproxy.envoy.service.auth.v3.CheckResponse;
import io.envoyproxy.envoy.service.auth.v3.OkHttpResponse;
import io.envoyproxy.envoy.type.v3.StatusCode;
import io.grpc.Status;
import io.grpc.Status.Code;
import io.grpc.stub.StreamObserver;
import io.sallyport.envoyconfig.FakeExtAuthz.Decision;
import io.sallyport.envoyconfig.RawHttp2.Answer;
import io.sallyport.envoyconfig.RawHttp2.Call;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** What a client sees, and what still works, when a part behind a real Envoy fails or one client takes all it can. */
class EnvoyPartsTest extends OnOneEnvoy {
    private static final String TRY_AGAIN = "authorization is unavailable, try again";

    @ParameterizedTest
    @CsvSource({
        "Unauthorized, UNAUTHENTICATED",
        "Forbidden, PERMISSION_DENIED",
        "BadRequest, INVALID_ARGUMENT",
        "TooManyRequests, RESOURCE_EXHAUSTED",
        "NotImplemented, UNIMPLEMENTED",
        "GatewayTimeout, DEADLINE_EXCEEDED",
    })
    void aDenialKeepsItsOwnStatusAndWords(StatusCode http, Code code) throws Exception {
        live.extAuthz().decide(FakeExtAuthz.deny(http, code, "these words"));

        Answer answer = client.call(grpc(ProbePolicy.SANDBOX), ALPHA);

        assertThat(answer.grpcStatus()).isEqualTo(code.value());
        assertThat(answer.message()).isEqualTo("these words");
        assertThat(answer.headers()).doesNotContainKey("grpc-retry-pushback-ms");
        live.assertNothingForwarded();
    }

    /** Answers that no ext-authz of ours would give. */
    @SuppressWarnings("ImmutableEnumChecker") // the decisions hold nothing
    enum Failure {
        SLOW(answer -> {}),
        FAILS(answer -> answer.onError(Status.INTERNAL.asException())),
        UNIMPLEMENTED(answer -> answer.onError(Status.UNIMPLEMENTED.asException())),
        EMPTY(answer -> answer(answer, CheckResponse.getDefaultInstance())),
        OK_WITHOUT_A_PRINCIPAL(answer -> answer(
                answer,
                CheckResponse.newBuilder()
                        .setOkResponse(OkHttpResponse.getDefaultInstance())
                        .build())),
        A_USER(answer -> FakeExtAuthz.allowWith(answer, Map.of("x-sandbox-principal", "user;subject=\"mallory\""))),
        NOBODY(answer -> FakeExtAuthz.allowWith(answer, Map.of("x-sandbox-principal", "anonymous"))),
        ANOTHER_HEADER(answer -> FakeExtAuthz.allowWith(
                answer, Map.of("x-sandbox-principal", FakeExtAuthz.PRINCIPAL, ":path", ProbePolicy.USER))),
        BROKEN_VALUE(answer ->
                FakeExtAuthz.allowWith(answer, Map.of("x-sandbox-principal", "sandbox;id=\"a\"\r\nx-evil: 1"))),
        UNAVAILABLE(FakeExtAuthz.deny(StatusCode.ServiceUnavailable, Code.UNAVAILABLE, TRY_AGAIN));

        final Decision decision;

        Failure(Decision decision) {
            this.decision = decision;
        }

        private static void answer(StreamObserver<CheckResponse> to, CheckResponse response) {
            to.onNext(response);
            to.onCompleted();
        }
    }

    @ParameterizedTest
    @EnumSource(Failure.class)
    void anExtAuthzThatIsUnsureIsAnOutageWithAHint(Failure failure) throws Exception {
        live.extAuthz().decide(failure.decision);

        Answer answer =
                client.call(grpc(ProbePolicy.SANDBOX).set("x-sandbox-principal", FakeExtAuthz.PRINCIPAL), ALPHA);

        assertThat(answer.grpcStatus()).isEqualTo(Code.UNAVAILABLE.value());
        assertThat(answer.message()).isEqualTo(TRY_AGAIN);
        assertThat(answer.headers()).containsEntry("grpc-retry-pushback-ms", "1000");
        live.assertNothingForwarded();
    }

    /** The other side of "anything else is an error". */
    @Test
    void extAuthzMayTakeAwayTheBearerAndItsOwnHeaders() throws Exception {
        live.extAuthz()
                .decide(answer -> Failure.answer(
                        answer,
                        CheckResponse.newBuilder()
                                .setOkResponse(OkHttpResponse.newBuilder()
                                        .addHeadersToRemove("authorization")
                                        .addHeadersToRemove("x-sandbox-principal")
                                        .addHeadersToRemove("x-sandbox-principal-jwt"))
                                .build()));

        Answer answer = client.call(grpc(ProbePolicy.USER).set("authorization", "Bearer token"), ALPHA);

        assertThat(answer.grpcStatus()).isZero();
        assertThat(live.gateway().arrivals().getFirst().headers()).doesNotContainKey("authorization");
    }

    @Test
    void theIssuerGetsNothingWithoutAnAssertion() throws Exception {
        Answer answer = client.call(grpc(ProbePolicy.ISSUER).set("x-sandbox-principal-jwt", "forged"), ALPHA);

        assertThat(answer.grpcStatus()).isEqualTo(Code.UNAVAILABLE.value());
        live.assertNothingForwarded();
    }

    @Test
    void anExtAuthzThatIsAwayIsAnOutage(@TempDir Path directory) throws Exception {
        try (LiveEnvoy own = LiveEnvoy.start(directory, new SettingsText());
                RawHttp2 connection = own.connect()) {
            assertThat(connection.call(grpc(ProbePolicy.SANDBOX), ALPHA).grpcStatus())
                    .isZero();
            own.gateway().forget();
            own.extAuthz().close();

            for (String path : List.of(ProbePolicy.SANDBOX, ProbePolicy.USER, ProbePolicy.OPEN)) {
                Answer answer = connection.call(grpc(path), ALPHA);
                assertThat(answer.grpcStatus()).as(path).isEqualTo(Code.UNAVAILABLE.value());
                assertThat(answer.message()).isEqualTo(TRY_AGAIN);
            }
            assertThat(own.gateway().arrivals()).isEmpty();
        }
    }

    /** Its text would name our sockets. */
    @Test
    void aGatewayThatIsAwayIsUnavailableAndNothingMoreIsSaid(@TempDir Path directory) throws Exception {
        try (LiveEnvoy own = LiveEnvoy.start(directory, new SettingsText());
                RawHttp2 connection = own.connect()) {
            own.gateway().close();

            Answer answer = connection.call(grpc(ProbePolicy.SANDBOX), ALPHA);

            assertThat(answer.grpcStatus()).isEqualTo(Code.UNAVAILABLE.value());
            assertThat(answer.message()).isEqualTo("unavailable, try again");
            assertThat(answer.headers().toString()).doesNotContain(directory.toString(), "reset reason");
        }
    }

    @Test
    void anExtAuthzThatSpeaksNoGrpcIsAnOutage(@TempDir Path directory) throws Exception {
        try (LiveEnvoy own = LiveEnvoy.start(directory, new SettingsText().with("limits", "{authorization: 500ms}"));
                RawHttp2 connection = own.connect()) {
            for (Garbage garbage : Garbage.values()) {
                own.garbageInPlaceOfExtAuthz(garbage.bytes);

                Answer answer = connection.call(grpc(ProbePolicy.SANDBOX), ALPHA);

                assertThat(answer.grpcStatus()).as("%s", garbage).isEqualTo(Code.UNAVAILABLE.value());
            }
            assertThat(own.gateway().arrivals()).isEmpty();
        }
    }

    /** What stands where a CheckResponse should. */
    @SuppressWarnings("ImmutableEnumChecker") // nobody writes to the bytes
    enum Garbage {
        NOT_A_FRAME("pong".getBytes(StandardCharsets.US_ASCII)),
        NOT_A_MESSAGE(RawHttp2.frame(new byte[] {(byte) 0xff, (byte) 0xff, (byte) 0xff})),
        AN_EMPTY_MESSAGE(RawHttp2.frame(new byte[0])),
        ANOTHER_MESSAGE(RecordingUpstream.PONG),
        TWO_MESSAGES(new byte[10]),
        NOTHING(new byte[0]);

        final byte[] bytes;

        Garbage(byte[] bytes) {
            this.bytes = bytes;
        }
    }

    @Test
    void twoThousandCallsThatNeverEndDisturbNobody() throws Exception {
        List<RawHttp2> connections = new ArrayList<>();
        List<Call> neverEnded = new ArrayList<>();
        try {
            for (int i = 0; i < 20; i++) {
                RawHttp2 connection = live.connect();
                connections.add(connection);
                for (int j = 0; j < 100; j++) {
                    neverEnded.add(connection
                            .open(grpc(ProbePolicy.SANDBOX), false)
                            .data(new byte[ProbePolicy.SANDBOX_BODY_LIMIT - 1], false));
                }
            }

            for (int i = 0; i < 200; i++) {
                assertThat(client.call(grpc(ProbePolicy.SANDBOX), ALPHA).grpcStatus())
                        .isZero();
            }

            assertThat(neverEnded.stream().filter(Call::answered)).isEmpty();
            assertThat(live.gateway().arrivals()).hasSize(200);
        } finally {
            connections.forEach(RawHttp2::close);
        }
    }

    /** Two thousand calls that the gateway does not answer are fewer than it may have under way. */
    @Test
    void twoThousandCallsThatAreNotAnsweredDisturbNobody() throws Exception {
        List<RawHttp2> connections = new ArrayList<>();
        live.gateway().silent(true);
        try {
            for (int i = 0; i < 20; i++) {
                RawHttp2 connection = live.connect();
                connections.add(connection);
                for (int j = 0; j < 100; j++) {
                    connection.open(grpc(ProbePolicy.SANDBOX), false).data(ALPHA, true);
                }
                // A hundred at a time: this is about calls that pile up, not about how many checks a second there can
                // be.
                live.gateway().awaitBody((i + 1) * 100L * ALPHA.length);
            }
            live.gateway().silent(false);

            assertThat(client.call(grpc(ProbePolicy.SANDBOX), ALPHA).grpcStatus())
                    .isZero();
        } finally {
            connections.forEach(RawHttp2::close);
        }
    }

    /** Users' calls have a share of their own: as many as it holds, and the sandboxes' calls go on. */
    @Test
    void usersStreamsDoNotUseUpTheSandboxesShare(@TempDir Path directory) throws Exception {
        try (LiveEnvoy own = LiveEnvoy.start(directory, new SettingsText().with("limits", "{user-requests: 10}"));
                RawHttp2 connection = own.connect()) {
            for (int i = 0; i < 10; i++) {
                connection.open(grpc(ProbePolicy.USER_BIDI), false).data(ALPHA, false);
            }
            own.gateway().awaitBody(10L * ALPHA.length);

            Answer user = connection.call(grpc(ProbePolicy.USER), ALPHA);
            Answer sandbox = connection.call(grpc(ProbePolicy.SANDBOX), ALPHA);

            assertThat(user.grpcStatus()).isEqualTo(Code.UNAVAILABLE.value());
            assertThat(sandbox.grpcStatus()).isZero();
        }
    }

    /** Pods that wait for their cluster's word: as many as there is room for, longer than anybody else, and in nobody's way. */
    @Test
    void podsThatWaitHoldUpNobodyElsesCheckAndHaveATimeoutOfTheirOwn(@TempDir Path directory) throws Exception {
        List<StreamObserver<CheckResponse>> waiting = new CopyOnWriteArrayList<>();
        try (LiveEnvoy own = LiveEnvoy.start(
                        directory,
                        new SettingsText()
                                .with(
                                        "limits",
                                        "{authorization: 200ms, authorization-requests: 16, pod-authorization: 15s,"
                                                + " pod-authorization-requests: 20}"));
                RawHttp2 connection = own.connect()) {
            own.extAuthz().decide(waiting::add);
            List<Call> pods = new ArrayList<>();
            for (int i = 0; i < 20; i++) {
                pods.add(connection.open(grpc(ProbePolicy.BEGIN), false).data(ALPHA, true));
            }
            while (waiting.size() < 20) {
                Thread.sleep(5);
            }

            Answer oneTooMany = connection.call(grpc(ProbePolicy.BEGIN), ALPHA);
            Answer slow = connection.call(grpc(ProbePolicy.SANDBOX), ALPHA);
            own.extAuthz().decide(FakeExtAuthz::allow);
            Answer sandbox = connection.call(grpc(ProbePolicy.SANDBOX), ALPHA);

            assertThat(oneTooMany.grpcStatus()).isEqualTo(Code.UNAVAILABLE.value());
            assertThat(oneTooMany.message()).isEqualTo(TRY_AGAIN);
            assertThat(slow.grpcStatus()).as("nobody else waits so long").isEqualTo(Code.UNAVAILABLE.value());
            assertThat(sandbox.grpcStatus()).isZero();
            assertThat(pods.stream().filter(Call::answered)).isEmpty();

            for (StreamObserver<CheckResponse> answer : waiting.subList(0, 20)) {
                FakeExtAuthz.allowWith(
                        answer,
                        Map.of("x-sandbox-principal", "service-account;pod=\"p\"", "x-sandbox-principal-jwt", "a"));
            }
            for (Call pod : pods) {
                assertThat(pod.answer().grpcStatus()).isZero();
            }
            assertThat(own.issuer().arrivals()).hasSize(20);
        }
    }

    @Test
    void aPodThatGetsNoWordInTimeIsToldToTryAgain(@TempDir Path directory) throws Exception {
        try (LiveEnvoy own = LiveEnvoy.start(
                        directory, new SettingsText().with("limits", "{authorization: 5s, pod-authorization: 200ms}"));
                RawHttp2 connection = own.connect()) {
            List<StreamObserver<CheckResponse>> asked = new CopyOnWriteArrayList<>();
            own.extAuthz().decide(asked::add);

            Answer answer = connection.call(grpc(ProbePolicy.BEGIN), ALPHA);

            assertThat(answer.grpcStatus()).isEqualTo(Code.UNAVAILABLE.value());
            assertThat(answer.message()).isEqualTo(TRY_AGAIN);
            assertThat(answer.headers()).containsEntry("grpc-retry-pushback-ms", "1000");
            assertThat(asked).hasSize(1);
            assertThat(own.issuer().arrivals()).isEmpty();
        }
    }

    /** One too many is closed before it says a word; a place that becomes free can be taken. */
    @Test
    void thereAreOnlySoManyConnections(@TempDir Path directory) throws Exception {
        int limit = 16;
        List<RawHttp2> connections = new ArrayList<>();
        try (LiveEnvoy own =
                LiveEnvoy.start(directory, new SettingsText().with("limits", "{connections: " + limit + "}"))) {
            for (int i = 0; i < limit; i++) {
                connections.add(own.connectPatiently());
            }
            assertThatThrownBy(own::connect).isNotNull();

            connections.removeFirst().close();

            connections.add(own.connectPatiently());
            assertThat(connections
                            .getLast()
                            .call(grpc(ProbePolicy.SANDBOX), ALPHA)
                            .grpcStatus())
                    .isZero();
        } finally {
            connections.forEach(RawHttp2::close);
        }
    }

    /** More bodies than the heap may hold: Envoy resets the largest of them, lives on, and serves again. */
    @Test
    void bodiesBeyondTheHeapAreResetAndEnvoyGoesOn(@TempDir Path directory) throws Exception {
        try (LiveEnvoy own = LiveEnvoy.start(directory, new SettingsText().with("limits", "{heap: 128MiB}"))) {
            List<RawHttp2> connections = new ArrayList<>();
            List<Call> calls = new ArrayList<>();
            byte[] body = new byte[ProbePolicy.LARGE_BODY_LIMIT - 1];
            for (int i = 0; i < 3; i++) {
                RawHttp2 connection = own.connect();
                connections.add(connection);
                for (int j = 0; j < 100; j++) {
                    calls.add(connection.open(grpc(ProbePolicy.LARGE), false).data(body, false));
                }
            }
            Answer first = Call.firstAnswer(calls);
            assertThat(first.grpcStatus()).isNotZero();
            connections.forEach(RawHttp2::close);

            assertThat(own.envoy().isAlive()).isTrue();
            assertThat(own.callPatiently().grpcStatus()).isZero();
            assertThat(own.envoy().residentBytes()).isLessThan(400L << 20);
        }
    }
}
