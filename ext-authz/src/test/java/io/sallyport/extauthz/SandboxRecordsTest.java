package io.sallyport.extauthz;

import static org.assertj.core.api.Assertions.assertThat;

import io.sallyport.extauthz.SandboxRecord.State;
import io.sallyport.identity.SandboxId;
import java.time.Duration;
import java.util.ArrayDeque;
import java.util.Queue;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

class SandboxRecordsTest {
    private static final SandboxId ALPHA = new SandboxId("alpha-id");
    private static final Duration TTL = Duration.ofSeconds(4);

    private final TestTime time = new TestTime();
    private final FakeRecords source = new FakeRecords().with("alpha-id", "default", "alpha", State.ACTIVE);
    private final Queue<Runnable> background = new ArrayDeque<>();
    private final SandboxRecords records = new SandboxRecords(source, TTL, background::add, time);

    @Test
    void askedOnceAndThenRemembered() {
        assertThat(records.remembered(ALPHA)).isNull();
        assertThat(stateOf(records.find(ALPHA))).isEqualTo(State.ACTIVE);
        assertThat(stateOf(records.remembered(ALPHA))).isEqualTo(State.ACTIVE);
        records.find(ALPHA);
        assertThat(source.asked).hasSize(1);
    }

    @Test
    void neverBelievedLongerThanItsTime() {
        records.find(ALPHA);
        source.unavailable("alpha-id");
        time.advance(TTL.minusNanos(1));
        assertThat(stateOf(records.remembered(ALPHA))).isEqualTo(State.ACTIVE);
        time.advance(Duration.ofNanos(1));
        assertThat(records.remembered(ALPHA)).isNull();
        assertThat(records.find(ALPHA)).isInstanceOf(RecordLookup.Unavailable.class);
    }

    @Test
    void itsTimeBeginsWhenTheQuestionLeaves() {
        source.hold();
        CompletableFuture<RecordLookup> answer = CompletableFuture.supplyAsync(() -> records.find(ALPHA));
        while (source.asked.isEmpty()) {
            Thread.onSpinWait();
        }
        time.advance(TTL);
        source.release();
        assertThat(stateOf(answer.join())).isEqualTo(State.ACTIVE);
        assertThat(records.remembered(ALPHA)).as("as old as its question").isNull();
    }

    @Test
    void aBusySandboxIsRefreshedBesideItsCalls() {
        records.find(ALPHA);
        source.with("alpha-id", "default", "alpha", State.STOPPED);
        time.advance(TTL.dividedBy(2));
        assertThat(stateOf(records.remembered(ALPHA))).as("not waited for").isEqualTo(State.ACTIVE);
        assertThat(stateOf(records.remembered(ALPHA))).isEqualTo(State.ACTIVE);
        assertThat(background).as("one question, however many callers").hasSize(1);
        background.remove().run();
        assertThat(stateOf(records.remembered(ALPHA))).isEqualTo(State.STOPPED);
        time.advance(TTL.dividedBy(2).minusMillis(1));
        assertThat(stateOf(records.remembered(ALPHA))).isEqualTo(State.STOPPED);
        assertThat(source.asked).hasSize(2);
    }

    @Test
    void aFailedRefreshIsTriedAgainAndProlongsNothing() {
        records.find(ALPHA);
        source.unavailable("alpha-id");
        time.advance(TTL.dividedBy(2));
        records.remembered(ALPHA);
        background.remove().run();
        records.remembered(ALPHA);
        assertThat(background).as("not at once").isEmpty();
        time.advance(Duration.ofMillis(250));
        assertThat(stateOf(records.remembered(ALPHA))).isEqualTo(State.ACTIVE);
        assertThat(background).hasSize(1);
        background.remove().run();
        time.advance(TTL.dividedBy(2));
        assertThat(records.remembered(ALPHA)).isNull();
    }

    @Test
    void oneQuestionAtATimeForASandbox() {
        source.hold();
        CompletableFuture<RecordLookup> first = CompletableFuture.supplyAsync(() -> records.find(ALPHA));
        while (source.asked.isEmpty()) {
            Thread.onSpinWait();
        }
        CompletableFuture<RecordLookup> second = CompletableFuture.supplyAsync(() -> records.find(ALPHA));
        source.with("alpha-id", "default", "alpha", State.STOPPED);
        source.release();
        assertThat(stateOf(first.join())).isEqualTo(State.STOPPED);
        assertThat(stateOf(second.join())).isEqualTo(State.STOPPED);
        assertThat(source.asked).hasSize(1);
    }

    @Test
    void anUnknownIdIsRememberedBriefly() {
        SandboxId nobody = new SandboxId("nobody");
        for (int i = 0; i < 100; i++) {
            assertThat(records.find(nobody)).isInstanceOf(RecordLookup.Missing.class);
        }
        assertThat(source.asked).hasSize(1);
        source.with("nobody", "default", "nobody", State.ACTIVE);
        time.advance(Duration.ofSeconds(1));
        assertThat(stateOf(records.find(nobody))).isEqualTo(State.ACTIVE);
    }

    @Test
    void whatCannotBeToldIsNotRemembered() {
        source.unavailable("alpha-id");
        assertThat(records.find(ALPHA)).isInstanceOf(RecordLookup.Unavailable.class);
        source.with("alpha-id", "default", "alpha", State.ACTIVE);
        assertThat(stateOf(records.find(ALPHA))).isEqualTo(State.ACTIVE);
    }

    @Test
    void aSourceThatBreaksIsUnavailable() {
        SandboxRecords broken = new SandboxRecords(
                _ -> {
                    throw new IllegalStateException("broken");
                },
                TTL,
                background::add,
                time);
        assertThat(broken.find(ALPHA)).isInstanceOf(RecordLookup.Unavailable.class);
        SandboxRecords failing = new SandboxRecords(
                _ -> CompletableFuture.failedFuture(new IllegalStateException("broken")), TTL, background::add, time);
        assertThat(failing.find(ALPHA)).isInstanceOf(RecordLookup.Unavailable.class);
    }

    private static @Nullable State stateOf(@Nullable RecordLookup lookup) {
        return lookup instanceof RecordLookup.Found(SandboxRecord sandbox) ? sandbox.state() : null;
    }
}
