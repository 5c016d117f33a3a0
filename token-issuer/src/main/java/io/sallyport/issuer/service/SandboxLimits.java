package io.sallyport.issuer.service;

import io.sallyport.base.Reason;
import io.sallyport.base.RejectedException;
import io.sallyport.identity.SandboxId;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.function.LongSupplier;

/**
 * How often one sandbox may ask for tokens, and how many times at once: a token bucket and a count for each sandbox that
 * asked lately.
 *
 * <p>Nobody shares a bucket. A bucket that is full again is forgotten, since a new one would be the same; so there are
 * only as many as sandboxes asked within the time that filling one takes, and at {@link #MAX_SANDBOXES} the next sandbox
 * is asked to come back. Counted in this process alone.
 */
public final class SandboxLimits {
    static final int MAX_SANDBOXES = 100_000;

    private static final int FIRST_SWEEP = 1_024;

    /**
     * The limits of one sandbox.
     *
     * @param perMinute how many requests a minute, in the long run
     * @param burst how many at once after a pause
     * @param concurrent how many may be under way
     */
    public record Rates(int perMinute, int burst, int concurrent) {
        public Rates {
            if (perMinute < 1 || burst < 1 || concurrent < 1) {
                throw new IllegalArgumentException("a limit below one lets nobody refresh");
            }
        }

        private long nanosPerRequest() {
            return Duration.ofMinutes(1).toNanos() / perMinute;
        }
    }

    /** One sandbox's; guarded by this object. */
    private static final class Use {
        /** When the bucket will be full again, if nothing more is taken. */
        private long fullAt;

        private int underWay;

        Use(long fullAt) {
            this.fullAt = fullAt;
        }
    }

    private final Rates rates;
    private final LongSupplier nanos;
    private final int maxSandboxes;
    private final Map<SandboxId, Use> uses = new HashMap<>();
    private int sweepAt;

    /** @param nanos a monotonic clock */
    public SandboxLimits(Rates rates, LongSupplier nanos) {
        this(rates, nanos, MAX_SANDBOXES);
    }

    SandboxLimits(Rates rates, LongSupplier nanos, int maxSandboxes) {
        this.rates = rates;
        this.nanos = nanos;
        this.maxSandboxes = maxSandboxes;
        this.sweepAt = Math.min(FIRST_SWEEP, maxSandboxes);
    }

    /** A request under way; closing it says that it is over. */
    interface Permit extends AutoCloseable {
        @Override
        void close();
    }

    /**
     * Lets a request through, or says when to come back.
     *
     * @throws RejectedException {@link Reason#TOO_MANY_REFRESHES}, or {@link Reason#OVERLOADED} when too many sandboxes
     *     ask at once
     */
    Permit enter(SandboxId sandbox, Calls.Call call) throws RejectedException {
        synchronized (this) {
            long now = nanos.getAsLong();
            Use use = uses.get(sandbox);
            if (use == null) {
                use = admit(sandbox, now);
            }
            if (use.underWay >= rates.concurrent()) {
                call.retryAfter(Duration.ofSeconds(1));
                throw new RejectedException(
                        Reason.TOO_MANY_REFRESHES, rates.concurrent() + " requests of this sandbox are under way");
            }
            long fullAt = Math.max(use.fullAt - now, 0) + rates.nanosPerRequest();
            long excess = fullAt - rates.burst() * rates.nanosPerRequest();
            if (excess > 0) {
                call.retryAfter(Duration.ofNanos(excess));
                throw new RejectedException(
                        Reason.TOO_MANY_REFRESHES,
                        "more than " + rates.perMinute() + " a minute, after a burst of " + rates.burst());
            }
            use.fullAt = now + fullAt;
            use.underWay++;
        }
        return () -> leave(sandbox);
    }

    /** How many sandboxes are remembered. */
    synchronized int size() {
        return uses.size();
    }

    private synchronized void leave(SandboxId sandbox) {
        Use use = uses.get(sandbox);
        if (use != null) {
            use.underWay--;
        }
    }

    private Use admit(SandboxId sandbox, long now) throws RejectedException {
        if (uses.size() >= sweepAt) {
            uses.values().removeIf(use -> use.underWay == 0 && use.fullAt - now <= 0);
            // What a sweep costs is paid by as many newcomers as it looks at.
            sweepAt = Math.min(Math.max(FIRST_SWEEP, 2 * uses.size()), maxSandboxes);
        }
        if (uses.size() >= maxSandboxes) {
            throw new RejectedException(Reason.OVERLOADED, "more than " + maxSandboxes + " sandboxes refresh at once");
        }
        Use use = new Use(now);
        uses.put(sandbox, use);
        return use;
    }
}
