package io.sallyport.issuer.service;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.StreamObserver;
import io.sallyport.base.Reason;
import io.sallyport.base.RejectedException;
import io.sallyport.identity.SandboxId;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;

/** One sandbox asks as often as it may, whatever the others do; and it always comes back. */
class SandboxLimitsTest {
    private static final SandboxId ALPHA = new SandboxId("alpha");
    private static final SandboxId BETA = new SandboxId("beta");

    // Near the end of the range: a monotonic clock may overflow.
    private final AtomicLong nanos = new AtomicLong(Long.MAX_VALUE - 5);
    private final SandboxLimits limits = limits(30, 10, 100, 10_000);

    private SandboxLimits limits(int perMinute, int burst, int concurrent, int sandboxes) {
        return new SandboxLimits(new SandboxLimits.Rates(perMinute, burst, concurrent), nanos::get, sandboxes);
    }

    private void after(Duration time) {
        nanos.addAndGet(time.toNanos());
    }

    /** What a refusal says: the reason, and when to come back in milliseconds. */
    private record Refusal(Reason reason, @Nullable String retryAfter) {}

    /** Enters and stays; null when it was let in. */
    private @Nullable Refusal enter(SandboxLimits to, SandboxId id, List<SandboxLimits.Permit> permits) {
        List<Reason> reasons = new ArrayList<>();
        List<StatusRuntimeException> statuses = new ArrayList<>();
        new Calls(event -> reasons.add(event.reason()), () -> Instant.EPOCH, () -> 0, () -> {})
                .answer("p.S/M", "anonymous", new Statuses(statuses), call -> {
                    permits.add(to.enter(id, call));
                    return "in";
                });
        if (reasons.isEmpty()) {
            return null;
        }
        Metadata trailers = statuses.getFirst().getTrailers();
        return new Refusal(reasons.getFirst(), trailers == null ? null : trailers.get(Calls.RETRY_AFTER));
    }

    private record Statuses(List<StatusRuntimeException> failures) implements StreamObserver<String> {
        @Override
        public void onNext(String value) {}

        @Override
        public void onError(Throwable failure) {
            failures.add((StatusRuntimeException) failure);
        }

        @Override
        public void onCompleted() {}
    }

    private @Nullable Refusal visit(SandboxLimits to, SandboxId id) {
        List<SandboxLimits.Permit> permits = new ArrayList<>();
        Refusal refusal = enter(to, id, permits);
        permits.forEach(SandboxLimits.Permit::close);
        return refusal;
    }

    @Test
    void aBurstAndThenThirtyAMinute() {
        for (int i = 0; i < 10; i++) {
            assertThat(visit(limits, ALPHA)).as("of the burst").isNull();
        }
        assertThat(visit(limits, ALPHA)).isEqualTo(new Refusal(Reason.TOO_MANY_REFRESHES, "2000"));
        assertThat(visit(limits, BETA)).as("another's bucket").isNull();

        after(Duration.ofMillis(1_500));
        assertThat(visit(limits, ALPHA)).isEqualTo(new Refusal(Reason.TOO_MANY_REFRESHES, "500"));
        after(Duration.ofMillis(500));
        assertThat(visit(limits, ALPHA)).as("who comes when told to is let in").isNull();
        assertThat(visit(limits, ALPHA)).as("once").isNotNull();
    }

    @Test
    void whoNeverStopsAskingIsStillLetInAsOftenAsAnybody() {
        int letIn = 0;
        for (int millis = 0; millis < 60_000; millis += 10) {
            if (visit(limits, ALPHA) == null) {
                letIn++;
            }
            after(Duration.ofMillis(10));
        }
        assertThat(letIn).isEqualTo(10 + 29);
    }

    @Test
    void aPauseGivesTheBurstBackAndNoMore() {
        visit(limits, ALPHA);
        after(Duration.ofDays(3));
        int letIn = 0;
        while (visit(limits, ALPHA) == null) {
            letIn++;
        }
        assertThat(letIn).isEqualTo(10);
    }

    @Test
    void oneSandboxHasOnlySoManyUnderWay() {
        SandboxLimits few = limits(1_000, 1_000, 2, 10);
        List<SandboxLimits.Permit> permits = new ArrayList<>();
        assertThat(enter(few, ALPHA, permits)).isNull();
        assertThat(enter(few, ALPHA, permits)).isNull();
        assertThat(enter(few, ALPHA, permits)).isEqualTo(new Refusal(Reason.TOO_MANY_REFRESHES, "1000"));
        assertThat(enter(few, BETA, permits)).isNull();

        permits.getFirst().close();
        assertThat(enter(few, ALPHA, permits)).isNull();
    }

    @Test
    void whatIsRememberedIsBoundedAndNobodyIsForgottenToEscape() {
        SandboxLimits small = limits(1, 1, 1, 4);
        for (int i = 0; i < 4; i++) {
            assertThat(visit(small, new SandboxId("s" + i))).isNull();
        }
        assertThat(visit(small, ALPHA)).isEqualTo(new Refusal(Reason.OVERLOADED, "1000"));
        for (int i = 0; i < 4; i++) {
            Refusal refusal = visit(small, new SandboxId("s" + i));
            assertThat(refusal).as("still counted").isEqualTo(new Refusal(Reason.TOO_MANY_REFRESHES, "60000"));
        }
        after(Duration.ofMinutes(1));
        assertThat(visit(small, ALPHA))
                .as("the others are full again, and forgotten")
                .isNull();
        assertThat(small.size()).isEqualTo(1);
    }

    @Test
    void sandboxesThatCameAndWentLeaveNothing() {
        for (int i = 0; i < 5_000; i++) {
            visit(limits, new SandboxId("s" + i));
            after(Duration.ofMillis(100));
        }
        assertThat(limits.size()).isLessThan(1_100);
    }

    @Test
    void aLimitBelowOneIsRefused() {
        assertThat(catchThrowableOfType(IllegalArgumentException.class, () -> new SandboxLimits.Rates(0, 1, 1)))
                .isNotNull();
        assertThat(Reason.TOO_MANY_REFRESHES.statusCode()).isEqualTo(Status.Code.RESOURCE_EXHAUSTED);
        assertThat(RejectedException.class).isFinal();
    }
}
