package io.sallyport.extauthz;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import org.junit.jupiter.api.Test;

class ConnectionFailuresTest {
    private final TestTime time = new TestTime();
    private final ConnectionFailures failures = new ConnectionFailures(3, Duration.ofMinutes(1), time);

    @Test
    void countsEachConnectionForItself() {
        for (int i = 0; i < 3; i++) {
            assertThat(failures.tooMany("10.0.0.1:1")).isFalse();
            failures.count("10.0.0.1:1");
        }
        assertThat(failures.tooMany("10.0.0.1:1")).isTrue();
        assertThat(failures.tooMany("10.0.0.1:2")).isFalse();
    }

    @Test
    void forgetsAfterThePeriod() {
        for (int i = 0; i < 3; i++) {
            failures.count("10.0.0.1:1");
        }
        time.advance(Duration.ofMinutes(1));
        assertThat(failures.tooMany("10.0.0.1:1")).isFalse();
    }

    @Test
    void connectionsWithoutAnAddressShareNoCount() {
        for (int i = 0; i < 10; i++) {
            failures.count("");
        }
        assertThat(failures.tooMany("")).isFalse();
    }
}
