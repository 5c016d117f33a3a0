package io.sallyport.policy;

import io.sallyport.base.settings.Settings;
import java.time.Duration;

/**
 * The limits of a method.
 *
 * @param body largest request body of a unary call, in bytes, frame prefix included
 * @param message largest single message of a streaming call, in bytes
 * @param duration longest life of a unary call
 */
record Limits(int body, int message, Duration duration) {
    static final Limits DEFAULT = new Limits(64 << 10, 1 << 20, Duration.ofSeconds(30));

    private static final int LARGEST = 64 << 20;

    /** Reads {@code body-limit}, {@code message-limit} and {@code max-duration} where they are given. */
    static Limits read(Settings section, Limits fallback) {
        return new Limits(
                section.bytes("body-limit", fallback.body, 5, LARGEST),
                section.bytes("message-limit", fallback.message, 1, LARGEST),
                section.duration("max-duration", fallback.duration, Duration.ofMillis(100), Duration.ofHours(1)));
    }
}
