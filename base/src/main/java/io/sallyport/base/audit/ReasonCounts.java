package io.sallyport.base.audit;

import io.sallyport.base.Reason;
import java.util.EnumMap;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.atomic.LongAdder;

/** How often something happened, for each reason. Safe for all threads. */
public final class ReasonCounts {
    /** Filled once, and from then on only read. */
    private final Map<Reason, LongAdder> counts = new EnumMap<>(Reason.class);

    public ReasonCounts() {
        for (Reason reason : Reason.values()) {
            counts.put(reason, new LongAdder());
        }
    }

    /** Once more. */
    public void count(Reason reason) {
        Objects.requireNonNull(counts.get(reason), "a reason without a count").increment();
    }

    /** Only reasons that there were. */
    public Map<Reason, Long> soFar() {
        Map<Reason, Long> soFar = new EnumMap<>(Reason.class);
        counts.forEach((reason, count) -> {
            long sum = count.sum();
            if (sum > 0) {
                soFar.put(reason, sum);
            }
        });
        return soFar;
    }
}
