package io.sallyport.extauthz;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import io.sallyport.identity.SandboxId;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ConcurrentMap;
import java.util.concurrent.Executor;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The records of the sandboxes that call, each kept for a short while.
 *
 * <p>A record is true for at most its time to live, counted from the moment the question for it left; after that the
 * answer is "unavailable" when the issuer is away, never the old record. In the second half of that time the first
 * caller sets off a new question and goes on with the record it has, so that a busy sandbox never waits. There is one
 * question under way for a sandbox at a time. "No such sandbox" is kept too, but briefly.
 */
final class SandboxRecords {
    private static final int MAX_FOUND = 100_000;
    private static final int MAX_MISSING = 10_000;
    private static final Duration MISSING_TTL = Duration.ofSeconds(1);
    private static final Duration RETRY = Duration.ofMillis(250);

    private final RecordSource source;
    private final Executor background;
    private final LongSupplier nanoTime;
    private final long ttlNanos;
    private final long missingTtlNanos;
    private final Cache<SandboxId, Kept> found;
    private final Cache<SandboxId, Kept> missing;
    private final ConcurrentMap<SandboxId, CompletableFuture<RecordLookup>> underWay = new ConcurrentHashMap<>();

    /**
     * @param background runs the questions nobody waits for; it must not run them in the calling thread
     * @param nanoTime nanoseconds of a clock that never goes back
     */
    SandboxRecords(RecordSource source, Duration ttl, Executor background, LongSupplier nanoTime) {
        this.source = source;
        this.background = background;
        this.nanoTime = nanoTime;
        this.ttlNanos = ttl.toNanos();
        this.missingTtlNanos = Math.min(ttlNanos, MISSING_TTL.toNanos());
        // Entries carry their own end; the caches only bound how many there are.
        this.found = Caffeine.newBuilder()
                .maximumSize(MAX_FOUND)
                .executor(Runnable::run)
                .build();
        this.missing = Caffeine.newBuilder()
                .maximumSize(MAX_MISSING)
                .executor(Runnable::run)
                .build();
    }

    /** The record as far as it is known without asking anybody; null when that would take a question. */
    @Nullable RecordLookup remembered(SandboxId id) {
        long now = nanoTime.getAsLong();
        Kept kept = found.getIfPresent(id);
        if (kept != null && now - kept.askedAt < ttlNanos) {
            if (kept.mayRefresh(now)) {
                background.execute(() -> refresh(id));
            }
            return kept.lookup;
        }
        kept = missing.getIfPresent(id);
        return kept != null && now - kept.askedAt < missingTtlNanos ? kept.lookup : null;
    }

    /** The record, asked for if need be. Waits as long as the source takes. */
    RecordLookup find(SandboxId id) {
        RecordLookup remembered = remembered(id);
        return remembered != null ? remembered : ask(id).join();
    }

    private void refresh(SandboxId id) {
        var _ = ask(id);
    }

    private CompletableFuture<RecordLookup> ask(SandboxId id) {
        CompletableFuture<RecordLookup> mine = new CompletableFuture<>();
        CompletableFuture<RecordLookup> other = underWay.putIfAbsent(id, mine);
        if (other != null) {
            return other;
        }
        long askedAt = nanoTime.getAsLong();
        CompletableFuture<RecordLookup> answer;
        try {
            answer = source.find(id);
        } catch (RuntimeException e) {
            answer = CompletableFuture.failedFuture(e);
        }
        var _ = answer.whenComplete((lookup, failure) -> {
            RecordLookup result = failure == null ? lookup : new RecordLookup.Unavailable(failure.toString());
            try {
                keep(id, new Kept(result, askedAt));
            } finally {
                // Whoever waits is answered, and the next one asks anew, whatever happens here.
                underWay.remove(id, mine);
                mine.complete(result);
            }
        });
        return mine;
    }

    private void keep(SandboxId id, Kept kept) {
        switch (kept.lookup) {
            case RecordLookup.Found(SandboxRecord _) -> {
                missing.invalidate(id);
                found.put(id, kept);
            }
            case RecordLookup.Missing() -> {
                // A record never disappears (a deleted sandbox leaves a tombstone), but if it did, it is gone.
                found.invalidate(id);
                missing.put(id, kept);
            }
            case RecordLookup.Unavailable(String _) -> {
                // What is known stays true until its own end.
            }
        }
    }

    private final class Kept {
        final RecordLookup lookup;
        final long askedAt;
        private final AtomicLong refreshAt;

        Kept(RecordLookup lookup, long askedAt) {
            this.lookup = lookup;
            this.askedAt = askedAt;
            this.refreshAt = new AtomicLong(askedAt + ttlNanos / 2);
        }

        /** Whether the second half of its life has begun: true for one caller, and for another one a while later. */
        boolean mayRefresh(long now) {
            long at = refreshAt.get();
            return now - at >= 0 && refreshAt.compareAndSet(at, now + RETRY.toNanos());
        }
    }
}
