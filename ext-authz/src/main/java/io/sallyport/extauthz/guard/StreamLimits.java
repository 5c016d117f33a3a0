package io.sallyport.extauthz.guard;

import java.time.Duration;
import java.util.Optional;

/**
 * How much of this process streams may take.
 *
 * @param perSandbox streams of one sandbox at a time
 * @param total streams at a time
 * @param unfinished bytes of messages that have begun and not ended, of all streams; a sandbox may have a quarter of them
 * @param maxAge how long a stream may live, if there is a bound
 */
public record StreamLimits(int perSandbox, int total, int unfinished, Optional<Duration> maxAge) {
    /** Bytes of messages that have begun and not ended, of one sandbox. */
    public int unfinishedPerSandbox() {
        return unfinished / 4;
    }
}
