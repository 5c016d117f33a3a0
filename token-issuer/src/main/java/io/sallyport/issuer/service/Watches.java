package io.sallyport.issuer.service;

import io.grpc.Status;
import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import io.sallyport.api.feed.v1.WatchRequest;
import io.sallyport.api.feed.v1.WatchResponse;
import io.sallyport.base.Reason;
import io.sallyport.base.RejectedException;
import io.sallyport.issuer.store.SandboxStore;
import java.time.Duration;
import java.time.InstantSource;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/**
 * Everybody who listens to the feed: woken when something happened, and every second.
 *
 * <p>Few threads read the store for all of them. A watcher that takes nothing costs nothing: all that is kept for it is
 * the place where it is.
 */
public final class Watches implements AutoCloseable {
    /** More than any deployment has replicas of ext-authz: a bound, not a limit to plan with. */
    static final int MAX_WATCHERS = 256;

    private static final int THREADS = 2;
    private static final Duration HEARTBEAT = Duration.ofSeconds(1);

    private final SandboxStore store;
    private final boolean endless;
    private final LongSupplier nanoTime;
    private final Set<Watch> watches = ConcurrentHashMap.newKeySet();
    private final ExecutorService readers = Executors.newFixedThreadPool(
            THREADS, Thread.ofPlatform().daemon().name("issuer-watch-", 0).factory());
    private final ScheduledExecutorService heart = Executors.newSingleThreadScheduledExecutor(
            Thread.ofPlatform().daemon().name("issuer-heartbeat").factory());
    private final ExecutorService writer = Executors.newSingleThreadExecutor(
            Thread.ofPlatform().daemon().name("issuer-leases").factory());
    private final Leases leases;
    private final AutoCloseable events;
    private boolean closed;

    /**
     * @param endless whether revocations are kept for ever, as tokens without an end need
     * @param nanoTime a monotonic clock, such as {@code System::nanoTime}
     */
    public Watches(SandboxStore store, boolean endless, InstantSource clock, LongSupplier nanoTime) {
        this.store = store;
        this.endless = endless;
        this.leases = new Leases(store, clock, nanoTime, writer);
        this.nanoTime = nanoTime;
        this.events = store.onEvent(() -> watches.forEach(Watch::wake));
        var _ = heart.scheduleAtFixedRate(
                () -> watches.forEach(Watch::beat), HEARTBEAT.toMillis(), HEARTBEAT.toMillis(), TimeUnit.MILLISECONDS);
    }

    /**
     * Begins to tell somebody.
     *
     * @return takes what they say
     * @throws RejectedException {@link Reason#TOO_MANY_WATCHERS}, {@link Reason#SHUTTING_DOWN}
     */
    StreamObserver<WatchRequest> begin(ServerCallStreamObserver<WatchResponse> watcher) throws RejectedException {
        Watch watch = new Watch(store, leases, endless, watcher, readers, nanoTime, watches::remove);
        synchronized (this) {
            if (closed) {
                throw new RejectedException(Reason.SHUTTING_DOWN, "");
            }
            if (watches.size() >= MAX_WATCHERS) {
                throw new RejectedException(Reason.TOO_MANY_WATCHERS, "there are " + MAX_WATCHERS);
            }
            watches.add(watch);
        }
        return watch.requests();
    }

    int size() {
        return watches.size();
    }

    /** Sends everybody away, to come back to another replica. */
    @Override
    public void close() {
        synchronized (this) {
            closed = true;
        }
        heart.shutdownNow();
        try {
            events.close();
        } catch (Exception e) {
            // Whoever is still woken finds nothing to do.
        }
        watches.forEach(watch -> watch.end(Status.UNAVAILABLE.withDescription("the issuer stops; try another one")));
        readers.shutdownNow();
        writer.shutdownNow();
    }
}
