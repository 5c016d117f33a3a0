package io.sallyport.extauthz;

import static org.assertj.core.api.Assertions.assertThat;

import io.sallyport.extauthz.SandboxRecord.State;
import io.sallyport.identity.Lineage;
import io.sallyport.identity.SandboxClaims;
import io.sallyport.identity.SandboxId;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Timeout(30)
class SandboxRecordsTest {
    private static final SandboxId ALPHA = new SandboxId("alpha-id");

    private final TestTime time = new TestTime();
    private final FakeRecords source = new FakeRecords().with(alpha(State.ACTIVE, 5));
    private final SandboxRecords records = new SandboxRecords(source, time);

    @Test
    void askedOnceAndThenRemembered() {
        assertThat(records.remembered(ALPHA)).isNull();
        assertThat(stateOf(records.find(ALPHA))).isEqualTo(State.ACTIVE);
        assertThat(stateOf(records.remembered(ALPHA))).isEqualTo(State.ACTIVE);
        time.advance(Duration.ofDays(1));
        records.find(ALPHA);
        assertThat(source.asked).hasSize(1);
    }

    /** Where nobody is adopted, whoever is unknown must not be able to ask the issuer with every call. */
    @Test
    void thatNobodyIsAdoptedIsRememberedBriefly() {
        SandboxClaims token = newcomer();
        for (int i = 0; i < 10; i++) {
            assertThat(records.adopt(token)).isInstanceOf(RecordLookup.Missing.class);
        }
        assertThat(source.adoptions).hasSize(1);

        time.advance(Duration.ofSeconds(1));
        source.adopt();
        assertThat(stateOf(records.adopt(token))).isEqualTo(State.ACTIVE);
        assertThat(stateOf(records.remembered(token.sandbox()))).isEqualTo(State.ACTIVE);
    }

    private static SandboxClaims newcomer() {
        return new SandboxClaims(
                new SandboxId("newcomer-id"),
                Optional.of("jti"),
                Optional.of(new Lineage("adopted-1", 0)),
                TestTime.START,
                TestTime.START.plusSeconds(60),
                "k1");
    }

    /** A record of version 5 is kept, and then this is heard. */
    @ParameterizedTest
    @CsvSource({"6, STOPPED", "7, STOPPED", "5, ACTIVE", "4, ACTIVE"})
    void aChangeIsTakenInIfItIsNewer(long version, State expected) {
        records.find(ALPHA);
        records.changed(alpha(State.STOPPED, version));
        assertThat(stateOf(records.remembered(ALPHA))).isEqualTo(expected);
        assertThat(source.asked).hasSize(1);
    }

    @Test
    void changesThatComeInTheWrongOrderEndAsTheNewest() {
        records.find(ALPHA);
        records.changed(alpha(State.DELETED, 9));
        records.changed(alpha(State.STOPPED, 8));
        records.changed(alpha(State.DELETED, 9));
        assertThat(stateOf(records.remembered(ALPHA))).isEqualTo(State.DELETED);
    }

    /** The question has left, the issuer has read version 5, this is heard, and only then the answer comes. */
    @ParameterizedTest
    @CsvSource({"6, DELETED", "4, ACTIVE", "3, ACTIVE"})
    void anAnswerThatWasLongOnItsWayPutsNothingOlderOverAChange(long heard, State expected) {
        CompletableFuture<RecordLookup> answer = askAndHold();
        records.changed(alpha(State.DELETED, heard));
        source.release();
        assertThat(stateOf(answer.join())).isEqualTo(expected);
        assertThat(stateOf(records.remembered(ALPHA))).isEqualTo(expected);
    }

    @Test
    void ofSeveralChangesUnderWayTheNewestCounts() {
        CompletableFuture<RecordLookup> answer = askAndHold();
        records.changed(alpha(State.DELETED, 8));
        records.changed(alpha(State.STOPPED, 7));
        source.release();
        assertThat(stateOf(answer.join())).isEqualTo(State.DELETED);
        assertThat(stateOf(records.remembered(ALPHA))).isEqualTo(State.DELETED);
    }

    /** The issuer had read "no such sandbox" before it was registered. */
    @Test
    void whatIsHeardMeanwhileCountsAlsoWithoutAnAnswer() {
        source.forget("alpha-id");
        CompletableFuture<RecordLookup> missing = askAndHold();
        records.changed(alpha(State.ACTIVE, 6));
        source.release();
        assertThat(stateOf(missing.join())).isEqualTo(State.ACTIVE);
        records.forgetAll();
        source.asked.clear();
        source.unavailable("alpha-id");
        CompletableFuture<RecordLookup> failed = askAndHold();
        records.changed(alpha(State.STOPPED, 7));
        source.release();
        assertThat(stateOf(failed.join())).isEqualTo(State.STOPPED);
    }

    @Test
    void recordsOfOthersAreNotKept() {
        records.changed(alpha(State.ACTIVE, 6));
        assertThat(records.remembered(ALPHA)).isNull();
        assertThat(records.size()).isZero();
    }

    @Test
    void afterAResetNothingIsKnown() {
        records.find(ALPHA);
        source.forget("alpha-id");
        records.find(new SandboxId("nobody"));
        records.forgetAll();
        assertThat(records.remembered(ALPHA)).isNull();
        assertThat(records.remembered(new SandboxId("nobody"))).isNull();
        assertThat(records.find(ALPHA)).isInstanceOf(RecordLookup.Missing.class);
    }

    /** Versions of another store mean nothing here, so an answer from before must not be kept, whatever it says. */
    @Test
    void anAnswerFromBeforeAResetIsNotKept() {
        CompletableFuture<RecordLookup> before = askAndHold();
        records.forgetAll();
        CompletableFuture<RecordLookup> after = CompletableFuture.supplyAsync(() -> records.find(ALPHA));
        while (source.asked.size() < 2) {
            Thread.onSpinWait();
        }
        source.with(alpha(State.STOPPED, 1));
        source.release();
        assertThat(before.join()).isInstanceOf(RecordLookup.Unavailable.class);
        assertThat(stateOf(after.join())).isEqualTo(State.STOPPED);
        assertThat(stateOf(records.remembered(ALPHA))).isEqualTo(State.STOPPED);
    }

    @Test
    void oneQuestionAtATimeForASandbox() {
        CompletableFuture<RecordLookup> first = askAndHold();
        CompletableFuture<RecordLookup> second = CompletableFuture.supplyAsync(() -> records.find(ALPHA));
        source.with(alpha(State.STOPPED, 6));
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
    void anUnknownIdThatIsRegisteredIsAskedForAtOnce() {
        SandboxId nobody = new SandboxId("nobody");
        assertThat(records.find(nobody)).isInstanceOf(RecordLookup.Missing.class);
        source.with("nobody", "default", "nobody", State.ACTIVE);
        records.changed(source.get("nobody"));
        assertThat(stateOf(records.find(nobody))).isEqualTo(State.ACTIVE);
    }

    @Test
    void whatCannotBeToldIsNotRemembered() {
        source.unavailable("alpha-id");
        assertThat(records.find(ALPHA)).isInstanceOf(RecordLookup.Unavailable.class);
        source.with(alpha(State.ACTIVE, 5));
        assertThat(stateOf(records.find(ALPHA))).isEqualTo(State.ACTIVE);
    }

    @Test
    void aSourceThatBreaksIsUnavailable() {
        SandboxRecords broken = new SandboxRecords(
                _ -> {
                    throw new IllegalStateException("broken");
                },
                time);
        assertThat(broken.find(ALPHA)).isInstanceOf(RecordLookup.Unavailable.class);
        SandboxRecords failing =
                new SandboxRecords(_ -> CompletableFuture.failedFuture(new IllegalStateException("broken")), time);
        assertThat(failing.find(ALPHA)).isInstanceOf(RecordLookup.Unavailable.class);
    }

    private CompletableFuture<RecordLookup> askAndHold() {
        source.hold();
        CompletableFuture<RecordLookup> answer = CompletableFuture.supplyAsync(() -> records.find(ALPHA));
        while (source.asked.isEmpty()) {
            Thread.onSpinWait();
        }
        return answer;
    }

    private static SandboxRecord alpha(State state, long version) {
        return new SandboxRecord("alpha-id", "default", "alpha", state, version);
    }

    private static @Nullable State stateOf(@Nullable RecordLookup lookup) {
        return lookup instanceof RecordLookup.Found(SandboxRecord sandbox) ? sandbox.state() : null;
    }
}
