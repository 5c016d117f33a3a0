package io.sallyport.extauthz;

import io.sallyport.base.Reason;
import io.sallyport.base.audit.ReasonCounts;
import java.util.Map;
import java.util.concurrent.atomic.LongAdder;

/** How many requests were allowed, and how many refused for each reason. */
final class DecisionCounts {
    private final LongAdder allowed = new LongAdder();
    private final ReasonCounts denied = new ReasonCounts();

    void allowed() {
        allowed.increment();
    }

    void denied(Reason reason) {
        denied.count(reason);
    }

    long allowedSoFar() {
        return allowed.sum();
    }

    /** Only reasons that there were. */
    Map<Reason, Long> deniedSoFar() {
        return denied.soFar();
    }
}
