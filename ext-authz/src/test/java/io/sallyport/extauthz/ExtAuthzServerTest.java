package io.sallyport.extauthz;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.common.util.concurrent.ListenableFuture;
import io.envoyproxy.envoy.service.auth.v3.AuthorizationGrpc;
import io.envoyproxy.envoy.service.auth.v3.CheckResponse;
import io.grpc.Context;
import io.grpc.Contexts;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.ServerInterceptors;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.stub.StreamObserver;
import io.netty.channel.EventLoopGroup;
import io.sallyport.api.feed.v1.GetRecordRequest;
import io.sallyport.api.feed.v1.IdentityFeedGrpc;
import io.sallyport.api.feed.v1.WatchRequest;
import io.sallyport.api.feed.v1.WatchResponse;
import io.sallyport.api.openshell00.sandbox.GetSandboxConfigRequest;
import io.sallyport.api.registry.v1.Revocation;
import io.sallyport.api.registry.v1.Sandbox;
import io.sallyport.api.registry.v1.SandboxState;
import io.sallyport.base.RejectedException;
import io.sallyport.base.net.GrpcChannels;
import io.sallyport.base.net.GrpcServers;
import io.sallyport.identity.Assertion;
import io.sallyport.identity.AssertionVerifier;
import io.sallyport.identity.Ed25519;
import io.sallyport.identity.KeyDirectory;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardWatchEventKinds;
import java.nio.file.WatchKey;
import java.nio.file.WatchService;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Clock;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import java.util.logging.Handler;
import java.util.logging.LogRecord;
import java.util.logging.Logger;
import java.util.logging.StreamHandler;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The whole service from its settings file, beside an issuer that demands the assertion. */
@Timeout(60)
class ExtAuthzServerTest {
    @TempDir
    Path directory;

    private final EventLoopGroup loops = GrpcServers.eventLoops("test", 1);
    private final Feed feed = new Feed();
    private TestIdentity identity;
    private ExtAuthzSettings settings;
    private Server issuer;
    private ExtAuthzServer server;
    private ManagedChannel channel;

    @BeforeEach
    void start() throws Exception {
        identity = new TestIdentity(directory, Clock.systemUTC());
        Path file = directory.resolve("ext-authz.yaml");
        Files.writeString(file, """
                gateway-id: local
                listen: unix:%1$s/a.sock
                policy: {preset: openshell-0.0}
                keys: {tokens: %1$s/jwt, assertion: %1$s/assertion}
                issuer: unix:%1$s/f.sock
                issuer-timeout: 400ms
                max-staleness: 3s
                metrics: 127.0.0.1:0
                audit: {file: %1$s/audit.jsonl}
                """.formatted(directory));
        settings = ExtAuthzSettings.load(file);
        feed.put("alpha-id", SandboxState.SANDBOX_STATE_ACTIVE);
        startIssuer();
        server = ExtAuthzServer.start(settings, CompletableFuture.completedFuture(Ed25519.portable()));
        server.ready().get();
        channel = GrpcChannels.connectTo(settings.listen(), loops)
                .directExecutor()
                .build();
    }

    private void startIssuer() throws IOException {
        AssertionVerifier verifier = new AssertionVerifier(
                TestIdentity.GATEWAY,
                KeyDirectory.readPublic(identity.assertionKeys),
                Duration.ofSeconds(5),
                Ed25519.portable(),
                Clock.systemUTC());
        issuer = GrpcServers.listenOn(settings.issuers().getFirst(), loops)
                .directExecutor()
                .addService(ServerInterceptors.intercept(feed, new DemandAssertion(verifier)))
                .build()
                .start();
    }

    @AfterEach
    void stop() {
        channel.shutdownNow();
        server.close();
        issuer.shutdownNow();
        var _ = loops.shutdownGracefully(0, 1, TimeUnit.SECONDS);
    }

    /** A socket that is bound first and restricted afterwards shows both events; for a moment anybody could connect. */
    @Test
    void theSocketAppearsWithItsPermissionsAndIsNeverSeenWithOthers() throws Exception {
        server.close();
        try (WatchService watch = directory.getFileSystem().newWatchService()) {
            directory.register(watch, StandardWatchEventKinds.ENTRY_CREATE, StandardWatchEventKinds.ENTRY_MODIFY);
            server = ExtAuthzServer.start(settings, CompletableFuture.completedFuture(Ed25519.portable()));
            Files.createFile(directory.resolve("the end"));

            List<String> events = new ArrayList<>();
            while (!events.contains("ENTRY_CREATE the end")) {
                WatchKey key = watch.take();
                key.pollEvents().forEach(event -> events.add(event.kind() + " " + event.context()));
                key.reset();
            }
            assertThat(events.stream().filter(event -> event.endsWith(" a.sock")))
                    .containsExactly("ENTRY_CREATE a.sock");
        }
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(directory.resolve("a.sock"))))
                .isEqualTo("rw-rw----");
    }

    @Test
    void decidesByTheIssuersRecords() {
        String token = identity.token("alpha-id");
        assertThat(code(config(token, "alpha-id"))).isEqualTo(Status.Code.OK);
        assertThat(code(config(token, "beta-id"))).isEqualTo(Status.Code.PERMISSION_DENIED);
        assertThat(code(config(identity.token("nobody"), "nobody"))).isEqualTo(Status.Code.UNAUTHENTICATED);
        assertThat(Files.exists(directory.resolve("a.sock"))).isTrue();
    }

    @Test
    void anIssuerThatIsAwayOrSlowOrUnsureIsUnavailableAndThenComesBack() throws Exception {
        String token = identity.token("alpha-id");
        assertThat(code(config(token, "alpha-id"))).isEqualTo(Status.Code.OK);
        issuer.shutdownNow().awaitTermination();
        // Who was seen goes on until what is known is stale; who was not is not known to be unknown.
        assertThat(code(config(token, "alpha-id"))).isEqualTo(Status.Code.OK);
        feed.put("beta-id", SandboxState.SANDBOX_STATE_ACTIVE);
        assertThat(code(config(identity.token("beta-id"), "beta-id"))).isEqualTo(Status.Code.UNAVAILABLE);
        assertThat(health()).isEqualTo(ServingStatus.SERVING);
        await(() -> code(config(token, "alpha-id")) == Status.Code.UNAVAILABLE);
        await(() -> health() == ServingStatus.NOT_SERVING);

        startIssuer();
        await(() -> code(config(token, "alpha-id")) == Status.Code.OK);
        await(() -> health() == ServingStatus.SERVING);
        await(() -> code(config(identity.token("beta-id"), "beta-id")) == Status.Code.OK);

        // Only to be asked for: what the feed told while the question is under way would be an answer too.
        feed.silent = true;
        feed.store("gamma-id", SandboxState.SANDBOX_STATE_ACTIVE);
        assertThat(code(config(identity.token("gamma-id"), "gamma-id"))).isEqualTo(Status.Code.UNAVAILABLE);
        feed.silent = false;
        assertThat(code(config(identity.token("gamma-id"), "gamma-id"))).isEqualTo(Status.Code.OK);

        feed.put("delta-id", SandboxState.SANDBOX_STATE_UNSPECIFIED);
        assertThat(code(config(identity.token("delta-id"), "delta-id"))).isEqualTo(Status.Code.UNAVAILABLE);
        feed.records.put(
                "delta-id",
                Sandbox.newBuilder()
                        .setId("beta-id")
                        .setState(SandboxState.SANDBOX_STATE_ACTIVE)
                        .build());
        assertThat(code(config(identity.token("delta-id"), "delta-id"))).isEqualTo(Status.Code.UNAVAILABLE);
    }

    @Test
    void whatTheFeedSaysCountsAtOnce() {
        String token = identity.token("alpha-id");
        assertThat(code(config(token, "alpha-id"))).isEqualTo(Status.Code.OK);
        feed.revoke("jti-1");
        await(() -> code(config(token, "alpha-id")) == Status.Code.UNAUTHENTICATED);
        String other = identity.token("alpha-id");
        assertThat(code(config(other, "alpha-id"))).isEqualTo(Status.Code.OK);
        feed.put("alpha-id", SandboxState.SANDBOX_STATE_DELETED);
        await(() -> code(config(other, "alpha-id")) == Status.Code.UNAUTHENTICATED);
    }

    @Test
    void aStartWithoutAnIssuerIsClosedUntilThereIsOne() throws Exception {
        server.close();
        issuer.shutdownNow().awaitTermination();
        server = ExtAuthzServer.start(settings, CompletableFuture.completedFuture(Ed25519.portable()));
        channel.resetConnectBackoff();
        String token = identity.token("alpha-id");
        await(() -> {
            try {
                return health() == ServingStatus.NOT_SERVING;
            } catch (StatusRuntimeException e) {
                return false; // the channel still looks for the old socket
            }
        });
        assertThat(code(config(token, "alpha-id"))).isEqualTo(Status.Code.UNAVAILABLE);
        assertThat(server.ready()).isNotDone();
        assertThat(metrics())
                .contains("sallyport_feed_staleness_seconds +Inf\n")
                .contains("sallyport_admitting 0\n")
                .contains("sallyport_decisions_total{reason=\"feed-stale\"} 1\n");

        startIssuer();
        server.ready().get();
        assertThat(code(config(token, "alpha-id"))).isEqualTo(Status.Code.OK);
        assertThat(metrics())
                .contains("sallyport_feed_connected 1\n")
                .contains("sallyport_sandbox_records 1\n")
                .contains("sallyport_decisions_total{reason=\"allowed\"} 1\n")
                .containsPattern("sallyport_feed_staleness_seconds [0-9]");
    }

    private String metrics() throws Exception {
        try (HttpClient client = HttpClient.newHttpClient()) {
            return client.send(
                            HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + server.metricsPort() + "/metrics"))
                                    .build(),
                            HttpResponse.BodyHandlers.ofString())
                    .body();
        }
    }

    private ServingStatus health() {
        return HealthGrpc.newBlockingStub(channel)
                .check(HealthCheckRequest.getDefaultInstance())
                .getStatus();
    }

    @Test
    void stopsGracefully() throws Exception {
        HealthGrpc.HealthBlockingStub health = HealthGrpc.newBlockingStub(channel);
        assertThat(health.check(HealthCheckRequest.getDefaultInstance()).getStatus())
                .isEqualTo(ServingStatus.SERVING);
        assertThat(health.check(HealthCheckRequest.newBuilder()
                                .setService("envoy.service.auth.v3.Authorization")
                                .build())
                        .getStatus())
                .isEqualTo(ServingStatus.SERVING);
        feed.gate = new CountDownLatch(1);
        feed.asked = new CountDownLatch(1);
        ListenableFuture<CheckResponse> underWay = AuthorizationGrpc.newFutureStub(channel)
                .check(config(identity.token("alpha-id"), "alpha-id").build());
        feed.asked.await();
        Thread closing = Thread.ofPlatform().start(server::close);
        CountDownLatch gate = feed.gate;
        await(() -> {
            try {
                // The server lets go of its socket; a new connection finds nobody.
                AuthorizationGrpc.newBlockingStub(channel)
                        .check(config(identity.token("alpha-id"), "alpha-id").build());
                return false;
            } catch (StatusRuntimeException e) {
                return e.getStatus().getCode() == Status.Code.UNAVAILABLE;
            }
        });
        gate.countDown();
        assertThat(underWay.get().getStatus().getCode()).isZero();
        closing.join();
    }

    @Test
    void noTokenIsEverWritten() throws Exception {
        ByteArrayOutputStream logged = new ByteArrayOutputStream();
        Handler handler = new StreamHandler(logged, new java.util.logging.SimpleFormatter()) {
            @Override
            public synchronized void publish(LogRecord event) {
                super.publish(event);
                flush();
            }
        };
        handler.setLevel(java.util.logging.Level.ALL);
        Logger root = Logger.getLogger("io.sallyport");
        root.setLevel(java.util.logging.Level.ALL);
        root.addHandler(handler);
        String good = identity.token("alpha-id");
        String forged = good.substring(0, good.length() - 4) + "AAAA";
        String body = "b0dy-s3cret";
        try {
            for (String token : new String[] {good, forged, good + "," + good, "x" + good, good.substring(5)}) {
                check(config(token, "beta-id"));
                check(config(token, token));
                check(config(token, body));
                check(Requests.to("/a.B/C?token=" + token, settings.policy().digest())
                        .bearer(token));
                check(Requests.to("/a.B/" + token, settings.policy().digest()).bearer(token));
                check(config(token, "alpha-id").header("x-sandbox-id", token));
                check(config(token, "alpha-id").header("x-request-id", token));
                check(config(token, "alpha-id").header("content-type", token));
                check(config(token, "alpha-id").header("x-envoy-auth-partial-body", token));
                check(config(token, "alpha-id").digest(token));
                check(config(token, "alpha-id").body((token + body).getBytes(StandardCharsets.UTF_8)));
            }
        } finally {
            root.removeHandler(handler);
            root.setLevel(null);
        }
        server.close();
        String audit = Files.readString(directory.resolve("audit.jsonl"));
        assertThat(audit.lines().count()).isGreaterThan(40);
        String signature = good.substring(good.lastIndexOf('.') + 1, good.length() - 4);
        String payload = good.substring(good.indexOf('.') + 1, good.lastIndexOf('.'));
        for (String written : new String[] {audit, logged.toString(StandardCharsets.UTF_8)}) {
            assertThat(written)
                    .doesNotContain(signature)
                    .doesNotContain(payload.substring(5))
                    .doesNotContain(forged);
        }
    }

    private Status.Code code(Requests request) {
        return Status.fromCodeValue(check(request).getStatus().getCode()).getCode();
    }

    private CheckResponse check(Requests request) {
        return AuthorizationGrpc.newBlockingStub(channel).check(request.build());
    }

    private Requests config(String token, String sandbox) {
        return Requests.to(Requests.CONFIG, settings.policy().digest())
                .bearer(token)
                .message(GetSandboxConfigRequest.newBuilder()
                        .setSandboxId(sandbox)
                        .build());
    }

    /** Asks again until it is so; the test's timeout ends what never becomes so. */
    private static void await(java.util.function.BooleanSupplier condition) {
        while (!condition.getAsBoolean()) {
            Thread.onSpinWait();
        }
    }

    /** The issuer's side of the feed: whoever watches is told all there is, then what changes, and every 200 ms something. */
    private static final class Feed extends IdentityFeedGrpc.IdentityFeedImplBase {
        final Map<String, Sandbox> records = new ConcurrentHashMap<>();
        volatile boolean silent;
        volatile CountDownLatch gate = new CountDownLatch(0);
        volatile CountDownLatch asked = new CountDownLatch(0);

        private final Map<StreamObserver<WatchResponse>, Long> watchers = new ConcurrentHashMap<>();
        private final List<Revocation> revocations = new ArrayList<>();
        private long version;

        /** Tells it, as long as it can be told. */
        synchronized void put(String id, SandboxState state) {
            Sandbox sandbox = store(id, state);
            if (state != SandboxState.SANDBOX_STATE_UNSPECIFIED) {
                tell(answer().addSandboxes(sandbox));
            }
        }

        /** Leaves it to be asked for. */
        synchronized Sandbox store(String id, SandboxState state) {
            Sandbox sandbox = Sandbox.newBuilder()
                    .setId(id)
                    .setWorkspace("default")
                    .setName(id)
                    .setState(state)
                    .setVersion(++version)
                    .build();
            records.put(id, sandbox);
            return sandbox;
        }

        synchronized void revoke(String jti) {
            Revocation revocation = Revoked.of("token", jti, java.time.Instant.now());
            revocations.add(revocation);
            version++;
            tell(answer().addRevocations(revocation));
        }

        private synchronized void tell(WatchResponse.Builder change) {
            watchers.forEach(
                    (watcher, stamp) -> watcher.onNext(change.setStamp(stamp).build()));
        }

        private WatchResponse.Builder answer() {
            return WatchResponse.newBuilder().setComplete(true).setCursor("store:" + version);
        }

        @Override
        public StreamObserver<WatchRequest> watch(StreamObserver<WatchResponse> answer) {
            Executor later = CompletableFuture.delayedExecutor(200, TimeUnit.MILLISECONDS);
            return new StreamObserver<>() {
                @Override
                public void onNext(WatchRequest request) {
                    synchronized (Feed.this) {
                        if (request.hasStart()) {
                            watchers.put(answer, request.getStart().getStamp());
                            answer.onNext(answer().setReset(true)
                                    .addAllRevocations(revocations)
                                    .setStamp(request.getStart().getStamp())
                                    .build());
                            return;
                        }
                        watchers.put(answer, request.getAck().getStamp());
                    }
                    later.execute(() -> {
                        synchronized (Feed.this) {
                            if (watchers.getOrDefault(answer, 0L)
                                    == request.getAck().getStamp()) {
                                answer.onNext(answer().setStamp(request.getAck().getStamp())
                                        .build());
                            }
                        }
                    });
                }

                @Override
                public void onError(Throwable failure) {
                    watchers.remove(answer);
                }

                @Override
                public void onCompleted() {
                    watchers.remove(answer);
                    answer.onCompleted();
                }
            };
        }

        @Override
        public void getRecord(GetRecordRequest request, StreamObserver<Sandbox> answer) {
            if (silent) {
                return;
            }
            Sandbox found = records.get(request.getSandboxId());
            asked.countDown();
            Thread.ofVirtual().start(Context.current().wrap(() -> {
                try {
                    gate.await();
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
                if (found == null) {
                    answer.onError(Status.NOT_FOUND.asRuntimeException());
                } else {
                    answer.onNext(found);
                    answer.onCompleted();
                }
            }));
        }
    }

    /** What the issuer does with calls that ext-authz has not signed. */
    private record DemandAssertion(AssertionVerifier verifier) implements ServerInterceptor {
        private static final Metadata.Key<String> ASSERTION =
                Metadata.Key.of("x-sandbox-principal-jwt", Metadata.ASCII_STRING_MARSHALLER);

        @Override
        public <Q, A> ServerCall.Listener<Q> interceptCall(
                ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
            try {
                Assertion assertion = verifier.verify(
                        String.valueOf(headers.get(ASSERTION)),
                        "/" + call.getMethodDescriptor().getFullMethodName());
                if (assertion.caller() instanceof Assertion.Caller.ExtAuthz) {
                    return Contexts.interceptCall(Context.current(), call, headers, next);
                }
            } catch (RejectedException e) {
                // Refused below.
            }
            call.close(Status.UNAUTHENTICATED, new Metadata());
            return new ServerCall.Listener<>() {};
        }
    }
}
