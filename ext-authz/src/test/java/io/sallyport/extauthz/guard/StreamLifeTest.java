package io.sallyport.extauthz.guard;

import static io.sallyport.extauthz.guard.GuardStage.LOGS;
import static io.sallyport.extauthz.guard.GuardStage.MAX_STALENESS;
import static io.sallyport.extauthz.guard.GuardStage.RELAY;
import static io.sallyport.extauthz.guard.GuardStage.SESSION;
import static io.sallyport.extauthz.guard.GuardStage.logs;
import static org.assertj.core.api.Assertions.assertThat;

import io.sallyport.base.Reason;
import io.sallyport.base.audit.AuditEvent;
import io.sallyport.extauthz.TestTime;
import io.sallyport.extauthz.guard.GuardStage.Running;
import io.sallyport.extauthz.guard.LineageSource.Answer;
import io.sallyport.identity.SandboxClaims;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** How streams end by themselves, on a clock that is moved by hand. */
class StreamLifeTest {
    private static final Duration HOUR = Duration.ofHours(1);
    private static final Duration MOMENT = Duration.ofSeconds(1);

    private final GuardStage stage = new GuardStage();
    private final StreamLife life = new StreamLife(stage.guard, stage, MAX_STALENESS, Optional.empty());

    private void after(Duration time) {
        stage.time.advance(time);
        life.look();
    }

    @ParameterizedTest
    @ValueSource(strings = {LOGS, SESSION, RELAY})
    void whatIsTakenBackEndsEveryStreamOfTheSandboxAndNoOther(String method) {
        Running one = stage.open("alpha", method);
        Running two = stage.open("alpha", RELAY);
        Running other = stage.open("beta", method);
        life.look();
        assertThat(one.ended()).isNull();

        stage.owners.put("alpha", new Owner.Barred(Reason.TOKEN_REVOKED, "the token is revoked"));
        life.look();

        assertThat(one.ended()).isEqualTo(Reason.TOKEN_REVOKED);
        assertThat(two.ended()).isEqualTo(Reason.TOKEN_REVOKED);
        assertThat(one.envoy.grpcStatus()).isEqualTo(16);
        assertThat(other.envoy.ended).isNull();
        assertThat(stage.streams.size()).isEqualTo(1);
    }

    /** The client is done sending, and only listens. */
    @Test
    void aHalfClosedStreamIsCutToo() {
        Running running =
                stage.open("alpha", LOGS).piece(GuardStage.frame(logs("alpha").toByteArray()), true);
        stage.owners.put("alpha", new Owner.Barred(Reason.SANDBOX_DELETED, ""));
        life.look();

        assertThat(running.ended()).isEqualTo(Reason.SANDBOX_DELETED);
    }

    @Test
    void aStreamOutlivesItsTokenWithItsLineage() {
        Running running = stage.open("alpha", SESSION);
        after(HOUR.plus(GuardStage.LEEWAY));
        assertThat(stage.lineagesAsked).isEmpty();

        Instant next = TestTime.START.plus(HOUR.multipliedBy(2));
        stage.lineage = GuardStage.newest(next);
        after(MOMENT);
        assertThat(stage.lineagesAsked).containsExactly("alpha lin-alpha 3");
        after(HOUR.minus(MOMENT));
        assertThat(stage.lineagesAsked).hasSize(1);

        after(MOMENT);
        assertThat(stage.lineagesAsked).hasSize(2);
        assertThat(running.ended()).isEqualTo(Reason.TOKEN_EXPIRED);
        assertThat(running.envoy.grpcStatus()).isEqualTo(16);
    }

    @Test
    void aTokenWithoutEndIsNotAskedAfterAndOneWithoutEndLaterEndsNothing() {
        Running endless = stage.new Running(GuardStage.token("alpha", Instant.MAX), LOGS).begin();
        Running renewed = stage.open("beta", LOGS);
        stage.lineage = GuardStage.newest(Instant.MAX);
        after(HOUR.plus(GuardStage.LEEWAY).plus(MOMENT));
        after(Duration.ofDays(365));

        assertThat(stage.lineagesAsked).hasSize(1);
        assertThat(endless.envoy.ended).isNull();
        assertThat(renewed.envoy.ended).isNull();
    }

    @Test
    void aLineageThatDoesNotLiveOn() {
        record Case(Answer answer, Reason reason) {}
        for (Case each : List.of(
                new Case(GuardStage.newest(TestTime.START), Reason.TOKEN_EXPIRED),
                new Case(new Answer.Revoked(), Reason.TOKEN_REVOKED),
                new Case(new Answer.Unknown(), Reason.TOKEN_EXPIRED))) {
            GuardStage another = new GuardStage();
            StreamLife its = new StreamLife(another.guard, another, MAX_STALENESS, Optional.empty());
            Running running = another.open("alpha", RELAY);
            another.lineage = each.answer();
            another.time.advance(HOUR.plus(GuardStage.LEEWAY).plus(MOMENT));
            its.look();
            assertThat(running.ended()).isEqualTo(each.reason());
        }
    }

    /** A stream lives by one token after the other: by its own to its end, then by the newest of its lineage. */
    @Test
    void aStreamEndsWithTheTokenThatItLivesBy() {
        Running byTheFirst = stage.open("alpha", RELAY);
        stage.revoked.add("jti-newest");
        life.look();
        assertThat(byTheFirst.envoy.ended).isNull();

        stage.revoked.clear();
        stage.lineage = GuardStage.newest(Instant.MAX);
        after(HOUR.plus(GuardStage.LEEWAY).plus(MOMENT));
        Running ofAnother = stage.new Running(GuardStage.token("alpha", Instant.MAX), LOGS).begin();
        life.look();
        assertThat(byTheFirst.envoy.ended).isNull();
        stage.revoked.add("jti-newest");
        life.look();

        assertThat(byTheFirst.ended()).isEqualTo(Reason.TOKEN_REVOKED);
        assertThat(stage.audited.getLast().detail()).contains("jti-newest");
        assertThat(ofAnother.envoy.ended).isNull();
        // Its own still counts too.
        stage.revoked.add("jti-alpha");
        life.look();
        assertThat(ofAnother.ended()).isEqualTo(Reason.TOKEN_REVOKED);
    }

    @Test
    void anIssuerThatIsAwayIsAskedAgainAndThenItIsEnough() {
        Running running = stage.open("alpha", RELAY);
        stage.lineage = new Answer.Unavailable("away");
        after(HOUR.plus(GuardStage.LEEWAY).plus(MOMENT));
        int looks = 0;
        for (Duration passed = MOMENT; passed.compareTo(MAX_STALENESS) < 0; passed = passed.plusMillis(250)) {
            assertThat(running.envoy.ended).isNull();
            after(Duration.ofMillis(250));
            looks++;
        }
        after(MOMENT);

        assertThat(running.ended()).isEqualTo(Reason.TOKEN_EXPIRED);
        // Less and less often: every five seconds in the end.
        assertThat(stage.lineagesAsked.size()).isBetween(50, looks / 10);
    }

    @Test
    void anIssuerThatComesBackInTime() {
        Running running = stage.open("alpha", RELAY);
        stage.lineage = new Answer.Unavailable("away");
        after(HOUR.plus(GuardStage.LEEWAY).plus(MOMENT));
        stage.lineage = GuardStage.newest(Instant.MAX);
        after(Questions.LONGEST_WAIT);
        after(MAX_STALENESS);

        assertThat(running.envoy.ended).isNull();
    }

    @Test
    void oneQuestionForAllStreamsOfALineageAndNoFlood() {
        List<Running> all = new ArrayList<>();
        for (int i = 0; i < 200; i++) {
            all.add(stage.open("sandbox-" + i, RELAY));
            all.add(stage.open("sandbox-" + i, LOGS));
        }
        after(HOUR.plus(GuardStage.LEEWAY).plus(MOMENT));
        after(MOMENT);
        assertThat(stage.lineagesAsked).hasSize(32).doesNotHaveDuplicates();

        // Each answer makes room for the next.
        while (!stage.lineagesOpen.isEmpty()) {
            assertThat(stage.lineagesOpen).hasSizeLessThanOrEqualTo(32);
            stage.lineagesOpen.removeFirst().complete(GuardStage.newest(Instant.MAX));
        }
        assertThat(stage.lineagesAsked).hasSize(200).doesNotHaveDuplicates();
        after(HOUR);
        assertThat(stage.lineagesAsked).hasSize(200);
        assertThat(all).allMatch(running -> running.envoy.ended == null);
    }

    /** After the feed began anew, records are not known: asked for, and meanwhile nothing ends. */
    @Test
    void anOwnerThatIsNotKnownAnyMoreIsAskedForOnce() {
        Running running = stage.open("alpha", RELAY);
        stage.open("alpha", LOGS);
        stage.owners.put("alpha", new Owner.Unsure("not known yet"));
        life.look();
        life.look();
        assertThat(stage.ownersAsked).hasSize(1);
        assertThat(running.envoy.ended).isNull();

        stage.owners.put("alpha", new Owner.Barred(Reason.SANDBOX_DELETED, ""));
        stage.ownersAsked.removeFirst().complete(new Owner.Barred(Reason.SANDBOX_DELETED, ""));
        life.look();
        assertThat(running.ended()).isEqualTo(Reason.SANDBOX_DELETED);
    }

    @Test
    void noStreamIsOlderThanItMayBe() {
        StreamLife bounded = new StreamLife(stage.guard, stage, MAX_STALENESS, Optional.of(Duration.ofMinutes(10)));
        Running old = stage.open("alpha", RELAY);
        stage.time.advance(Duration.ofMinutes(10));
        Running young = stage.open("alpha", RELAY);
        bounded.look();
        assertThat(old.envoy.ended).isNull();
        stage.time.advance(MOMENT);
        bounded.look();

        assertThat(old.ended()).isEqualTo(Reason.STREAM_TOO_OLD);
        assertThat(young.envoy.ended).isNull();
    }

    /** What goes wrong ends the stream that it went wrong with; the others are looked at all the same. */
    @Test
    void aFailureEndsItsStreamAlone() {
        Running broken = stage.new Running(GuardStage.token("alpha", TestTime.START.plus(HOUR)), RELAY).begin();
        Running other = stage.open("beta", RELAY);
        Guard failing = new Guard(
                stage.policy,
                GuardStage.LEEWAY,
                new FailingFor("alpha", stage),
                stage.streams,
                stage.counts,
                stage.audited::add,
                stage.time,
                stage.time);
        new StreamLife(failing, stage, MAX_STALENESS, Optional.empty()).look();

        assertThat(broken.ended()).isEqualTo(Reason.INTERNAL);
        assertThat(other.envoy.ended).isNull();
    }

    /** An error in a question ends no looking: an exception out of a look would be the last one. */
    @Test
    void anErrorInAQuestionEndsNoLooking() {
        Running asked = stage.open("alpha", RELAY);
        Running other = stage.new Running(GuardStage.token("beta", Instant.MAX), RELAY).begin();
        StreamLife failing = new StreamLife(
                stage.guard,
                (_, _) -> {
                    throw new LinkageError("broken");
                },
                MAX_STALENESS,
                Optional.empty());
        stage.time.advance(HOUR.plus(GuardStage.LEEWAY).plus(MOMENT));
        failing.look();
        assertThat(asked.envoy.ended).isNull();

        stage.owners.put("beta", new Owner.Barred(Reason.TOKEN_REVOKED, ""));
        failing.look();
        assertThat(other.ended()).isEqualTo(Reason.TOKEN_REVOKED);
        stage.time.advance(MAX_STALENESS);
        failing.look();
        assertThat(asked.ended()).isEqualTo(Reason.TOKEN_EXPIRED);
    }

    /** Streams that nobody could look at are not left to themselves, and the next look is as any other. */
    @Test
    void aLookThatFailsAsAWholeEndsAllStreams() {
        Running one = stage.open("alpha", RELAY);
        Running two = stage.open("beta", LOGS);
        AtomicBoolean broken = new AtomicBoolean(true);
        Guard failing = new Guard(
                stage.policy,
                GuardStage.LEEWAY,
                stage,
                stage.streams,
                stage.counts,
                stage.audited::add,
                () -> {
                    if (broken.getAndSet(false)) {
                        throw new LinkageError("broken");
                    }
                    return stage.time.instant();
                },
                stage.time);
        StreamLife its = new StreamLife(failing, stage, MAX_STALENESS, Optional.empty());
        its.look();
        assertThat(stage.audited).extracting(AuditEvent::reason).containsExactly(Reason.INTERNAL, Reason.INTERNAL);
        assertThat(List.of(one, two)).allMatch(running -> running.envoy.ended != null);

        Running next = stage.open("alpha", LOGS);
        stage.owners.put("alpha", new Owner.Barred(Reason.SANDBOX_STOPPED, ""));
        its.look();
        assertThat(next.ended()).isEqualTo(Reason.SANDBOX_STOPPED);
    }

    private record FailingFor(String id, Owners others) implements Owners {
        @Override
        public Owner remembered(SandboxClaims token) {
            if (token.sandbox().value().equals(id)) {
                throw new IllegalStateException("broken");
            }
            return others.remembered(token);
        }

        @Override
        public CompletableFuture<Owner> ask(SandboxClaims token) {
            return others.ask(token);
        }
    }
}
