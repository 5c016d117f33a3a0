package io.sallyport.extauthz;

import com.github.benmanes.caffeine.cache.Cache;
import com.github.benmanes.caffeine.cache.Caffeine;
import io.sallyport.identity.SandboxClaims;
import io.sallyport.identity.SandboxId;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * The records of the sandboxes that call: asked for once, and from then on kept true by the feed.
 *
 * <p>How long they may be believed without a word from the issuer is {@link Freshness}'s to say. Of two copies the one
 * of the higher version stays, whichever comes first, so neither an answer that was long on its way nor a change that is
 * told late puts an older state over a newer one. There is one question under way for a sandbox at a time. "No such
 * sandbox" is kept too, but briefly.
 */
final class SandboxRecords {
    private static final int MAX_FOUND = 100_000;
    private static final int MAX_MISSING = 10_000;
    private static final Duration MISSING_TTL = Duration.ofSeconds(1);

    private final RecordSource source;
    private final LongSupplier nanoTime;
    private final Cache<SandboxId, RecordLookup.Found> found =
            Caffeine.newBuilder().maximumSize(MAX_FOUND).executor(Runnable::run).build();
    private final Cache<SandboxId, Missed> missing = Caffeine.newBuilder()
            .maximumSize(MAX_MISSING)
            .executor(Runnable::run)
            .build();

    private final Cache<SandboxId, Missed> unadopted = Caffeine.newBuilder()
            .maximumSize(MAX_MISSING)
            .executor(Runnable::run)
            .build();

    /** Held for every change of what is kept. Reading what is kept takes no lock. */
    private final Object changing = new Object();

    private final Map<SandboxId, Question> underWay = new HashMap<>();
    private long epoch;

    /** @param nanoTime nanoseconds of a clock that never goes back */
    SandboxRecords(RecordSource source, LongSupplier nanoTime) {
        this.source = source;
        this.nanoTime = nanoTime;
    }

    /** The record as far as it is known without asking anybody; null when that would take a question. */
    @Nullable RecordLookup remembered(SandboxId id) {
        RecordLookup.Found kept = found.getIfPresent(id);
        if (kept != null) {
            return kept;
        }
        Missed missed = missing.getIfPresent(id);
        return missed != null && nanoTime.getAsLong() - missed.askedAt < MISSING_TTL.toNanos() ? missed.lookup : null;
    }

    /** The record, asked for if need be. Waits as long as the source takes. */
    RecordLookup find(SandboxId id) {
        RecordLookup remembered = remembered(id);
        return remembered != null ? remembered : ask(id).join();
    }

    /**
     * The record that a token of a sandbox that is not known makes of it, if the issuer adopts sandboxes. Waits. That it does
     * not is remembered as long as that there is none.
     */
    RecordLookup adopt(SandboxClaims token) {
        long askedAt = nanoTime.getAsLong();
        Missed refused = unadopted.getIfPresent(token.sandbox());
        if (refused != null && askedAt - refused.askedAt < MISSING_TTL.toNanos()) {
            return refused.lookup;
        }
        RecordLookup adopted = source.adopt(token).join();
        if (adopted instanceof RecordLookup.Missing missed) {
            unadopted.put(token.sandbox(), new Missed(missed, askedAt));
        }
        if (!(adopted instanceof RecordLookup.Found)) {
            return adopted;
        }
        synchronized (changing) {
            missing.invalidate(token.sandbox());
        }
        return find(token.sandbox());
    }

    /** A record has changed to this. */
    void changed(SandboxRecord record) {
        SandboxId id = new SandboxId(record.id());
        synchronized (changing) {
            Question question = underWay.get(id);
            if (question != null) {
                question.heard = question.heard == null ? record : SandboxRecord.newer(question.heard, record);
            }
            found.asMap()
                    .computeIfPresent(
                            id, (_, kept) -> new RecordLookup.Found(SandboxRecord.newer(kept.sandbox(), record)));
            missing.invalidate(id);
        }
    }

    /** Nothing that is known, and nothing that has been asked for by now, is true any more. */
    void forgetAll() {
        synchronized (changing) {
            epoch++;
            underWay.clear();
            found.invalidateAll();
            missing.invalidateAll();
        }
    }

    /** How many records are kept. */
    long size() {
        return found.estimatedSize();
    }

    /** The record, asked for unless that is under way or it is known. Completed like {@link RecordSource#find}. */
    CompletableFuture<RecordLookup> ask(SandboxId id) {
        Question question;
        synchronized (changing) {
            Question other = underWay.get(id);
            if (other != null) {
                return other.answer;
            }
            RecordLookup settled = remembered(id);
            if (settled != null) {
                // The question that was under way a moment ago has been answered.
                return CompletableFuture.completedFuture(settled);
            }
            question = new Question(epoch, nanoTime.getAsLong());
            underWay.put(id, question);
        }
        CompletableFuture<RecordLookup> answer;
        try {
            answer = source.find(id);
        } catch (RuntimeException e) {
            answer = CompletableFuture.failedFuture(e);
        }
        var _ = answer.whenComplete((lookup, failure) -> {
            RecordLookup result = failure == null ? lookup : new RecordLookup.Unavailable(failure.toString());
            try {
                result = settle(id, question, result);
            } finally {
                // Whoever waits is answered, whatever happens here.
                question.answer.complete(result);
            }
        });
        return question.answer;
    }

    /** Keeps what came of a question, and says what there is to say: what was heard meanwhile may be newer. */
    private RecordLookup settle(SandboxId id, Question question, RecordLookup result) {
        synchronized (changing) {
            if (question.epoch != epoch) {
                // Everything was learned anew meanwhile; whom this answer came from is not sure any more.
                return new RecordLookup.Unavailable("the feed began anew while the record was asked for");
            }
            underWay.remove(id, question);
            SandboxRecord heard = question.heard;
            RecordLookup newest = switch (result) {
                case RecordLookup.Found(SandboxRecord sandbox)
                when heard != null -> new RecordLookup.Found(SandboxRecord.newer(heard, sandbox));
                case RecordLookup.Missing() when heard != null -> new RecordLookup.Found(heard);
                case RecordLookup.Unavailable(String _) when heard != null -> new RecordLookup.Found(heard);
                case RecordLookup other -> other;
            };
            switch (newest) {
                case RecordLookup.Found asked -> found.put(id, asked);
                case RecordLookup.Missing asked -> missing.put(id, new Missed(asked, question.askedAt));
                case RecordLookup.Unavailable(String _) -> {}
            }
            return newest;
        }
    }

    /** A question under way. */
    private static final class Question {
        final CompletableFuture<RecordLookup> answer = new CompletableFuture<>();
        final long epoch;
        final long askedAt;
        /** What the feed told meanwhile; guarded by {@code changing}. */
        @Nullable SandboxRecord heard;

        Question(long epoch, long askedAt) {
            this.epoch = epoch;
            this.askedAt = askedAt;
        }
    }

    private record Missed(RecordLookup.Missing lookup, long askedAt) {}
}
