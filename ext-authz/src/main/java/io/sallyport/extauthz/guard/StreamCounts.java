package io.sallyport.extauthz.guard;

import io.sallyport.base.Reason;
import io.sallyport.base.audit.ReasonCounts;
import java.util.Map;
import java.util.concurrent.atomic.LongAdder;

/** What went through all streams, and how they ended. */
public final class StreamCounts {
    private final LongAdder pieces = new LongAdder();
    private final LongAdder messages = new LongAdder();
    private final LongAdder bytes = new LongAdder();
    private final LongAdder ordinary = new LongAdder();
    private final ReasonCounts ended = new ReasonCounts();

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
        ended.count(reason);
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
        return ended.soFar();
    }
}
