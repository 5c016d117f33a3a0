package io.sallyport.issuer;

import io.sallyport.issuer.store.StoreBusyException;
import io.sallyport.issuer.store.StoreUnavailableException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.function.Consumer;

/**
 * Whether the store can be written, found out by writing.
 *
 * <p>A failed write makes it ill at once (one that only waited too long for others does not); only a probe that was written makes it well again. Probes are rare while it is
 * well (each one costs the disk a sync) and frequent while it is ill, so that recovery is noticed soon.
 */
final class StoreHealth implements AutoCloseable {
    /** How often to probe. */
    record Intervals(Duration whenWell, Duration whenIll) {
        static final Intervals DEFAULT = new Intervals(Duration.ofSeconds(30), Duration.ofSeconds(1));
    }

    /** Writes something of no meaning durably. */
    @FunctionalInterface
    interface Probe {
        void write(Instant at) throws StoreUnavailableException;
    }

    private static final Logger log = System.getLogger(StoreHealth.class.getName());

    private final Probe store;
    private final InstantSource clock;
    private final Intervals intervals;
    private final List<Consumer<Boolean>> listeners = new CopyOnWriteArrayList<>();
    private final ScheduledExecutorService scheduler = Executors.newSingleThreadScheduledExecutor(
            Thread.ofPlatform().daemon().name("store-health").factory());
    private volatile boolean writable;
    private long ticks;

    StoreHealth(Probe store, InstantSource clock, Intervals intervals) {
        this.store = store;
        this.clock = clock;
        this.intervals = intervals;
    }

    /** Probes once before it returns, and from then on in the background. */
    void start() {
        probe();
        long tick = intervals.whenIll().toMillis();
        var _ = scheduler.scheduleWithFixedDelay(this::tick, tick, tick, TimeUnit.MILLISECONDS);
    }

    /** Calls back on every change, and once now. */
    void tell(Consumer<Boolean> listener) {
        listeners.add(listener);
        listener.accept(writable);
    }

    boolean writable() {
        return writable;
    }

    /** Takes note that the disk or the database failed just now. */
    void suspect() {
        set(false, "it could not be used");
    }

    @Override
    public void close() {
        scheduler.shutdownNow();
    }

    /** Every tick is time to probe while it is ill; while it is well, only every so many. */
    private void tick() {
        ticks++;
        if (!writable
                || ticks * intervals.whenIll().toMillis()
                        >= intervals.whenWell().toMillis()) {
            ticks = 0;
            probe();
        }
    }

    /** A probe that waits in vain for other writes has found out nothing: what those did counts. */
    void probe() {
        try {
            store.write(clock.instant());
            set(true, "");
        } catch (StoreBusyException e) {
            log.log(Level.WARNING, "the store was not probed: {0}", e.getMessage());
        } catch (StoreUnavailableException e) {
            set(false, String.valueOf(e.getMessage()));
        } catch (RuntimeException e) {
            set(false, e.toString());
        }
    }

    private synchronized void set(boolean now, String why) {
        if (now == writable) {
            return;
        }
        writable = now;
        if (now) {
            log.log(Level.INFO, "the store can be written");
        } else {
            log.log(
                    Level.ERROR,
                    "the store cannot be written ({0}): nothing is registered, deleted or minted until it can; reads go on."
                            + " Free its disk, or see the reason",
                    why);
        }
        listeners.forEach(listener -> listener.accept(now));
    }
}
