package io.sallyport.extauthz;

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
import io.sallyport.extauthz.guard.Guard;
import io.sallyport.extauthz.guard.GuardService;
import io.sallyport.extauthz.guard.OpenStreams;
import io.sallyport.extauthz.guard.StreamCounts;
import io.sallyport.extauthz.guard.StreamLife;
import io.sallyport.extauthz.guard.StreamsPage;
import io.sallyport.identity.AssertionMinter;
import io.sallyport.identity.AuthenticatorChain;
import io.sallyport.identity.CachedSandboxTokens;
import io.sallyport.identity.Ed25519;
import io.sallyport.identity.KeyDirectory;
import io.sallyport.identity.KeyWatch;
import io.sallyport.identity.Principal;
import io.sallyport.identity.RenewableTokenAuthenticator;
import io.sallyport.identity.SandboxTokenAuthenticator;
import io.sallyport.identity.SandboxTokenVerifier;
import io.sallyport.kubernetes.PodAuthenticator;
import io.sallyport.policy.MethodRule;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.security.SecureRandom;
import java.time.Clock;
import java.time.Duration;
import java.time.InstantSource;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.LongSupplier;
import java.util.stream.IntStream;
import java.util.stream.Stream;

/** The running service: every part of it, put together in one place. */
final class ExtAuthzServer implements AutoCloseable {
    private static final Logger log = System.getLogger(ExtAuthzServer.class.getName());

    /** Decisions that take time, at once. More would only wait for each other. */
    private static final int MAX_UNDER_WAY = 1024;

    /** Questions of one connection of Envoy's at once, beside streams; its circuit breaker asks for fewer. */
    private static final int MAX_CALLS = 2048;

    /** Room for everything in a question that is not the body: Envoy takes 60 KiB of headers by default. */
    private static final int HEADER_ROOM = 128 * 1024;

    /** What Envoy may have gathered of a stream beyond its largest message when it hands over a piece. */
    private static final int PIECE_ROOM = 1024 * 1024;

    /** Envoy pings every second to notice a process that hangs; a ping that comes a little early is not too many. */
    private static final Duration SHORTEST_PING = Duration.ofMillis(500);

    private static final ListeningServer.Access FOR_ITS_GROUP =
            new ListeningServer.Access(SocketFile.Neighbours.ANYBODY, "rw-rw----");

    /** The name under which {@code grpc.health.v1} tells whether the keys that lie in the directories are in use. */
    static final String KEYS_HEALTH = "sallyport.keys";

    private static final Duration GRACE = Duration.ofSeconds(3);

    /** A page of the feed's first answer; a record is far smaller. */
    private static final int MAX_FEED_MESSAGE = 1024 * 1024;

    private static final int LOOK_MILLIS = 250;

    private final EventLoopGroup loops;
    private final ExecutorService threads;
    private final Future<?> looking;
    private final Keys keys;
    private final AuditLog audit;
    private final Parts parts;
    private final HealthStatusManager health;
    private final ListeningServer listening;
    private final Optional<MetricsServer> metrics;
    private final AtomicBoolean closed = new AtomicBoolean();

    private ExtAuthzServer(
            EventLoopGroup loops,
            ExecutorService threads,
            Future<?> looking,
            Keys keys,
            AuditLog audit,
            Parts parts,
            HealthStatusManager health,
            ListeningServer listening,
            Optional<MetricsServer> metrics) {
        this.loops = loops;
        this.threads = threads;
        this.looking = looking;
        this.keys = keys;
        this.audit = audit;
        this.parts = parts;
        this.health = health;
        this.listening = listening;
        this.metrics = metrics;
    }

    /** What decides, and what keeps it informed. */
    private record Parts(
            CheckService check,
            GuardService guard,
            StreamLife life,
            Issuers issuers,
            Feed feed,
            Readiness readiness,
            Map<String, MetricsServer.Page> pages,
            Optional<PodAuthenticator> pods) {}

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
            // One thread turns both: it is resident for good, and nearly always idle.
            tokens.start(interval, () -> {
                assertion.look();
                tell.run();
            });
        }

        void close() {
            tokens.close();
            assertion.close();
        }
    }

    /**
     * Starts the service. It answers at once, and lets no sandbox pass before it has heard the issuer's feed as a whole.
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
        HealthStatusManager health = new HealthStatusManager();
        health.setStatus(HealthStatusManager.SERVICE_NAME_ALL_SERVICES, ServingStatus.NOT_SERVING);
        health.setStatus(CheckMethod.SERVICE, ServingStatus.NOT_SERVING);
        Answers answers = new Answers(
                settings.stripCredentials(),
                settings.policy().digest(),
                settings.developerUser().map(name -> new Principal.User(name, "developer")));

        Parts parts = parts(settings, keys, signatures.get(), answers, health, audit, threads, loops);
        ListeningServer listening = ListeningServer.start(
                settings.listen(),
                FOR_ITS_GROUP,
                loops,
                builder -> builder.directExecutor()
                        .maxConcurrentCallsPerConnection(
                                MAX_CALLS + settings.streams().total())
                        .maxInboundMessageSize(largestQuestion(settings))
                        .permitKeepAliveTime(SHORTEST_PING.toMillis(), TimeUnit.MILLISECONDS)
                        .permitKeepAliveWithoutCalls(true)
                        .addService(health.getHealthService())
                        .addService(parts.check().definition())
                        .addService(parts.guard().definition()));
        // It waits for nothing, and what it has to do with a stream is done between two messages: so on an event loop.
        Future<?> looking = loops.next()
                .scheduleWithFixedDelay(
                        parts.life()::look,
                        StreamLife.INTERVAL.toMillis(),
                        StreamLife.INTERVAL.toMillis(),
                        TimeUnit.MILLISECONDS);
        Optional<MetricsServer> metrics = settings.metrics().isPresent()
                ? Optional.of(MetricsServer.start(settings.metrics().get(), parts.pages()))
                : Optional.empty();
        keys.follow(settings.keyPoll(), health);
        parts.feed().start();
        warnAbout(settings);
        return new ExtAuthzServer(loops, threads, looking, keys, audit, parts, health, listening, metrics);
    }

    /** Where the numbers are served, when the settings say so. */
    int metricsPort() {
        return metrics.orElseThrow().port();
    }

    private static Parts parts(
            ExtAuthzSettings settings,
            Keys keys,
            Ed25519 signatures,
            Answers answers,
            HealthStatusManager health,
            AuditLog audit,
            ExecutorService threads,
            EventLoopGroup loops) {
        InstantSource clock = Clock.systemUTC();
        LongSupplier nanoTime = System::nanoTime;
        AssertionMinter assertions = new AssertionMinter(
                settings.gatewayId(),
                keys.assertion()::signingKeys,
                AssertionMinter.DEFAULT_LIFETIME,
                signatures,
                clock);
        Issuers issuers = new Issuers(settings.issuers().stream()
                .map(endpoint -> GrpcChannels.connectTo(endpoint, loops)
                        .directExecutor()
                        .maxInboundMessageSize(MAX_FEED_MESSAGE)
                        .build())
                .toList());
        IssuerCalls calls = new IssuerCalls(issuers, assertions, settings.issuerTimeout());
        SandboxRecords records = new SandboxRecords(new IssuerRecords(calls), nanoTime);
        Revocations revocations = new Revocations();
        Freshness freshness = new Freshness(settings.maxStaleness(), settings.whenStale(), nanoTime, clock);
        Readiness readiness = new Readiness(freshness, serving -> setHealth(health, serving), nanoTime);
        FeedReader reader = new FeedReader(revocations, records, freshness);
        Feed feed = new Feed(
                replicaName(),
                settings.tokens().allowNoExpiry(),
                IntStream.range(0, issuers.count())
                        .<Feed.Issuer>mapToObj(index -> new IssuerFeed(issuers.channel(index), assertions))
                        .toList(),
                reader,
                freshness,
                index -> {
                    issuers.prefer(index);
                    readiness.look();
                },
                (delay, task) -> {
                    var _ = loops.schedule(task, delay.toNanos(), TimeUnit.NANOSECONDS);
                },
                nanoTime,
                new SplittableRandom());
        var _ = loops.scheduleWithFixedDelay(readiness::look, LOOK_MILLIS, LOOK_MILLIS, TimeUnit.MILLISECONDS);
        DecisionCounts counts = new DecisionCounts();
        SandboxTokenVerifier verifier =
                new SandboxTokenVerifier(settings.gatewayId(), keys.tokens(), settings.tokens(), signatures, clock);
        CachedSandboxTokens tokens =
                new CachedSandboxTokens(new SandboxTokenAuthenticator(verifier), CachedSandboxTokens.Size.DEFAULT);
        // Nothing of Kubernetes is loaded where it is not configured.
        Optional<PodAuthenticator> pods =
                settings.kubernetes().map(cluster -> PodAuthenticator.connect(cluster, clock, nanoTime));
        Callers callers = new Callers(
                tokens,
                new AuthenticatorChain(List.of(tokens)),
                new AuthenticatorChain(List.of(new RenewableTokenAuthenticator(verifier, settings.renewalWindow()))),
                new AuthenticatorChain(
                        Stream.concat(Stream.of(tokens), pods.stream()).toList()),
                new ConnectionFailures(settings.maxFailedCredentials(), Duration.ofMinutes(1), nanoTime));
        Standing standing = new Standing(revocations, freshness);
        Decisions decisions = new Decisions(
                settings.policy().rules(),
                settings.policy().digest(),
                answers::about,
                callers,
                standing,
                records,
                settings.userMethods(),
                settings.developerUser().isPresent());
        CheckService check = new CheckService(
                decisions, answers, assertions, audit, counts, threads, MAX_UNDER_WAY, clock, nanoTime);
        OpenStreams streams = new OpenStreams(settings.streams());
        StreamCounts streamCounts = new StreamCounts();
        Guard guard = new Guard(
                settings.policy(),
                settings.tokens().leeway(),
                new StandingOwners(standing, records),
                streams,
                streamCounts,
                audit,
                clock,
                nanoTime);
        MetricsPage metrics =
                new MetricsPage(feed, reader, freshness, revocations, records, counts, streams, streamCounts);
        return new Parts(
                check,
                new GuardService(guard),
                new StreamLife(
                        guard,
                        new IssuerLineages(calls),
                        settings.maxStaleness(),
                        settings.streams().maxAge()),
                issuers,
                feed,
                readiness,
                Map.of(
                        "/metrics", new MetricsServer.Page(MetricsPage.CONTENT_TYPE, metrics::text),
                        "/streams", new MetricsServer.Page(StreamsPage.CONTENT_TYPE, new StreamsPage(streams)::text)),
                pods);
    }

    /** Another one at every start: what was acknowledged under the old name is not known any more. */
    private static String replicaName() {
        byte[] name = new byte[12];
        new SecureRandom().nextBytes(name);
        return HexFormat.of().formatHex(name);
    }

    private static void setHealth(HealthStatusManager health, boolean serving) {
        ServingStatus status = serving ? ServingStatus.SERVING : ServingStatus.NOT_SERVING;
        health.setStatus(HealthStatusManager.SERVICE_NAME_ALL_SERVICES, status);
        health.setStatus(CheckMethod.SERVICE, status);
    }

    /** Done once the service is ready for the first time. */
    CompletableFuture<Void> ready() {
        return parts.readiness().first();
    }

    /** One loop answers several times what Envoy can ask on a core; the other half is for signatures, and for Envoy. */
    static int eventLoops() {
        return Math.clamp(Runtime.getRuntime().availableProcessors() / 2, 1, 4);
    }

    private static int largestQuestion(ExtAuthzSettings settings) {
        return Math.max(largestBody(settings), ExtAuthzSettings.largestMessage(settings.policy()) + PIECE_ROOM)
                + HEADER_ROOM;
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
        parts.check().drain();
        parts.guard().drain();
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
        metrics.ifPresent(MetricsServer::close);
        threads.shutdownNow();
        looking.cancel(false);
        // Only now: a farewell says that nothing is believed here any more.
        parts.feed().close();
        parts.issuers().close();
        parts.pods().ifPresent(PodAuthenticator::close);
        audit.close();
        var _ = loops.shutdownGracefully(0, 1, TimeUnit.SECONDS);
    }

    void awaitTermination() throws InterruptedException {
        listening.server().awaitTermination();
    }
}
