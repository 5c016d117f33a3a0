package io.sallyport.extauthz;

import static org.assertj.core.api.Assertions.assertThat;

import io.sallyport.extauthz.Freshness.WhenStale;
import java.time.Duration;
import java.time.Instant;
import org.junit.jupiter.api.Test;

class FreshnessTest {
    private static final Duration MAX = Duration.ofMinutes(5);

    private final TestTime time = new TestTime();
    private final Freshness freshness = new Freshness(MAX, WhenStale.DENY, time, time);

    @Test
    void nothingIsKnownAtFirst() {
        assertThat(freshness.admits()).isFalse();
        assertThat(freshness.isFresh()).isFalse();
        assertThat(freshness.describe()).contains("since the start");
        freshness.ask();
        assertThat(freshness.admits()).isFalse();
        assertThat(new Freshness(MAX, WhenStale.SERVE, time, time).admits())
                .as("going on needs something to go on with")
                .isFalse();
    }

    @Test
    void anAnswerIsAsOldAsTheNumberItEchoes() {
        long number = freshness.ask();
        time.advance(Duration.ofSeconds(200)); // long on its way, or waiting behind a backlog of ours
        assertThat(freshness.answered(number)).isTrue();
        assertThat(freshness.staleness()).isEqualTo(Duration.ofSeconds(200));
        time.advance(Duration.ofSeconds(100));
        assertThat(freshness.admits()).isTrue();
        time.advance(Duration.ofMillis(1));
        assertThat(freshness.admits()).isFalse();
    }

    @Test
    void anotherNumberSaysNothing() {
        long first = freshness.ask();
        assertThat(freshness.ask()).as("one is under way").isEqualTo(first);
        long second = freshness.askAnew();
        assertThat(freshness.answered(first)).isFalse();
        assertThat(freshness.answered(0)).isFalse();
        assertThat(freshness.answered(second + 1)).isFalse();
        assertThat(freshness.admits()).isFalse();
        assertThat(freshness.answered(second)).isTrue();
        assertThat(freshness.admits()).isTrue();
    }

    @Test
    void whoServesWhenStaleGoesOnAndKnowsIt() {
        Freshness serving = new Freshness(MAX, WhenStale.SERVE, time, time);
        serving.answered(serving.ask());
        time.advance(MAX.plusMillis(1));
        assertThat(serving.isFresh()).isFalse();
        assertThat(serving.admits()).isTrue();
        assertThat(serving.describe()).contains("300 s");
    }

    /** The monotonic clock stands still while a machine sleeps. */
    @Test
    void aSleepingMachineAges() {
        Instant[] wall = {TestTime.START};
        Freshness asleep = new Freshness(MAX, WhenStale.DENY, time, () -> wall[0]);
        asleep.answered(asleep.ask());
        wall[0] = TestTime.START.plus(MAX);
        assertThat(asleep.admits()).isTrue();
        wall[0] = wall[0].plusMillis(1);
        assertThat(asleep.admits()).isFalse();
        wall[0] = TestTime.START.minus(Duration.ofDays(9));
        assertThat(asleep.admits()).isTrue();
        time.advance(MAX.plusNanos(1));
        assertThat(asleep.admits())
                .as("a wall clock that is set back makes nothing young")
                .isFalse();
        wall[0] = Instant.ofEpochMilli(Long.MAX_VALUE / 2);
        assertThat(asleep.admits()).isFalse();
    }
}
