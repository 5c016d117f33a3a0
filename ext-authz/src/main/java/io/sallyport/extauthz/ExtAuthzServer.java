package io.sallyport.extauthz;

import io.grpc.ManagedChannel;
import io.grpc.Server;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.protobuf.services.HealthStatusManager;
import io.netty.channel.EventLoopGroup;
import io.sallyport.base.audit.AuditLog;
import io.sallyport.base.net.GrpcChannels;
import io.sallyport.base.net.GrpcServers;
import io.sallyport.base.net.ListeningServer;
import io.sallyport.base.net.SocketFile;
import io.sallyport.extauthz.Decisions.UserMethods;
import io.sallyport.identity.AssertionMinter;
import io.sallyport.identity.AuthenticatorChain;
import io.sallyport.identity.CachedSandboxTokens;
import io.sallyport.identity.Ed25519;
import io.sallyport.identity.KeyDirectory;
import io.sallyport.identity.KeyWatch;
import io.sallyport.identity.Principal;
import io.sallyport.identity.SandboxTokenAuthenticator;
import io.sallyport.identity.SandboxTokenVerifier;
import io.sallyport.policy.MethodRule;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Clock;
import java.time.Duration;
import java.time.InstantSource;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.LongSupplier;

/** The running service: every part of it, put together in one place. */
final class ExtAuthzServer implements AutoCloseable {
    private static final Logger log = System.getLogger(ExtAuthzServer.class.getName());

    /** Decisions that take time, at once. More would only wait for each other. */
    private static final int MAX_UNDER_WAY = 1024;

    /** Questions of one connection of Envoy's at once; its circuit breaker asks for fewer. */
    private static final int MAX_CALLS = 2048;

    /** Room for everything in a question that is not the body: Envoy takes 60 KiB of headers by default. */
    private static final int HEADER_ROOM = 128 * 1024;

    private static final ListeningServer.Access FOR_ITS_GROUP =
            new ListeningServer.Access(SocketFile.Neighbours.ANYBODY, "rw-rw----");

    /** The name under which {@code grpc.health.v1} tells whether the keys that lie in the directories are in use. */
    static final String KEYS_HEALTH = "sallyport.keys";

    private static final Duration GRACE = Duration.ofSeconds(3);

    private final EventLoopGroup loops;
    private final ExecutorService threads;
    private final Keys keys;
    private final AuditLog audit;
    private final ManagedChannel issuer;
    private final CheckService check;
    private final HealthStatusManager health;
    private final ListeningServer listening;
    private final AtomicBoolean closed = new AtomicBoolean();

    private ExtAuthzServer(
            EventLoopGroup loops,
            ExecutorService threads,
            Keys keys,
            AuditLog audit,
            ManagedChannel issuer,
            CheckService check,
            HealthStatusManager health,
            ListeningServer listening) {
        this.loops = loops;
        this.threads = threads;
        this.keys = keys;
        this.audit = audit;
        this.issuer = issuer;
        this.check = check;
        this.health = health;
        this.listening = listening;
    }

    /**
     * The keys, followed while the service runs.
     *
     * @param tokens verifies sandbox tokens
     * @param assertion signs assertions towards the issuer
     */
    private record Keys(KeyWatch tokens, KeyWatch assertion) {
        static Keys open(ExtAuthzSettings settings) throws IOException {
            return new Keys(
                    KeyWatch.open(settings.tokenKeys(), KeyDirectory.Use.VERIFY, System::nanoTime),
                    KeyWatch.open(settings.assertionKeys(), KeyDirectory.Use.SIGN, System::nanoTime));
        }

        /**
         * Tells health of what lies there and cannot be used. Under a name of its own: every replica sees the same files,
         * and all of them going at once would be worse than going on with the last good keys.
         */
        void follow(Duration interval, HealthStatusManager health) {
            Runnable tell = () -> health.setStatus(
                    KEYS_HEALTH,
                    tokens.trouble().isEmpty() && assertion.trouble().isEmpty()
                            ? ServingStatus.SERVING
                            : ServingStatus.NOT_SERVING);
            tell.run();
            tokens.start(interval, tell);
            assertion.start(interval, tell);
        }

        void close() {
            tokens.close();
            assertion.close();
        }
    }

    /**
     * Starts the service.
     *
     * @param signatures asked for last, since they take longest to load
     * @throws IOException when the keys cannot be used or the endpoint cannot be listened on
     * @throws ExecutionException when there are no signatures
     */
    static ExtAuthzServer start(ExtAuthzSettings settings, Future<Ed25519> signatures)
            throws IOException, ExecutionException, InterruptedException {
        Keys keys = Keys.open(settings);
        EventLoopGroup loops = GrpcServers.eventLoops("ext-authz", eventLoops());
        AuditLog audit = AuditLog.start("ext-authz", settings.auditFile());
        ExecutorService threads = Executors.newThreadPerTaskExecutor(
                Thread.ofVirtual().name("decision-", 0).factory());
        ManagedChannel issuer = GrpcChannels.connectTo(settings.issuer(), loops)
                .directExecutor()
                .maxInboundMessageSize(64 * 1024)
                .build();
        HealthStatusManager health = new HealthStatusManager();
        Answers answers = new Answers(
                settings.stripCredentials(),
                settings.developerUser().map(name -> new Principal.User(name, "developer")));

        CheckService check = check(settings, keys, signatures.get(), answers, issuer, audit, threads);
        ListeningServer listening = ListeningServer.start(
                settings.listen(),
                FOR_ITS_GROUP,
                loops,
                builder -> builder.directExecutor()
                        .maxConcurrentCallsPerConnection(MAX_CALLS)
                        .maxInboundMessageSize(largestBody(settings) + HEADER_ROOM)
                        .permitKeepAliveTime(1, TimeUnit.SECONDS)
                        .permitKeepAliveWithoutCalls(true)
                        .addService(health.getHealthService())
                        .addService(check.definition()));
        health.setStatus(HealthStatusManager.SERVICE_NAME_ALL_SERVICES, ServingStatus.SERVING);
        health.setStatus(CheckMethod.SERVICE, ServingStatus.SERVING);
        keys.follow(settings.keyPoll(), health);
        issuer.getState(true);
        warnAbout(settings);
        return new ExtAuthzServer(loops, threads, keys, audit, issuer, check, health, listening);
    }

    private static CheckService check(
            ExtAuthzSettings settings,
            Keys keys,
            Ed25519 signatures,
            Answers answers,
            ManagedChannel issuer,
            AuditLog audit,
            ExecutorService threads) {
        InstantSource clock = Clock.systemUTC();
        LongSupplier nanoTime = System::nanoTime;
        AssertionMinter assertions = new AssertionMinter(
                settings.gatewayId(),
                keys.assertion()::signingKeys,
                AssertionMinter.DEFAULT_LIFETIME,
                signatures,
                clock);
        SandboxRecords records = new SandboxRecords(
                new IssuerRecords(issuer, assertions, settings.issuerTimeout()),
                settings.recordTtl(),
                threads,
                nanoTime);
        SandboxTokenVerifier verifier =
                new SandboxTokenVerifier(settings.gatewayId(), keys.tokens(), settings.tokens(), signatures, clock);
        CachedSandboxTokens tokens =
                new CachedSandboxTokens(new SandboxTokenAuthenticator(verifier), CachedSandboxTokens.Size.DEFAULT);
        Callers callers = new Callers(
                tokens,
                new AuthenticatorChain(List.of(tokens)),
                new ConnectionFailures(settings.maxFailedCredentials(), Duration.ofMinutes(1), nanoTime));
        Decisions decisions = new Decisions(
                settings.policy().rules(),
                settings.policy().digest(),
                answers::about,
                callers,
                records,
                settings.userMethods(),
                settings.developerUser().isPresent());
        return new CheckService(decisions, answers, assertions, audit, threads, MAX_UNDER_WAY, clock, nanoTime);
    }

    /** One loop answers several times what Envoy can ask on a core; the other half is for signatures, and for Envoy. */
    static int eventLoops() {
        return Math.clamp(Runtime.getRuntime().availableProcessors() / 2, 1, 4);
    }

    private static int largestBody(ExtAuthzSettings settings) {
        return settings.policy().rules().stream()
                .filter(MethodRule::sandboxCallable)
                .mapToInt(MethodRule::bodyLimit)
                .max()
                .orElse(0);
    }

    private static void warnAbout(ExtAuthzSettings settings) {
        settings.developerUser()
                .ifPresent(name -> log.log(
                        Level.WARNING,
                        "developer-user: whoever sends no credential is \"{0}\" on the methods of users, sandboxes that"
                                + " leave theirs out too; for development only",
                        name));
        if (settings.tokens().allowNoExpiry()) {
            log.log(Level.WARNING, "tokens.allow-no-expiry: tokens without an end are accepted");
        }
        if (settings.userMethods() == UserMethods.GATEWAY && settings.stripCredentials()) {
            log.log(
                    Level.INFO,
                    "strip-credentials removes the tokens of sandboxes; users' credentials travel on, the gateway"
                            + " checks them");
        }
    }

    /** Says no more yes: health is NOT_SERVING, what is under way is answered, and then everything ends. */
    @Override
    public void close() {
        if (!closed.compareAndSet(false, true)) {
            return;
        }
        health.enterTerminalState();
        check.drain();
        Server server = listening.server();
        server.shutdown();
        try {
            if (!server.awaitTermination(GRACE.toMillis(), TimeUnit.MILLISECONDS)) {
                server.shutdownNow();
                server.awaitTermination(500, TimeUnit.MILLISECONDS);
            }
        } catch (InterruptedException e) {
            server.shutdownNow();
            Thread.currentThread().interrupt();
        }
        listening.close();
        keys.close();
        threads.shutdownNow();
        issuer.shutdownNow();
        audit.close();
        var _ = loops.shutdownGracefully(0, 1, TimeUnit.SECONDS);
    }

    void awaitTermination() throws InterruptedException {
        listening.server().awaitTermination();
    }
}
