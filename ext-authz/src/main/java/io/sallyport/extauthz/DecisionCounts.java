package io.sallyport.extauthz;

import io.sallyport.base.Reason;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.Map;
import java.util.concurrent.atomic.LongAdder;

/** How many requests were allowed, and how many refused for each reason. */
final class DecisionCounts {
    private final LongAdder allowed = new LongAdder();
    /** By the reason's ordinal. */
    private final LongAdder[] denied = new LongAdder[Reason.values().length];

    DecisionCounts() {
        Arrays.setAll(denied, _ -> new LongAdder());
    }

    void allowed() {
        allowed.increment();
    }

    void denied(Reason reason) {
        denied[reason.ordinal()].increment();
    }

    long allowedSoFar() {
        return allowed.sum();
    }

    /** Only reasons that there were. */
    Map<Reason, Long> deniedSoFar() {
        Map<Reason, Long> counts = new EnumMap<>(Reason.class);
        for (Reason reason : Reason.values()) {
            long count = denied[reason.ordinal()].sum();
            if (count > 0) {
                counts.put(reason, count);
            }
        }
        return counts;
    }
}
