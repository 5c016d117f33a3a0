package io.sallyport.issuer.mirror;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Things to see to, each by one thread at a time: whatever comes while one is seen to makes it be seen to once more.
 *
 * @param <K> what names a thing
 */
final class WorkQueue<K> implements AutoCloseable {
    /** Sees to a thing. */
    @FunctionalInterface
    interface Work<K> {
        /**
         * Sees to a thing once.
         *
         * @param tries how often it was seen to in vain since somebody last asked for it
         * @return when to see to it again; empty when that is not necessary
         */
        Optional<Duration> see(K thing, int tries);
    }

    private static final Logger log = System.getLogger(WorkQueue.class.getName());
    private static final Duration AFTER_A_FAILURE = Duration.ofSeconds(1);

    private static final class Item {
        boolean waiting;
        boolean underWay;
        boolean onceMore;
        int tries;

        @Nullable Future<?> later;
    }

    private final Work<K> work;
    private final Map<K, Item> items = new HashMap<>();
    private final BlockingQueue<K> ready = new LinkedBlockingQueue<>();
    private final ExecutorService workers = Executors.newVirtualThreadPerTaskExecutor();
    private final ScheduledExecutorService scheduler = Executors.newSingleThreadScheduledExecutor(
            Thread.ofPlatform().daemon().name("mirror-later").factory());
    private int busy;

    /** @param concurrent how many things are seen to at once */
    WorkQueue(int concurrent, Work<K> work) {
        this.work = work;
        for (int i = 0; i < concurrent; i++) {
            workers.execute(this::workUntilClosed);
        }
    }

    /** Has a thing seen to soon. */
    synchronized void add(K thing) {
        Item item = items.computeIfAbsent(thing, _ -> new Item());
        item.tries = 0;
        enqueue(thing, item);
    }

    /** Whether nothing waits for its turn or is seen to; what is for later does not count. */
    synchronized boolean isIdle() {
        return busy == 0;
    }

    @Override
    public void close() {
        scheduler.shutdownNow();
        workers.shutdownNow();
    }

    private synchronized void enqueue(K thing, Item item) {
        if (item.later != null) {
            item.later.cancel(false);
            item.later = null;
        }
        if (item.underWay) {
            item.onceMore = true;
        } else if (!item.waiting) {
            item.waiting = true;
            busy++;
            ready.add(thing);
        }
    }

    private void workUntilClosed() {
        try {
            while (!Thread.currentThread().isInterrupted()) {
                K thing = ready.take();
                Optional<Duration> again = Optional.of(AFTER_A_FAILURE);
                int tries = begin(thing);
                try {
                    again = work.see(thing, tries);
                } catch (RuntimeException e) {
                    log.log(Level.ERROR, "the mirror failed at " + thing, e);
                } finally {
                    end(thing, again);
                }
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private synchronized int begin(K thing) {
        Item item = items.get(thing);
        if (item == null) {
            throw new IllegalStateException("nobody asked for " + thing);
        }
        item.waiting = false;
        item.underWay = true;
        return item.tries;
    }

    private synchronized void end(K thing, Optional<Duration> again) {
        Item item = items.get(thing);
        if (item == null) {
            return;
        }
        busy--;
        item.underWay = false;
        if (item.onceMore) {
            item.onceMore = false;
            enqueue(thing, item);
        } else if (again.isEmpty()) {
            items.remove(thing);
        } else if (!scheduler.isShutdown()) {
            item.tries++;
            item.later =
                    scheduler.schedule(() -> enqueue(thing, item), again.get().toMillis(), TimeUnit.MILLISECONDS);
        }
    }
}
