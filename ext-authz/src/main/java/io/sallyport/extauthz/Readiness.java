package io.sallyport.extauthz;

import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import java.util.function.LongSupplier;

/**
 * Whether the service may be sent requests: not before the feed was heard as a whole, and not while it has been unheard
 * for too long, unless the settings say to go on. Told to whoever asks after our health, and to the log.
 */
final class Readiness {
    private static final Logger log = System.getLogger(Readiness.class.getName());
    private static final Duration REMINDER = Duration.ofMinutes(1);

    private final Freshness freshness;
    private final Consumer<Boolean> serving;
    private final LongSupplier nanoTime;
    private final CompletableFuture<Void> first = new CompletableFuture<>();

    private boolean served;
    private boolean warned;
    private long warnedAt;

    /** @param serving told of every change; it was false before */
    Readiness(Freshness freshness, Consumer<Boolean> serving, LongSupplier nanoTime) {
        this.freshness = freshness;
        this.serving = serving;
        this.nanoTime = nanoTime;
    }

    /** Done when the service is ready for the first time. */
    CompletableFuture<Void> first() {
        return first.copy();
    }

    /** To be called now and then, and when something has been heard. */
    void look() {
        synchronized (this) {
            boolean admits = freshness.admits();
            if (admits != served) {
                served = admits;
                serving.accept(admits);
            }
            warn(freshness.everHeard() && !freshness.isFresh());
        }
        if (freshness.admits()) {
            first.complete(null);
        }
    }

    private void warn(boolean stale) {
        if (!stale) {
            if (warned) {
                log.log(Level.INFO, "the issuer is heard again; what is known is fresh");
            }
            warned = false;
            return;
        }
        long now = nanoTime.getAsLong();
        if (warned && now - warnedAt < REMINDER.toNanos()) {
            return;
        }
        warned = true;
        warnedAt = now;
        log.log(
                Level.ERROR,
                freshness.whenStale() == Freshness.WhenStale.DENY
                        ? "{0}; until then every sandbox is refused"
                        : "{0}; when-stale: serve lets sandboxes pass that may have been revoked or deleted since",
                freshness.describe());
    }
}
