package io.sallyport.issuer.service;

import io.sallyport.issuer.store.FeedPosition;
import io.sallyport.issuer.store.Listener;
import io.sallyport.issuer.store.SandboxStore;
import io.sallyport.issuer.store.StoreUnavailableException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executor;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Writes to the store who listens to the feed and how far each has come, so that every issuer, also one that has just
 * begun, knows when the name of a deleted sandbox is free: once nobody whose lease lasts may still believe in the sandbox.
 *
 * <p>A lease covers whatever trust an answer of ours can give: a listener counts that from when it sent a number, which is
 * no later than when the number came here, and a number that comes {@link #COVER} after the lease was written is not
 * echoed. What was heard is written when it tells of a deletion that was not written yet, for all listeners at once, and
 * only {@link SandboxStore#SHORTEST_NAME_REST} after it was acknowledged, for the sake of requests under way.
 */
final class Leases {
    private static final Logger log = System.getLogger(Leases.class.getName());

    /** For how long after a lease was written numbers count that come in. */
    static final Duration COVER = Duration.ofSeconds(60);

    static final Duration RENEWAL = Duration.ofSeconds(20);

    /** How far the clocks of two issuers may be apart. */
    private static final Duration CLOCKS = Duration.ofSeconds(60);

    private final SandboxStore store;
    private final InstantSource clock;
    private final LongSupplier nanoTime;
    private final Executor writer;
    private final Set<Lease> leases = ConcurrentHashMap.newKeySet();
    private final AtomicBoolean asked = new AtomicBoolean();

    /**
     * @param nanoTime a monotonic clock
     * @param writer one thread: writing waits for the store
     */
    Leases(SandboxStore store, InstantSource clock, LongSupplier nanoTime, Executor writer) {
        this.store = store;
        this.clock = clock;
        this.nanoTime = nanoTime;
        this.writer = writer;
    }

    /** By the clock that never goes back, and by the other one, which goes on while a machine sleeps. */
    record Moment(long nanos, Instant wall) {
        boolean isAfter(Duration gap, Moment other) {
            return nanos - other.nanos > gap.toNanos()
                    || Duration.between(other.wall, wall).compareTo(gap) > 0;
        }
    }

    Moment now() {
        return new Moment(nanoTime.getAsLong(), clock.instant());
    }

    /**
     * Begins a lease. It is written soon.
     *
     * @param staleness how long the listener believes what it knows
     * @param resumed where it goes on
     * @param written called when it was written for the first time
     */
    Lease begin(String replica, Duration staleness, Optional<FeedPosition> resumed, Runnable written) {
        Lease lease = new Lease(replica, staleness, resumed, written);
        leases.add(lease);
        writeSoon();
        return lease;
    }

    private void writeSoon() {
        if (asked.compareAndSet(false, true)) {
            try {
                writer.execute(this::write);
            } catch (RejectedExecutionException e) {
                // The issuer stops. Leases run on: whoever listens goes to another issuer.
            }
        }
    }

    private void write() {
        asked.set(false);
        Moment now = now();
        List<Lease> due = leases.stream().filter(lease -> lease.isDue(now)).toList();
        if (due.isEmpty()) {
            return;
        }
        List<Listener> listeners = new ArrayList<>();
        due.forEach(lease -> listeners.add(lease.listener(now)));
        try {
            store.listening(listeners);
        } catch (StoreUnavailableException e) {
            log.log(Level.WARNING, "who listens to the feed was not written: {0}", e.getMessage());
            return; // until the next beat
        } catch (RuntimeException e) {
            log.log(Level.ERROR, "who listens to the feed was not written", e);
            return;
        }
        for (int i = 0; i < due.size(); i++) {
            due.get(i).written(now, listeners.get(i).heard());
        }
    }

    /** What is known of one listener. */
    final class Lease {
        private record Acknowledged(FeedPosition position, Moment at) {}

        private record Written(Moment at, Optional<FeedPosition> heard) {}

        private final String replica;
        private final Duration staleness;
        private final Runnable firstWritten;

        /** What it has taken in for so long that nothing is under way of before. */
        private Optional<FeedPosition> heard = Optional.empty();

        private @Nullable Acknowledged acknowledged;
        private long newestDeletion = -1;
        private @Nullable Written written;

        private Lease(String replica, Duration staleness, Optional<FeedPosition> resumed, Runnable firstWritten) {
            this.replica = replica;
            this.staleness = staleness;
            this.acknowledged =
                    resumed.map(position -> new Acknowledged(position, now())).orElse(null);
            this.firstWritten = firstWritten;
        }

        /** It is about to be told of a deletion with this number. */
        synchronized void tells(long deletion) {
            newestDeletion = Math.max(newestDeletion, deletion);
        }

        /** It has taken in all up to here. */
        synchronized void acknowledges(FeedPosition position) {
            Moment now = now();
            settle(now);
            if (acknowledged == null && !heard.equals(Optional.of(position))) {
                acknowledged = new Acknowledged(position, now);
            }
        }

        /** A moment has passed. */
        void beat() {
            Moment now = now();
            if (isDue(now)) {
                writeSoon();
            }
        }

        /** Whether what it may believe after a number that came at that moment ends within the lease. */
        synchronized boolean covers(Moment number) {
            return written != null && !number.isAfter(COVER, written.at);
        }

        /** Whether it was written at all. */
        synchronized boolean isWritten() {
            return written != null;
        }

        /** It does not listen any more; what it believes, it believes until the lease ends. */
        void end() {
            leases.remove(this);
        }

        /** It believes nothing any more. */
        void leave() {
            if (leases.remove(this)) {
                try {
                    writer.execute(this::forget);
                } catch (RejectedExecutionException e) {
                    // The issuer stops; the lease ends by itself.
                }
            }
        }

        private void forget() {
            try {
                store.left(replica);
            } catch (StoreUnavailableException e) {
                log.log(Level.WARNING, "that a listener has left was not written: {0}", e.getMessage());
            }
        }

        private synchronized boolean isDue(Moment now) {
            settle(now);
            return written == null
                    || now.isAfter(RENEWAL, written.at)
                    || (heard.isPresent() && isNews(heard.get(), written.heard));
        }

        private boolean isNews(FeedPosition position, Optional<FeedPosition> known) {
            return known.isEmpty()
                    || !known.get().storeId().equals(position.storeId())
                    || (known.get().seq() < newestDeletion && known.get().seq() < position.seq());
        }

        private void settle(Moment now) {
            Acknowledged last = acknowledged;
            if (last != null && now.isAfter(SandboxStore.SHORTEST_NAME_REST, last.at)) {
                heard = Optional.of(last.position);
                acknowledged = null;
            }
        }

        private synchronized Listener listener(Moment now) {
            return new Listener(
                    replica, heard, now.wall.plus(staleness).plus(COVER).plus(CLOCKS));
        }

        private void written(Moment at, Optional<FeedPosition> what) {
            boolean first;
            synchronized (this) {
                first = written == null;
                written = new Written(at, what);
            }
            if (first) {
                firstWritten.run();
            }
        }
    }
}
