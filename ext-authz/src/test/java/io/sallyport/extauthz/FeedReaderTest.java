package io.sallyport.extauthz;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.Timestamp;
import io.sallyport.api.feed.v1.WatchResponse;
import io.sallyport.api.registry.v1.Revocation;
import io.sallyport.api.registry.v1.Sandbox;
import io.sallyport.api.registry.v1.SandboxState;
import io.sallyport.extauthz.Freshness.WhenStale;
import io.sallyport.extauthz.SandboxRecord.State;
import io.sallyport.identity.Lineage;
import io.sallyport.identity.SandboxClaims;
import io.sallyport.identity.SandboxId;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class FeedReaderTest {
    private static final SandboxId ALPHA = new SandboxId("alpha-id");
    private static final Duration MAX = Duration.ofMinutes(5);

    private final TestTime time = new TestTime();
    private final FakeRecords source =
            new FakeRecords().with(new SandboxRecord("alpha-id", "default", "alpha", State.ACTIVE, 5));
    private final Revocations revocations = new Revocations();
    private final SandboxRecords records = new SandboxRecords(source, time);
    private final Freshness freshness = new Freshness(MAX, WhenStale.DENY, time, time);
    private final FeedReader reader = new FeedReader(revocations, records, freshness);

    @Test
    void aWholeInPagesCountsOnceItIsComplete() throws Exception {
        long number = freshness.ask();
        assertThat(reader.take(reset().addRevocations(Revoked.of("token", "one", TestTime.START))
                        .build()))
                .isFalse();
        assertThat(reader.take(revoking("two").build())).isFalse();
        assertThat(revoked("one")).isFalse();
        assertThat(freshness.admits()).isFalse();
        assertThat(reader.cursor()).isEmpty();
        assertThat(reader.take(complete("s1:3", number).build())).isTrue();
        assertThat(revoked("one")).isTrue();
        assertThat(revoked("two")).isTrue();
        assertThat(freshness.admits()).isTrue();
        assertThat(reader.cursor()).isEqualTo("s1:3");
    }

    @Test
    void changesCountAtOnceAndTwiceIsOnce() throws Exception {
        begin();
        records.find(ALPHA);
        for (int i = 0; i < 2; i++) {
            assertThat(reader.take(revoking("one")
                            .addSandboxes(alpha(SandboxState.SANDBOX_STATE_STOPPED, 6))
                            .build()))
                    .isFalse();
            assertThat(revoked("one")).isTrue();
            assertThat(state()).isEqualTo(State.STOPPED);
            assertThat(reader.cursor()).as("resumes where it was complete").isEqualTo("s1:1");
        }
        reader.take(complete("s1:6", freshness.ask()).build());
        assertThat(reader.cursor()).isEqualTo("s1:6");
        assertThat(revocations.size()).isEqualTo(1);
    }

    /** Only a complete answer has a place to resume at. */
    @Test
    void aPlaceInHalfAnAnswerIsNone() throws Exception {
        begin();
        assertThat(reader.take(revoking("one").setCursor("s1:9").build())).isFalse();
        assertThat(reader.cursor()).isEqualTo("s1:1");
    }

    /** Our own clock may be days ahead for a while: what was forgotten then would pass once it is right again. */
    @Test
    void aRevocationIsOverByTheIssuersClockAlone() throws Exception {
        begin();
        Instant end = TestTime.START.plusSeconds(3600);
        reader.take(WatchResponse.newBuilder()
                .addRevocations(Revoked.of("token", "one", TestTime.START, end))
                .build());
        time.advance(Duration.ofDays(30));
        reader.take(complete("s1:2", freshness.ask()).build());
        assertThat(revoked("one")).as("an issuer that does not tell the time").isTrue();
        reader.take(completeAt("s1:2", end).build());
        assertThat(revoked("one")).isTrue();
        reader.take(
                completeAt("s1:2", end.plusSeconds(FeedReader.EXPIRE_SECONDS)).build());
        assertThat(revoked("one")).isFalse();
    }

    private WatchResponse.Builder completeAt(String cursor, Instant now) {
        return complete(cursor, freshness.ask()).setNow(Timestamp.newBuilder().setSeconds(now.getEpochSecond()));
    }

    @Test
    void aWholeThatBreaksOffChangesNothing() throws Exception {
        begin();
        reader.take(revoking("old").build());
        records.find(ALPHA);
        reader.take(reset().addRevocations(Revoked.of("token", "new", TestTime.START))
                .build());
        reader.begin(); // another stream
        assertThat(revoked("old")).isTrue();
        assertThat(revoked("new")).isFalse();
        assertThat(state()).isEqualTo(State.ACTIVE);
        assertThat(reader.cursor()).isEqualTo("s1:1");
        // What the next stream says are changes again, and not the rest of the whole.
        reader.take(revoking("next").build());
        assertThat(revoked("next")).isTrue();
        assertThat(revoked("old")).isTrue();
        reader.take(complete("s1:9", freshness.ask()).build());
        assertThat(revoked("new")).isFalse();
    }

    /** Another store: what it does not say is no more, and what was known of sandboxes is asked for anew. */
    @Test
    void aResetTakesThePlaceOfEverything() throws Exception {
        begin();
        reader.take(revoking("old").build());
        records.find(ALPHA);
        reader.take(reset().addRevocations(Revoked.of("token", "new", TestTime.START))
                .build());
        assertThat(revoked("old")).as("until the whole is there").isTrue();
        reader.take(complete("s2:1", freshness.ask()).build());
        assertThat(revoked("old")).isFalse();
        assertThat(revoked("new")).isTrue();
        assertThat(records.remembered(ALPHA)).isNull();
        assertThat(reader.resets()).isEqualTo(2);
        // Lower versions are new now.
        source.with(new SandboxRecord("alpha-id", "default", "alpha", State.DELETED, 1));
        records.find(ALPHA);
        assertThat(state()).isEqualTo(State.DELETED);
    }

    @Test
    void aResetInTheMiddleOfAWholeBeginsItAgain() throws Exception {
        reader.take(reset().addRevocations(Revoked.of("token", "one", TestTime.START))
                .build());
        reader.take(reset().addRevocations(Revoked.of("token", "two", TestTime.START))
                .build());
        reader.take(complete("s1:1", freshness.ask()).build());
        assertThat(revoked("one")).isFalse();
        assertThat(revoked("two")).isTrue();
    }

    @Test
    void onlyCompleteAnswersMakeFresh() throws Exception {
        begin();
        time.advance(MAX.plusMillis(1));
        long number = freshness.ask();
        reader.take(revoking("one").setStamp(number).build());
        assertThat(freshness.admits()).isFalse();
        reader.take(complete("s1:2", number).build());
        assertThat(freshness.admits()).isTrue();
    }

    /** A hundred answers lay in a socket while we slept: they are as old as the number that they echo. */
    @Test
    void aBacklogMakesNothingFresh() throws Exception {
        begin();
        long number = freshness.ask();
        time.advance(MAX.plusMillis(1));
        for (int i = 0; i < 100; i++) {
            reader.take(complete("s1:" + i, number).build());
        }
        assertThat(freshness.admits()).isFalse();
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"changes first", "no cursor", "a revocation of nothing", "a record without state", "a bad id"})
    void whatCannotBeRightIsNotTakenIn(String what) throws Exception {
        WatchResponse message = switch (what) {
            case "changes first" -> complete("s1:1", freshness.ask()).build();
            case "no cursor" -> {
                begin();
                yield complete("", freshness.ask()).build();
            }
            case "a revocation of nothing" ->
                reset().addRevocations(Revocation.getDefaultInstance()).build();
            case "a record without state" ->
                reset().addSandboxes(alpha(SandboxState.SANDBOX_STATE_UNSPECIFIED, 1))
                        .build();
            default ->
                reset().addSandboxes(Sandbox.newBuilder().setId("a b").setState(SandboxState.SANDBOX_STATE_ACTIVE))
                        .build();
        };
        assertThatThrownBy(() -> reader.take(message)).isInstanceOf(FeedBrokenException.class);
    }

    private void begin() throws FeedBrokenException {
        reader.take(reset().setComplete(true)
                .setCursor("s1:1")
                .setStamp(freshness.ask())
                .build());
    }

    private boolean revoked(String jti) {
        return revocations.find(new SandboxClaims(
                        ALPHA,
                        Optional.of(jti),
                        Optional.of(new Lineage("lin", 0)),
                        TestTime.START,
                        TestTime.START.plusSeconds(60),
                        "key"))
                != null;
    }

    private State state() {
        if (records.remembered(ALPHA) instanceof RecordLookup.Found(SandboxRecord sandbox)) {
            return sandbox.state();
        }
        throw new AssertionError("not kept");
    }

    private static WatchResponse.Builder reset() {
        return WatchResponse.newBuilder().setReset(true);
    }

    private static WatchResponse.Builder revoking(String jti) {
        return WatchResponse.newBuilder().addRevocations(Revoked.of("token", jti, TestTime.START));
    }

    private static WatchResponse.Builder complete(String cursor, long stamp) {
        return WatchResponse.newBuilder().setComplete(true).setCursor(cursor).setStamp(stamp);
    }

    private static Sandbox.Builder alpha(SandboxState state, long version) {
        return Sandbox.newBuilder()
                .setId("alpha-id")
                .setWorkspace("default")
                .setName("alpha")
                .setState(state)
                .setVersion(version);
    }
}
