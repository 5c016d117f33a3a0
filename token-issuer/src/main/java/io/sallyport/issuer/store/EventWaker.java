package io.sallyport.issuer.store;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.Semaphore;
import java.util.concurrent.TimeUnit;

/**
 * Wakes whoever waits for events: at once when it is told to, and by looking again and again, since another process, or
 * a notification that was lost, tells nobody.
 */
final class EventWaker implements AutoCloseable {
    /** The number of the newest event. */
    @FunctionalInterface
    interface Newest {
        long read() throws StoreUnavailableException;
    }

    private static final Logger log = System.getLogger(EventWaker.class.getName());

    private final Newest newest;
    private final Duration poll;
    private final List<Runnable> listeners = new CopyOnWriteArrayList<>();
    private final Semaphore told = new Semaphore(0);
    private final Thread thread;
    private volatile boolean closed;

    /**
     * @param newest looked at every time
     * @param poll how often to look
     */
    EventWaker(Newest newest, Duration poll) {
        this.newest = newest;
        this.poll = poll;
        this.thread = Thread.ofPlatform().daemon().name("store-events").start(this::watch);
    }

    @SuppressWarnings("UnnecessaryMethodReference") // two listeners that are equal are still two
    AutoCloseable add(Runnable listener) {
        Runnable own = listener::run;
        listeners.add(own);
        return () -> listeners.remove(own);
    }

    /** Events were committed just now. Returns at once. */
    void tell() {
        told.release();
    }

    @Override
    public void close() {
        closed = true;
        tell();
        try {
            thread.join();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    private void watch() {
        long seen = -1;
        while (!closed) {
            boolean wake;
            try {
                wake = told.tryAcquire(poll.toMillis(), TimeUnit.MILLISECONDS);
            } catch (InterruptedException e) {
                // Ends when it is closed, and for nothing else.
                continue;
            }
            told.drainPermits();
            if (closed || listeners.isEmpty()) {
                continue;
            }
            try {
                long now = newest.read();
                wake |= now != seen;
                seen = now;
            } catch (StoreUnavailableException e) {
                // Whoever reads the events finds out.
            } catch (RuntimeException e) {
                log.log(Level.ERROR, "the event log cannot be looked at", e);
            }
            if (wake) {
                listeners.forEach(EventWaker::call);
            }
        }
    }

    /** A listener with a bug must not end the waking of all others. */
    private static void call(Runnable listener) {
        try {
            listener.run();
        } catch (RuntimeException e) {
            log.log(Level.ERROR, "a listener of the event log failed", e);
        }
    }
}
