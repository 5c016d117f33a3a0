package io.sallyport.extauthz;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.util.concurrent.ListenableFuture;
import io.envoyproxy.envoy.service.auth.v3.AuthorizationGrpc;
import io.envoyproxy.envoy.service.auth.v3.CheckRequest;
import io.envoyproxy.envoy.service.auth.v3.CheckResponse;
import io.grpc.CallOptions;
import io.grpc.Context;
import io.grpc.Deadline;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCalls;
import io.netty.channel.EventLoopGroup;
import io.sallyport.api.openshell00.RefreshSandboxTokenRequest;
import io.sallyport.api.openshell00.inference.GetInferenceBundleRequest;
import io.sallyport.api.openshell00.sandbox.GetSandboxConfigRequest;
import io.sallyport.base.Reason;
import io.sallyport.base.RejectedException;
import io.sallyport.base.audit.AuditEvent;
import io.sallyport.base.net.Endpoint;
import io.sallyport.base.net.GrpcChannels;
import io.sallyport.base.net.GrpcServers;
import io.sallyport.extauthz.Decisions.UserMethods;
import io.sallyport.identity.Assertion;
import io.sallyport.identity.AssertionVerifier;
import io.sallyport.identity.Ed25519;
import io.sallyport.identity.KeyDirectory;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The service on a real Unix socket, with records that answer when the test says so. */
@Timeout(30)
class CheckServiceTest {
    private static final int PLACES = 2;

    @TempDir
    Path directory;

    private final BlockingQueue<AuditEvent> audited = new LinkedBlockingQueue<>();
    private final BlockingQueue<Deadline> deadlines = new LinkedBlockingQueue<>();
    private final EventLoopGroup loops = GrpcServers.eventLoops("test", 1);
    private final ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor();
    private final DecisionCounts counts = new DecisionCounts();
    private Stage stage;
    private CheckService service;
    private Server server;
    private ManagedChannel channel;

    @BeforeEach
    void start() throws IOException {
        stage = new Stage(directory, "openshell-0.0");
        SandboxRecords records = new SandboxRecords(stage.records, stage.time);
        service = new CheckService(
                stage.decisions(UserMethods.CLOSED, false, records),
                stage.answers,
                stage.identity.assertionMinter(),
                audited::add,
                counts,
                threads,
                PLACES,
                stage.time,
                stage.time);
        Endpoint socket = new Endpoint.Unix(directory.resolve("s"));
        server = GrpcServers.listenOn(socket, loops)
                .directExecutor()
                .addService(service.definition())
                .intercept(new DeadlineRecorder())
                .build()
                .start();
        channel = GrpcChannels.connectTo(socket, loops).directExecutor().build();
    }

    @AfterEach
    void stop() {
        channel.shutdownNow();
        server.shutdownNow();
        threads.shutdownNow();
        var _ = loops.shutdownGracefully(0, 1, TimeUnit.SECONDS);
    }

    @Test
    void answersAtOnceAndLater() throws InterruptedException {
        String token = stage.identity.token("alpha-id");
        for (int i = 0; i < 3; i++) {
            CheckResponse response = check(bundle(token));
            assertThat(response.getStatus().getCode()).isZero();
            assertThat(response.getOkResponse().getHeaders(0).getHeader().getKey())
                    .isEqualTo("x-sandbox-principal");
        }
        assertThat(stage.records.asked).hasSize(1);
        assertThat(audited).as("what is allowed is not audited").isEmpty();
    }

    @Test
    void everyRefusalIsAuditedOnce() throws InterruptedException {
        String token = stage.identity.token("alpha-id");
        CheckResponse response = check(stage.to(Requests.CONFIG)
                .bearer(token)
                .message(GetSandboxConfigRequest.newBuilder()
                        .setSandboxId("beta-id")
                        .build()));
        assertThat(response.getStatus().getCode()).isEqualTo(Status.Code.PERMISSION_DENIED.value());
        AuditEvent event = audited.take();
        assertThat(event.reason()).isEqualTo(Reason.CROSS_SANDBOX);
        assertThat(event.principal()).isEqualTo("sandbox;id=\"alpha-id\";source=\"gateway-jwt\"");
        assertThat(event.method()).isEqualTo(Requests.CONFIG);
        assertThat(event.sandboxAsked()).isEqualTo("beta-id");
        assertThat(event.requestId()).isEqualTo("req-1");
        assertThat(audited).isEmpty();
    }

    @Test
    void whatCannotBeReadIsAnErrorAndNeverAllowed() {
        for (byte[] garbage : new byte[][] {{(byte) 0xFF}, {10}, {(1 << 3) | 2, 5, 1}, {(2 << 3) | 4}}) {
            assertThatThrownBy(() -> ClientCalls.blockingUnaryCall(channel, rawCheck(), CallOptions.DEFAULT, garbage))
                    .isInstanceOfSatisfying(
                            StatusRuntimeException.class,
                            e -> assertThat(e.getStatus().getCode()).isEqualTo(Status.Code.INVALID_ARGUMENT));
        }
        assertThat(audited)
                .hasSize(4)
                .allSatisfy(event -> assertThat(event.reason()).isEqualTo(Reason.INTERNAL));
    }

    @Test
    void anEmptyQuestionIsRefused() {
        CheckResponse response = AuthorizationGrpc.newBlockingStub(channel).check(CheckRequest.getDefaultInstance());
        assertThat(response.getStatus().getCode()).isEqualTo(Status.Code.UNAVAILABLE.value());
    }

    @Test
    void aFailureInTheMiddleIsADenial() throws IOException, InterruptedException {
        String secret = "s3cret";
        service = new CheckService(
                stage.decisions(UserMethods.CLOSED, false, new SandboxRecords(stage.records, () -> {
                    throw new IllegalStateException(secret);
                })),
                stage.answers,
                stage.identity.assertionMinter(),
                audited::add,
                counts,
                threads,
                PLACES,
                stage.time,
                stage.time);
        server.shutdownNow().awaitTermination();
        server = GrpcServers.listenOn(new Endpoint.Unix(directory.resolve("s")), loops)
                .directExecutor()
                .addService(service.definition())
                .build()
                .start();
        channel.resetConnectBackoff();
        String token = stage.identity.token("alpha-id");
        for (int i = 0; i < 2; i++) {
            CheckResponse response = AuthorizationGrpc.newBlockingStub(channel)
                    .withWaitForReady()
                    .check(bundle(token).build());
            assertThat(response.getStatus().getCode()).isEqualTo(Status.Code.UNAVAILABLE.value());
            AuditEvent event = audited.take();
            assertThat(event.reason()).isEqualTo(Reason.INTERNAL);
            assertThat(event.toString()).doesNotContain(secret);
        }
    }

    @Test
    void anAnswerAfterItsDeadlineIsNeverOk() throws InterruptedException {
        String token = stage.identity.token("alpha-id");
        stage.records.hold();
        ListenableFuture<CheckResponse> answer = AuthorizationGrpc.newFutureStub(channel)
                .withDeadlineAfter(2, TimeUnit.SECONDS)
                .check(bundle(token).build());
        assertThatThrownBy(answer::get)
                .isInstanceOf(ExecutionException.class)
                .satisfies(e -> assertThat(Status.fromThrowable(e).getCode()).isEqualTo(Status.Code.DEADLINE_EXCEEDED));
        // The server counts from the arrival of the question, so its deadline comes a little after the caller's.
        Deadline deadline = deadlines.take();
        while (!deadline.isExpired()) {
            LockSupport.parkNanos(deadline.timeRemaining(TimeUnit.NANOSECONDS));
        }
        stage.records.release();
        AuditEvent event = audited.take();
        assertThat(event.reason()).isEqualTo(Reason.DEADLINE_PASSED);
        assertThat(event.principal()).isEqualTo("sandbox;id=\"alpha-id\";source=\"gateway-jwt\"");
    }

    @Test
    void moreThanItCanDecideIsRefusedAtOnce() throws Exception {
        stage.records.hold();
        List<ListenableFuture<CheckResponse>> waiting = List.of(
                AuthorizationGrpc.newFutureStub(channel)
                        .check(bundle(stage.identity.token("alpha-id")).build()),
                AuthorizationGrpc.newFutureStub(channel)
                        .check(bundle(stage.identity.token("beta-id")).build()));
        while (stage.records.asked.size() < PLACES) {
            Thread.onSpinWait();
        }
        CheckResponse refused = check(bundle(stage.identity.token("beta-id")));
        assertThat(refused.getStatus().getCode()).isEqualTo(Status.Code.UNAVAILABLE.value());
        assertThat(audited.take().reason()).isEqualTo(Reason.OVERLOADED);
        // What needs no place is answered all the same.
        assertThat(check(stage.to(Requests.BUNDLE)).getStatus().getCode())
                .isEqualTo(Status.Code.UNAUTHENTICATED.value());
        stage.records.release();
        for (ListenableFuture<CheckResponse> answer : waiting) {
            assertThat(answer.get().getStatus().getCode()).isZero();
        }
        // And the places are free again, each as soon as its thread has ended.
        for (int i = 0; i < 2 * PLACES; i++) {
            Requests next = bundle(stage.identity.token("beta-id"));
            while (check(next).getStatus().getCode() != 0) {
                Thread.onSpinWait();
            }
        }
    }

    @Test
    void drainingAnswersWhatIsUnderWayAndRefusesTheRest() throws Exception {
        stage.records.hold();
        ListenableFuture<CheckResponse> before = AuthorizationGrpc.newFutureStub(channel)
                .check(bundle(stage.identity.token("alpha-id")).build());
        while (stage.records.asked.isEmpty()) {
            Thread.onSpinWait();
        }
        service.drain();
        CheckResponse late = check(bundle(stage.identity.token("alpha-id")));
        assertThat(late.getStatus().getCode()).isEqualTo(Status.Code.UNAVAILABLE.value());
        assertThat(audited.take().reason()).isEqualTo(Reason.SHUTTING_DOWN);
        stage.records.release();
        assertThat(before.get().getStatus().getCode()).isZero();
    }

    @Test
    void theIssuersMethodsCarryAFreshAssertion() throws IOException, RejectedException {
        AssertionVerifier verifier = new AssertionVerifier(
                TestIdentity.GATEWAY,
                KeyDirectory.readPublic(stage.identity.assertionKeys),
                Duration.ZERO,
                Ed25519.portable(),
                stage.time);
        String token = stage.identity.token("alpha-id");
        for (int i = 0; i < 2; i++) {
            CheckResponse response = check(
                    stage.to(Requests.REFRESH).bearer(token).message(RefreshSandboxTokenRequest.getDefaultInstance()));
            String assertion = response.getOkResponse().getHeadersList().stream()
                    .filter(header -> header.getHeader().getKey().equals("x-sandbox-principal-jwt"))
                    .map(header -> header.getHeader().getValue())
                    .findFirst()
                    .orElseThrow();
            Assertion verified = verifier.verify(assertion, Requests.REFRESH);
            assertThat(verified.caller())
                    .isInstanceOfSatisfying(
                            Assertion.Caller.Sandbox.class,
                            caller ->
                                    assertThat(caller.token().sandbox().value()).isEqualTo("alpha-id"));
            stage.time.advance(Duration.ofSeconds(30));
        }
    }

    @Test
    void theIssuerIsToldWhichPodAsks() throws IOException, RejectedException {
        CheckResponse response =
                check(stage.to(Requests.ISSUE).bearer(Stage.POD_TOKEN).body(Requests.frame(new byte[0])));
        assertThat(header(response, "x-sandbox-principal"))
                .isEqualTo("service-account;namespace=\"sandboxes\";name=\"openshell-sandbox\";pod=\"pod-1\""
                        + ";sandbox=\"alpha-id\";source=\"kubernetes\"");
        Assertion verified = new AssertionVerifier(
                        TestIdentity.GATEWAY,
                        KeyDirectory.readPublic(stage.identity.assertionKeys),
                        Duration.ZERO,
                        Ed25519.portable(),
                        stage.time)
                .verify(header(response, "x-sandbox-principal-jwt"), Requests.ISSUE);
        assertThat(verified.caller()).isEqualTo(new Assertion.Caller.Pod(Stage.POD));
    }

    private static String header(CheckResponse response, String name) {
        return response.getOkResponse().getHeadersList().stream()
                .filter(header -> header.getHeader().getKey().equals(name))
                .map(header -> header.getHeader().getValue())
                .findFirst()
                .orElseThrow();
    }

    private Requests bundle(String token) {
        return stage.to(Requests.BUNDLE).bearer(token).message(GetInferenceBundleRequest.getDefaultInstance());
    }

    private CheckResponse check(Requests request) {
        return AuthorizationGrpc.newBlockingStub(channel).check(request.build());
    }

    private static MethodDescriptor<byte[], byte[]> rawCheck() {
        MethodDescriptor.Marshaller<byte[]> bytes = new MethodDescriptor.Marshaller<>() {
            @Override
            public InputStream stream(byte[] value) {
                return new ByteArrayInputStream(value);
            }

            @Override
            public byte[] parse(InputStream stream) {
                try {
                    return stream.readAllBytes();
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            }
        };
        return MethodDescriptor.<byte[], byte[]>newBuilder()
                .setType(MethodDescriptor.MethodType.UNARY)
                .setFullMethodName(AuthorizationGrpc.getCheckMethod().getFullMethodName())
                .setRequestMarshaller(bytes)
                .setResponseMarshaller(bytes)
                .build();
    }

    /** Notes the deadline of each question as the server sees it. */
    private final class DeadlineRecorder implements ServerInterceptor {
        @Override
        public <A, B> ServerCall.Listener<A> interceptCall(
                ServerCall<A, B> call, Metadata headers, ServerCallHandler<A, B> next) {
            Deadline deadline = Context.current().getDeadline();
            if (deadline != null) {
                deadlines.add(deadline);
            }
            return next.startCall(call, headers);
        }
    }
}
