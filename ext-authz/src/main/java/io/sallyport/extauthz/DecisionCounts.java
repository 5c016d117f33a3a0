package io.sallyport.extauthz;

import io.sallyport.base.Reason;
import java.util.EnumMap;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.atomic.LongAdder;

/** How many requests were allowed, and how many refused for each reason. */
final class DecisionCounts {
    private final LongAdder allowed = new LongAdder();
    /** Filled once, and from then on only read: safe for all threads. */
    private final Map<Reason, LongAdder> denied = new EnumMap<>(Reason.class);

    DecisionCounts() {
        for (Reason reason : Reason.values()) {
            denied.put(reason, new LongAdder());
        }
    }

    void allowed() {
        allowed.increment();
    }

    void denied(Reason reason) {
        count(reason).increment();
    }

    long allowedSoFar() {
        return allowed.sum();
    }

    /** Only reasons that there were. */
    Map<Reason, Long> deniedSoFar() {
        Map<Reason, Long> counts = new EnumMap<>(Reason.class);
        for (Reason reason : Reason.values()) {
            long count = count(reason).sum();
            if (count > 0) {
                counts.put(reason, count);
            }
        }
        return counts;
    }

    private LongAdder count(Reason reason) {
        return Objects.requireNonNull(denied.get(reason), "a reason without a count");
    }
}
