package io.sallyport.issuer;

import io.grpc.ServerInterceptor;
import io.netty.channel.EventLoopGroup;
import io.sallyport.base.audit.AuditLog;
import io.sallyport.base.net.Endpoint;
import io.sallyport.base.net.GrpcServers;
import io.sallyport.base.net.ListeningServer;
import io.sallyport.base.net.SocketFile;
import io.sallyport.identity.AssertionVerifier;
import io.sallyport.identity.Ed25519;
import io.sallyport.identity.KeyDirectory;
import io.sallyport.identity.KeyWatch;
import io.sallyport.identity.SandboxTokenMinter;
import io.sallyport.issuer.service.Assertions;
import io.sallyport.issuer.service.CallInterceptor;
import io.sallyport.issuer.service.Calls;
import io.sallyport.issuer.service.FeedService;
import io.sallyport.issuer.service.IdSource;
import io.sallyport.issuer.service.RegistryService;
import io.sallyport.issuer.service.SandboxLimits;
import io.sallyport.issuer.service.TokenMint;
import io.sallyport.issuer.service.TokenService;
import io.sallyport.issuer.service.Watches;
import io.sallyport.issuer.store.JdbcStore;
import io.sallyport.issuer.store.PostgresSettings;
import io.sallyport.issuer.store.SandboxStore;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.random.RandomGenerator;
import java.util.stream.Stream;

/** The issuer, put together and running. */
public final class Issuer implements AutoCloseable {
    private static final Logger log = System.getLogger(Issuer.class.getName());

    /**
     * How many calls of one listener are answered at once. They wait for the store's own threads, so many of them make one
     * sync of the disk do for many writes. Each listener has its own: sandboxes that refresh without end wait for each
     * other, and never hold up the records that ext-authz asks for, without which nobody passes.
     */
    private static final int WORKERS = 128;

    /** Assertions are seconds old; their two clocks are closer together than a laptop's and a gateway's. */
    private static final Duration ASSERTION_LEEWAY = Duration.ofSeconds(5);

    private static final ListeningServer.Access FOR_THIS_USER =
            new ListeningServer.Access(SocketFile.Neighbours.NOBODY, "rw-------");

    private static final ListeningServer.Access FOR_ITS_GROUP =
            new ListeningServer.Access(SocketFile.Neighbours.ANYBODY, "rw-rw----");

    /** The name under which grpc.health.v1 says whether records are in step with the cluster; only where they come from it. */
    private static final String MIRROR = "sallyport.mirror";

    private final Deque<AutoCloseable> parts;
    private final GrpcListener envoy;
    private final GrpcListener feed;
    private final Watches watches;
    private final GrpcListener registry;
    private final KeyPublisher http;

    private Issuer(
            Deque<AutoCloseable> parts,
            GrpcListener envoy,
            GrpcListener feed,
            Watches watches,
            GrpcListener registry,
            KeyPublisher http) {
        this.parts = parts;
        this.envoy = envoy;
        this.feed = feed;
        this.watches = watches;
        this.registry = registry;
        this.http = http;
    }

    /**
     * The keys the issuer needs, followed while it runs.
     *
     * @param tokens signs sandbox tokens; every public half is published
     * @param assertion verifies what ext-authz vouches for
     */
    record Keys(KeyWatch tokens, KeyWatch assertion) implements AutoCloseable {
        /** Reads them; whatever is wrong is said with its file. */
        static Keys open(IssuerSettings.Keys settings) throws IOException {
            return new Keys(
                    KeyWatch.open(settings.tokens(), KeyDirectory.Use.SIGN_AND_PUBLISH, System::nanoTime),
                    KeyWatch.open(settings.assertion(), KeyDirectory.Use.VERIFY, System::nanoTime));
        }

        void follow(Duration interval) {
            tokens.start(interval);
            assertion.start(interval);
        }

        /** What lies in the directories and cannot be used. */
        List<String> troubles() {
            return Stream.of(tokens, assertion)
                    .flatMap(watch -> watch.trouble().stream())
                    .toList();
        }

        @Override
        public void close() {
            tokens.close();
            assertion.close();
        }
    }

    /**
     * Opens the store and all listeners.
     *
     * @throws IOException with the remedy, when a part cannot start; nothing is left running then
     */
    static Issuer start(
            IssuerSettings settings, InstantSource clock, RandomGenerator random, StoreHealth.Intervals probing)
            throws IOException {
        Deque<AutoCloseable> parts = new ArrayDeque<>();
        try {
            return start(settings, clock, random, probing, parts);
        } catch (IOException | RuntimeException e) {
            closeAll(parts);
            throw e;
        }
    }

    private static Issuer start(
            IssuerSettings settings,
            InstantSource clock,
            RandomGenerator random,
            StoreHealth.Intervals probing,
            Deque<AutoCloseable> parts)
            throws IOException {
        Keys keys = begin(parts, Keys.open(settings.keys()));
        keys.follow(settings.keys().poll());
        Ed25519 signatures = Ed25519.choose();
        AuditLog audit = begin(parts, AuditLog.start("token-issuer", settings.auditFile()));
        SandboxStore store = begin(parts, open(settings.store()));
        StoreHealth health = begin(parts, new StoreHealth(store::probe, clock, probing));
        health.start();

        Calls calls = new Calls(audit, clock, System::nanoTime, health::suspect);
        Assertions assertions = new Assertions(
                new AssertionVerifier(settings.gateway(), keys.assertion(), ASSERTION_LEEWAY, signatures, clock));
        boolean adopts = settings.records() instanceof IssuerSettings.Records.Adopt;
        TokenMint mint = new TokenMint(
                store,
                new SandboxTokenMinter(settings.gateway(), keys.tokens()::signingKeys, signatures),
                settings.tokens().lifetime(),
                settings.refresh(),
                adopts,
                clock,
                IdSource.of(random));
        begin(parts, Pruning.start(store, settings.refresh(), clock, Pruning.EVERY));

        Optional<IssuerSettings.Records.Kubernetes> cluster =
                settings.records() instanceof IssuerSettings.Records.Kubernetes kubernetes
                        ? Optional.of(kubernetes)
                        : Optional.empty();
        Optional<ClusterMirror> mirror = cluster.isEmpty()
                ? Optional.empty()
                : Optional.of(begin(
                        parts,
                        ClusterMirror.start(
                                cluster.get().cluster(),
                                store,
                                audit,
                                clock,
                                health::suspect,
                                writersOf(settings.store()))));

        EventLoopGroup eventLoops = GrpcServers.eventLoops("issuer", 1);
        begin(
                parts,
                () -> eventLoops.shutdownGracefully(0, 1, TimeUnit.SECONDS).awaitUninterruptibly(2, TimeUnit.SECONDS));
        ServerInterceptor interceptor = CallInterceptor.create();
        IssuerSettings.Listeners listen = settings.listeners();
        GrpcListener registry = begin(
                parts,
                GrpcListener.start(
                        listen.registry(),
                        FOR_THIS_USER,
                        threads(parts, eventLoops, "registry"),
                        interceptor,
                        new RegistryService(
                                        calls,
                                        store,
                                        mint,
                                        clock,
                                        settings.refresh(),
                                        cluster.map(each -> each.cluster().namespaces()::accepts))
                                .bindService()));
        Watches watches = begin(parts, new Watches(store, settings.refresh().endless(), clock, System::nanoTime));
        GrpcListener feed = begin(
                parts,
                GrpcListener.start(
                        listen.feed(),
                        FOR_ITS_GROUP,
                        threads(parts, eventLoops, "feed"),
                        interceptor,
                        new FeedService(calls, assertions, store, watches, settings.refresh(), clock, adopts)
                                .bindService()));
        GrpcListener envoy = begin(
                parts,
                GrpcListener.start(
                        listen.envoy(),
                        FOR_ITS_GROUP,
                        threads(parts, eventLoops, "envoy"),
                        interceptor,
                        new TokenService(
                                        calls, assertions, new SandboxLimits(settings.limits(), System::nanoTime), mint)
                                .bindService()));
        KeyPublisher http = begin(
                parts,
                KeyPublisher.start(
                        listen.http(),
                        settings.gateway(),
                        keys.tokens()::publicKeys,
                        settings.keys().jwksMaxAge(),
                        new KeyPublisher.Health(
                                health::writable,
                                () -> troubles(keys, mirror),
                                () -> mirror.map(ClusterMirror::metrics).orElse(""))));
        health.tell(writable -> List.of(registry, feed, envoy).forEach(listener -> listener.serving(writable)));
        mirror.ifPresent(each -> each.tell(
                inStep -> List.of(registry, feed, envoy).forEach(listener -> listener.serving(MIRROR, inStep))));
        return new Issuer(parts, envoy, feed, watches, registry, http);
    }

    private static List<String> troubles(Keys keys, Optional<ClusterMirror> mirror) {
        return Stream.concat(keys.troubles().stream(), mirror.stream().flatMap(each -> each.troubles().stream()))
                .toList();
    }

    /** How many resources are mirrored at once: enough for one sync of the disk to do for many, and not all of a pool. */
    private static int writersOf(IssuerSettings.Store store) {
        return switch (store) {
            case IssuerSettings.Store.Sqlite _ -> 32;
            case IssuerSettings.Store.Postgres(PostgresSettings settings) -> Math.max(1, settings.connections() / 3);
        };
    }

    Endpoint envoy() {
        return envoy.endpoint();
    }

    Endpoint feed() {
        return feed.endpoint();
    }

    Endpoint registry() {
        return registry.endpoint();
    }

    Endpoint.Tcp http() {
        return http.endpoint();
    }

    /** Stops gracefully: no new calls, those under way end, then the store and the audit log are closed. */
    @Override
    public void close() {
        List.of(envoy, feed, registry).forEach(GrpcListener::drain);
        watches.close();
        closeAll(parts);
    }

    private static SandboxStore open(IssuerSettings.Store store) throws IOException {
        return switch (store) {
            case IssuerSettings.Store.Postgres(PostgresSettings settings) -> JdbcStore.postgresql(settings);
            case IssuerSettings.Store.Sqlite(Path file, boolean syncs) when syncs -> JdbcStore.sqlite(file);
            case IssuerSettings.Store.Sqlite(Path file, var _) -> {
                log.log(
                        Level.WARNING,
                        "store.unsafe-no-sync is on: a power cut takes back what was acknowledged, revocations among it."
                                + " It is for measurements; take it out of the settings");
                yield JdbcStore.sqliteWithoutSync(file);
            }
        };
    }

    private static GrpcListener.Threads threads(Deque<AutoCloseable> parts, EventLoopGroup eventLoops, String name) {
        VirtualWorkers workers = begin(parts, new VirtualWorkers("issuer-" + name + "-", WORKERS));
        return new GrpcListener.Threads(eventLoops, workers);
    }

    private static <T extends AutoCloseable> T begin(Deque<AutoCloseable> parts, T part) {
        parts.push(part);
        return part;
    }

    /** In the reverse order of the start. */
    private static void closeAll(Deque<AutoCloseable> parts) {
        while (!parts.isEmpty()) {
            try {
                parts.pop().close();
            } catch (Exception e) {
                log.log(Level.WARNING, "stopping", e);
            }
        }
    }
}
