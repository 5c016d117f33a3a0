package io.sallyport.extauthz;

import java.time.Duration;
import java.time.InstantSource;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * How old what we know of the issuer may be.
 *
 * <p>Not the arrival of an answer counts (it may have been long on its way, or wait in a backlog of ours), but when the
 * issuer must have looked: it echoes a number that we sent before, so what it says is no older than the moment when that
 * number left. One number is under way at a time: a new one with each answer would never be the one that comes back, when
 * answers come faster than a number goes there and back.
 *
 * <p>Time is counted by the clock that never goes back, and by the wall clock where that has gone further: the first one
 * stands still while a machine sleeps.
 */
final class Freshness {
    /** What to do when nothing has been heard for too long. */
    enum WhenStale {
        /** Let no sandbox pass. */
        DENY,
        /** Go on with what was known: an availability bought with revocations that come late. */
        SERVE
    }

    private record Moment(long nanos, long millis) {}

    private final Duration maxStaleness;
    private final WhenStale whenStale;
    private final LongSupplier nanoTime;
    private final InstantSource clock;
    private final long maxNanos;

    private volatile @Nullable Moment lookedAt;
    private Moment asked;
    private long number;
    private boolean underWay;

    /** @param nanoTime nanoseconds of a clock that never goes back */
    Freshness(Duration maxStaleness, WhenStale whenStale, LongSupplier nanoTime, InstantSource clock) {
        this.maxStaleness = maxStaleness;
        this.whenStale = whenStale;
        this.nanoTime = nanoTime;
        this.clock = clock;
        this.maxNanos = maxStaleness.toNanos();
        this.asked = now();
    }

    /** A new number to send, at this moment: only its echo counts from here on. For a stream that begins. */
    synchronized long askAnew() {
        asked = now();
        underWay = true;
        return ++number;
    }

    /** The number to send: the one under way, until it has come back, and then a new one. */
    synchronized long ask() {
        return underWay ? number : askAnew();
    }

    /** A complete answer has been taken in that carried this number. Whether it is the one under way. */
    synchronized boolean answered(long echo) {
        if (echo != number) {
            return false;
        }
        underWay = false;
        lookedAt = asked;
        return true;
    }

    /** Whether sandboxes may pass. Allocates nothing. */
    boolean admits() {
        Moment last = lookedAt;
        return last != null && (whenStale == WhenStale.SERVE || age(last) <= maxNanos);
    }

    /** Whether what is known is no older than it may be. */
    boolean isFresh() {
        Moment last = lookedAt;
        return last != null && age(last) <= maxNanos;
    }

    /** Whether there ever was a complete answer. */
    boolean everHeard() {
        return lookedAt != null;
    }

    /** How old what is known may be; the longest duration there is, before anything is known. */
    Duration staleness() {
        Moment last = lookedAt;
        return last == null ? Duration.ofNanos(Long.MAX_VALUE) : Duration.ofNanos(age(last));
    }

    Duration maxStaleness() {
        return maxStaleness;
    }

    WhenStale whenStale() {
        return whenStale;
    }

    /** Why nobody passes, and what to do. */
    String describe() {
        return everHeard()
                ? "the issuer has not been heard for " + staleness().toSeconds() + " s, at most "
                        + maxStaleness.toSeconds() + " s are allowed; see that it runs and is reached"
                : "the issuer has not been heard since the start; see that it runs and is reached";
    }

    private long age(Moment since) {
        long nanos = nanoTime.getAsLong() - since.nanos;
        long millis = clock.millis() - since.millis;
        return Math.max(nanos, millis > Long.MAX_VALUE / 1_000_000 ? Long.MAX_VALUE : millis * 1_000_000);
    }

    private Moment now() {
        return new Moment(nanoTime.getAsLong(), clock.millis());
    }
}
