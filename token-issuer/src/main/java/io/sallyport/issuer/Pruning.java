package io.sallyport.issuer;

import io.sallyport.issuer.store.RefreshRules;
import io.sallyport.issuer.store.SandboxStore;
import io.sallyport.issuer.store.StoreUnavailableException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.time.InstantSource;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/** Removes from the store what says nothing any more: now and then, a little at a time. */
final class Pruning implements AutoCloseable {
    private static final Logger log = System.getLogger(Pruning.class.getName());
    /** How often, in a running issuer. */
    static final Duration EVERY = Duration.ofMinutes(1);

    /** A replica that was away for less than this, and missed fewer events, goes on where it was. */
    private static final Duration KEEP_EVENTS_FOR = Duration.ofHours(24);

    private static final long KEEP_EVENTS = 100_000;

    private final SandboxStore store;
    private final RefreshRules rules;
    private final InstantSource clock;
    private final ScheduledExecutorService scheduler = Executors.newSingleThreadScheduledExecutor(
            Thread.ofPlatform().daemon().name("store-pruning").factory());

    private Pruning(SandboxStore store, RefreshRules rules, InstantSource clock) {
        this.store = store;
        this.rules = rules;
        this.clock = clock;
    }

    /** @param every how long to wait after each time; the first comes after that too */
    static Pruning start(SandboxStore store, RefreshRules rules, InstantSource clock, Duration every) {
        Pruning pruning = new Pruning(store, rules, clock);
        var _ = pruning.scheduler.scheduleWithFixedDelay(
                pruning::prune, every.toMillis(), every.toMillis(), TimeUnit.MILLISECONDS);
        return pruning;
    }

    @Override
    public void close() {
        scheduler.shutdownNow();
    }

    private void prune() {
        try {
            boolean more = true;
            while (more && !scheduler.isShutdown()) {
                more = store.prune(rules, KEEP_EVENTS, KEEP_EVENTS_FOR, clock.instant());
            }
        } catch (StoreUnavailableException e) {
            log.log(Level.WARNING, "what is over was not removed: {0}", e.getMessage());
        } catch (RuntimeException e) {
            // One that got out would end the schedule.
            log.log(Level.ERROR, "what is over was not removed", e);
        }
    }
}
