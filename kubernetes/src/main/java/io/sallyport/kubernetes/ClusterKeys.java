package io.sallyport.kubernetes;

import io.sallyport.identity.ForeignToken;
import io.sallyport.identity.PublishedKeys;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.LongSupplier;

/**
 * The keys that a cluster publishes for its ServiceAccount tokens: for refusing a forgery without asking the API server.
 * That a key has signed a token lets nobody in.
 *
 * <p>They are fetched when the first token comes, again when they have aged, and when a token names a key that is not among
 * them, which happens after the cluster's keys have changed, and no more than every few seconds whatever tokens say.
 */
final class ClusterKeys {
    private static final Logger log = System.getLogger(ClusterKeys.class.getName());
    private static final long MAX_AGE = Duration.ofMinutes(5).toNanos();
    private static final long LOOK_AGAIN = Duration.ofSeconds(5).toNanos();

    /** What the keys say of a token. */
    enum Verdict {
        /** The cluster may have made it. */
        PLAUSIBLE,
        /** The cluster has not made it. */
        FORGED,
        /** It names a key that was not there a moment ago. */
        UNSURE
    }

    private final Cluster cluster;
    private final LongSupplier nanos;
    private final ReentrantLock fetching = new ReentrantLock();
    private volatile Look look;

    /**
     * The outcome of the last fetch.
     *
     * @param at when it began
     * @param keys none if there never were any
     * @param failed whether it brought nothing new
     */
    private record Look(long at, PublishedKeys keys, boolean failed) {}

    ClusterKeys(Cluster cluster, LongSupplier nanos) {
        this.cluster = cluster;
        this.nanos = nanos;
        this.look = new Look(nanos.getAsLong() - MAX_AGE - 1, PublishedKeys.none(), true);
    }

    /** Looks at a token's signature, and for its key if need be. */
    Verdict judge(ForeignToken token) {
        long arrived = nanos.getAsLong();
        Look before = look;
        Look known = before;
        if (arrived - known.at() > MAX_AGE) {
            known = fetch(known, known.keys().isEmpty());
        }
        if (!known.keys().has(token.keyId()) && arrived - known.at() > LOOK_AGAIN) {
            known = fetch(known, true);
        }
        if (known.keys().has(token.keyId())) {
            return known.keys().signed(token) ? Verdict.PLAUSIBLE : Verdict.FORGED;
        }
        if (known.failed() || known.keys().isEmpty()) {
            // Nobody can tell from here.
            return Verdict.PLAUSIBLE;
        }
        return !known.equals(before) ? Verdict.FORGED : Verdict.UNSURE;
    }

    /**
     * Fetches, unless somebody has since {@code known} was fetched.
     *
     * @param waits whether to wait for somebody else who does
     */
    private Look fetch(Look known, boolean waits) {
        if (waits) {
            fetching.lock();
        } else if (!fetching.tryLock()) {
            return known;
        }
        try {
            if (!look.equals(known)) {
                return look;
            }
            long at = nanos.getAsLong();
            Look fetched;
            try {
                fetched = new Look(at, PublishedKeys.parse(cluster.publishedKeys()), false);
            } catch (ClusterUnavailableException | IllegalArgumentException e) {
                log.log(
                        Level.WARNING,
                        "the keys of the cluster could not be fetched, so forged tokens are not recognised early: {0}",
                        e.getMessage());
                fetched = new Look(at, known.keys(), true);
            }
            look = fetched;
            return fetched;
        } finally {
            fetching.unlock();
        }
    }
}
