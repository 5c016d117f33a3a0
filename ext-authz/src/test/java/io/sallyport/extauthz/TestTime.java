package io.sallyport.extauthz;

import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.function.LongSupplier;

/** A clock that moves only when told, as wall time and as nanoseconds. */
public final class TestTime implements InstantSource, LongSupplier {
    public static final Instant START = Instant.parse("2026-11-24T12:00:00Z");

    private volatile Instant now = START;

    /** Moves on. */
    public synchronized void advance(Duration by) {
        now = now.plus(by);
    }

    @Override
    public Instant instant() {
        return now;
    }

    @Override
    public long getAsLong() {
        return Duration.between(START, now).toNanos();
    }
}
