package io.sallyport.extauthz;

import io.sallyport.base.Reason;
import java.util.EnumMap;
import java.util.Map;
import java.util.concurrent.atomic.LongAdder;

/** How many requests were allowed, and how many refused for each reason. */
final class DecisionCounts {
    private final LongAdder allowed = new LongAdder();
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
        denied.get(reason).increment();
    }

    long allowedSoFar() {
        return allowed.sum();
    }

    /** Only reasons that there were. */
    Map<Reason, Long> deniedSoFar() {
        Map<Reason, Long> counts = new EnumMap<>(Reason.class);
        denied.forEach((reason, count) -> {
            if (count.sum() > 0) {
                counts.put(reason, count.sum());
            }
        });
        return counts;
    }
}
