package io.sallyport.issuer;

import io.grpc.Channel;
import io.grpc.ClientInterceptors;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import io.grpc.stub.MetadataUtils;
import io.netty.channel.EventLoopGroup;
import io.sallyport.api.feed.v1.IdentityFeedGrpc;
import io.sallyport.api.openshell01.OpenShellGrpc;
import io.sallyport.api.registry.v1.MintBootstrapTokenRequest;
import io.sallyport.api.registry.v1.RegisterSandboxRequest;
import io.sallyport.api.registry.v1.SandboxRegistryGrpc;
import io.sallyport.base.RejectedException;
import io.sallyport.base.net.Endpoint;
import io.sallyport.base.net.GrpcChannels;
import io.sallyport.base.net.GrpcServers;
import io.sallyport.identity.Assertion;
import io.sallyport.identity.AssertionMinter;
import io.sallyport.identity.Ed25519;
import io.sallyport.identity.GatewayId;
import io.sallyport.identity.KeyDirectory;
import io.sallyport.identity.Principal;
import io.sallyport.identity.PrincipalHeader;
import io.sallyport.identity.SandboxClaims;
import io.sallyport.identity.SandboxId;
import io.sallyport.identity.SandboxTokenVerifier;
import io.sallyport.issuer.cli.Console;
import io.sallyport.issuer.store.PostgresServer;
import java.io.IOException;
import java.io.InputStream;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.BooleanSupplier;

/** A real issuer with real sockets and a real database, all in a directory of the test's, and clients of it. */
final class RunningIssuer implements AutoCloseable {
    static final GatewayId GATEWAY = new GatewayId("local");
    static final String REFRESH = "/openshell.v1.OpenShell/RefreshSandboxToken";
    static final String GET_RECORD = "/sallyport.feed.v1.IdentityFeed/GetRecord";
    static final String GET_LINEAGE = "/sallyport.feed.v1.IdentityFeed/GetLineage";

    private final Path directory;
    private final IssuerSettings settings;
    private final MutableClock clock = new MutableClock();
    private final EventLoopGroup eventLoops = GrpcServers.eventLoops("test-client", 1);
    private final Map<Endpoint, ManagedChannel> channels = new ConcurrentHashMap<>();
    private final AssertionMinter extAuthz;
    private final SandboxTokenVerifier verifier;
    private Issuer issuer;

    /** A clock that tests move. */
    static final class MutableClock implements InstantSource {
        private final AtomicReference<Instant> now = new AtomicReference<>(Instant.parse("2026-11-24T10:00:00.5Z"));

        @Override
        public Instant instant() {
            return Objects.requireNonNull(now.get());
        }

        void advance(Duration by) {
            now.updateAndGet(before -> before.plus(by));
        }
    }

    /** What a command printed. */
    record Printed(int exitCode, String out, String err) {}

    private RunningIssuer(Path directory, IssuerSettings settings) throws IOException {
        this.directory = directory;
        this.settings = settings;
        extAuthz = new AssertionMinter(
                GATEWAY,
                KeyDirectory.readSigning(settings.keys().assertion()),
                Duration.ofSeconds(10),
                Ed25519.portable(),
                clock);
        verifier = new SandboxTokenVerifier(
                GATEWAY,
                KeyDirectory.readPublic(settings.keys().tokens()),
                new SandboxTokenVerifier.Limits(Duration.ofHours(24), Duration.ofSeconds(60), false),
                Ed25519.portable(),
                clock);
        issuer = startIssuer();
    }

    static RunningIssuer in(Path directory) throws Exception {
        return in(directory, directory.resolve("issuer.db"));
    }

    static RunningIssuer in(Path directory, Path database) throws Exception {
        generateKeys(directory);
        return over(directory, writeSettings(directory, database));
    }

    /** With keys and settings, and perhaps a database, that are there already. */
    static RunningIssuer over(Path directory, Path settings) throws Exception {
        return new RunningIssuer(directory, IssuerSettings.load(settings));
    }

    static void generateKeys(Path directory) throws IOException {
        KeyDirectory.generate(directory.resolve("keys/jwt"));
        KeyDirectory.generate(directory.resolve("keys/assertion"));
    }

    static Path writeSettings(Path directory, Path database) throws IOException {
        return writeSettings(directory, directory, "{sqlite: " + database + "}");
    }

    /** For a store of several issuers: each has its sockets in a directory of its own, and all have the same keys. */
    static Path writeSettings(Path directory, Path keys, PostgresServer server, String database) throws IOException {
        return writeSettings(
                directory,
                keys,
                "{postgresql: {host: 127.0.0.1, port: %d, database: %s, user: %s, password-file: %s, connections: 6}}"
                        .formatted(server.port(), database, PostgresServer.USER, server.passwordFile()));
    }

    private static Path writeSettings(Path directory, Path keys, String store) throws IOException {
        return Files.writeString(directory.resolve("issuer.yaml"), """
                gateway-id: local
                listen:
                  envoy: unix:%1$s/run/issuer.sock
                  feed: unix:%1$s/run/feed.sock
                  registry: unix:%1$s/run/registry.sock
                  http: 127.0.0.1:0
                store: %2$s
                keys: {tokens: %3$s/keys/jwt, assertion: %3$s/keys/assertion}
                tokens: {lifetime: 1h, max-lifetime: 24h, leeway: 60s}
                limits: {requests-per-minute: 1000000, burst: 1000, concurrent: 1000}
                audit: {file: %1$s/audit.jsonl}
                """.formatted(directory, store, keys));
    }

    private Issuer startIssuer() throws IOException {
        return Issuer.start(
                settings,
                clock,
                new SecureRandom(),
                new StoreHealth.Intervals(Duration.ofMillis(50), Duration.ofMillis(20)));
    }

    void restart() throws IOException {
        restart(() -> {});
    }

    /** What happens while the issuer is down. */
    @FunctionalInterface
    interface Meanwhile {
        void happen() throws IOException;
    }

    void restart(Meanwhile meanwhile) throws IOException {
        issuer.close();
        meanwhile.happen();
        channels.values().forEach(ManagedChannel::shutdownNow);
        channels.clear();
        issuer = startIssuer();
    }

    MutableClock clock() {
        return clock;
    }

    Issuer issuer() {
        return issuer;
    }

    SandboxRegistryGrpc.SandboxRegistryBlockingStub registry() {
        return SandboxRegistryGrpc.newBlockingStub(channel(issuer.registry())).withDeadlineAfter(20, TimeUnit.SECONDS);
    }

    /** The feed, with these assertions in the call's metadata. */
    IdentityFeedGrpc.IdentityFeedBlockingStub feed(String... assertions) {
        return IdentityFeedGrpc.newBlockingStub(with(channel(issuer.feed()), assertions))
                .withDeadlineAfter(20, TimeUnit.SECONDS);
    }

    /** What Envoy calls, with these assertions in the call's metadata. */
    OpenShellGrpc.OpenShellBlockingStub tokens(String... assertions) {
        return OpenShellGrpc.newBlockingStub(with(channel(issuer.envoy()), assertions))
                .withDeadlineAfter(20, TimeUnit.SECONDS);
    }

    String assertionFor(SandboxClaims token, String method) {
        return extAuthz.mint(new Assertion(new Assertion.Caller.Sandbox(token), method));
    }

    /** What ext-authz says of a pod that is this sandbox. */
    String podAssertion(String sandbox, String method) {
        return podAssertion("sandboxes", Optional.of("owner-1"), sandbox, method);
    }

    String podAssertion(String namespace, Optional<String> ownerUid, String sandbox, String method) {
        return extAuthz.mint(new Assertion(
                new Assertion.Caller.Pod(new Principal.ServiceAccount(
                        namespace, "openshell-sandbox", "pod-1", "uid-1", ownerUid, new SandboxId(sandbox))),
                method));
    }

    String extAuthzAssertion(String method) {
        return extAuthz.mint(new Assertion(new Assertion.Caller.ExtAuthz(), method));
    }

    SandboxClaims verify(String token) throws RejectedException {
        return verifier.verify(token);
    }

    void register(String id) {
        var _ = registry()
                .registerSandbox(RegisterSandboxRequest.newBuilder().setId(id).build());
    }

    String mint(String id) {
        return registry()
                .mintBootstrapToken(
                        MintBootstrapTokenRequest.newBuilder().setId(id).build())
                .getToken();
    }

    ServingStatus health(Endpoint endpoint, String service) {
        return HealthGrpc.newBlockingStub(channel(endpoint))
                .withDeadlineAfter(20, TimeUnit.SECONDS)
                .check(HealthCheckRequest.newBuilder().setService(service).build())
                .getStatus();
    }

    HttpResponse<String> http(String method, String path, String... headers) throws Exception {
        try (HttpClient client = HttpClient.newHttpClient()) {
            HttpRequest.Builder request = HttpRequest.newBuilder(URI.create("http://" + issuer.http() + path))
                    .method(method, HttpRequest.BodyPublishers.noBody());
            if (headers.length > 0) {
                request.headers(headers);
            }
            return client.send(request.build(), HttpResponse.BodyHandlers.ofString());
        }
    }

    /** Runs an operator's command with this issuer's registry in the environment. */
    Printed command(String... arguments) {
        return command(InputStream.nullInputStream(), arguments);
    }

    Printed command(InputStream in, String... arguments) {
        return run(Map.of("SALLYPORT_REGISTRY_SOCKET", issuer.registry().toString()), in, arguments);
    }

    static Printed run(Map<String, String> environment, InputStream in, String... arguments) {
        StringWriter out = new StringWriter();
        StringWriter err = new StringWriter();
        int code = IssuerMain.run(
                new Console(new PrintWriter(out, true), new PrintWriter(err, true), in, environment), arguments);
        return new Printed(code, out.toString(), err.toString());
    }

    /** The audit log so far; closing the issuer is what makes it whole. */
    List<String> auditAfterClosing() throws IOException {
        issuer.close();
        Path file = directory.resolve("audit.jsonl");
        return Files.exists(file) ? Files.readAllLines(file) : List.of();
    }

    /** Waits for something that another thread brings about. */
    static void await(BooleanSupplier condition) throws InterruptedException {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > end) {
                throw new AssertionError("it did not happen within 20 s");
            }
            Thread.sleep(5);
        }
    }

    private Channel channel(Endpoint endpoint) {
        return channels.computeIfAbsent(
                endpoint, each -> GrpcChannels.connectTo(each, eventLoops).build());
    }

    private static Channel with(Channel channel, String... assertions) {
        Metadata metadata = new Metadata();
        for (String assertion : assertions) {
            metadata.put(Metadata.Key.of(PrincipalHeader.ASSERTION_NAME, Metadata.ASCII_STRING_MARSHALLER), assertion);
        }
        return ClientInterceptors.intercept(channel, MetadataUtils.newAttachHeadersInterceptor(metadata));
    }

    @Override
    public void close() {
        channels.values().forEach(ManagedChannel::shutdownNow);
        issuer.close();
        var _ = eventLoops.shutdownGracefully(0, 1, TimeUnit.SECONDS);
    }
}
