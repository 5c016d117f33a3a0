package io.sallyport.extauthz.guard;

import io.sallyport.base.Reason;
import java.util.EnumMap;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.atomic.LongAdder;

/** What went through all streams, and how they ended. */
public final class StreamCounts {
    private final LongAdder pieces = new LongAdder();
    private final LongAdder messages = new LongAdder();
    private final LongAdder bytes = new LongAdder();
    private final LongAdder ordinary = new LongAdder();
    /** Filled once, and from then on only read: safe for all threads. */
    private final Map<Reason, LongAdder> ended = new EnumMap<>(Reason.class);

    public StreamCounts() {
        for (Reason reason : Reason.values()) {
            ended.put(reason, new LongAdder());
        }
    }

    void piece(int size, int ofMessages) {
        pieces.increment();
        bytes.add(size);
        messages.add(ofMessages);
    }

    /** A stream ended by itself: client or gateway were done, or left. */
    void ended() {
        ordinary.increment();
    }

    void ended(Reason reason) {
        Objects.requireNonNull(ended.get(reason), "a reason without a count").increment();
    }

    public long piecesSoFar() {
        return pieces.sum();
    }

    public long messagesSoFar() {
        return messages.sum();
    }

    public long bytesSoFar() {
        return bytes.sum();
    }

    public long ordinaryEndsSoFar() {
        return ordinary.sum();
    }

    /** Streams that were refused or cut; only reasons that there were. */
    public Map<Reason, Long> endsSoFar() {
        Map<Reason, Long> counts = new EnumMap<>(Reason.class);
        ended.forEach((reason, count) -> {
            if (count.sum() > 0) {
                counts.put(reason, count.sum());
            }
        });
        return counts;
    }
}
