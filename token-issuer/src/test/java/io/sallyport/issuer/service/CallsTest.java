package io.sallyport.issuer.service;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.rpc.RetryInfo;
import io.grpc.Context;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.StreamObserver;
import io.sallyport.base.Reason;
import io.sallyport.base.RejectedException;
import io.sallyport.base.audit.AuditEvent;
import io.sallyport.identity.Lineage;
import io.sallyport.issuer.store.StoreBusyException;
import io.sallyport.issuer.store.StoreUnavailableException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicLong;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Whatever happens to a call, its caller gets one status and the audit log one line, or none where there is nothing. */
class CallsTest {
    private static final Instant NOW = Instant.parse("2026-11-24T10:00:00Z");

    private final List<AuditEvent> audit = new ArrayList<>();
    private final AtomicInteger troubles = new AtomicInteger();
    private final AtomicLong nanos = new AtomicLong();
    private final Calls calls =
            new Calls(audit::add, () -> NOW, () -> nanos.getAndAdd(1_500), troubles::incrementAndGet);
    private final Answer answer = new Answer();

    private static final class Answer implements StreamObserver<String> {
        @Nullable String value;

        @Nullable StatusRuntimeException error;

        boolean completed;

        @Override
        public void onNext(String next) {
            value = next;
        }

        @Override
        public void onError(Throwable failure) {
            error = (StatusRuntimeException) failure;
        }

        @Override
        public void onCompleted() {
            completed = true;
        }

        Status status() {
            return error == null ? Status.OK : error.getStatus();
        }

        @Nullable String retryAfter() {
            Metadata trailers = error == null ? null : error.getTrailers();
            return trailers == null ? null : trailers.get(Calls.RETRY_AFTER);
        }

        <T> T trailer(Metadata.Key<T> key) {
            Metadata trailers =
                    Objects.requireNonNull(Objects.requireNonNull(error).getTrailers());
            return Objects.requireNonNull(trailers.get(key));
        }
    }

    @Test
    void anAnswerThatIsNoMintLeavesNoLine() {
        calls.answer("p.S/M", "registry", answer, call -> call.method());

        assertThat(answer.value).isEqualTo("/p.S/M");
        assertThat(answer.completed).isTrue();
        assertThat(audit).isEmpty();
    }

    @Test
    void aMintLeavesALineWithoutTheToken() {
        TokenMint.Minted minted = new TokenMint.Minted(
                "the-token", Reason.TOKEN_REFRESHED, "j", new Lineage("l", 3), NOW.plusSeconds(60));
        calls.answer("p.S/M", "anonymous", answer, call -> {
            call.principal("sandbox;id=\"alpha\"");
            call.sandboxAsked("alpha");
            call.minted(minted);
            return minted.token();
        });

        assertThat(audit)
                .containsExactly(new AuditEvent(
                        NOW,
                        Reason.TOKEN_REFRESHED,
                        "sandbox;id=\"alpha\"",
                        "/p.S/M",
                        "alpha",
                        null,
                        1_500,
                        "jti=j lin=l gen=3 exp=" + NOW.plusSeconds(60).getEpochSecond()));
        assertThat(minted.toString()).doesNotContain("the-token");
    }

    @Test
    void whatIsNoIdIsNotRepeatedForItMayBeAToken() {
        for (String asked : new String[] {"e".repeat(100) + "." + "y".repeat(300) + ".s", "a b", "a\nb"}) {
            calls.answer("p.S/M", "registry", answer, call -> {
                call.sandboxAsked(asked);
                throw new RejectedException(Reason.REQUEST_INVALID, "");
            });
        }

        assertThat(audit)
                .hasSize(3)
                .allSatisfy(event -> assertThat(event.sandboxAsked()).isEqualTo("(not an id)"));
    }

    @ParameterizedTest
    @EnumSource(Reason.class)
    void aRefusalIsItsReasonsStatusAndALine(Reason reason) {
        calls.answer("p.S/M", "anonymous", answer, call -> {
            throw new RejectedException(reason, "the detail");
        });

        assertThat(answer.status().getCode()).isEqualTo(reason.statusCode());
        boolean record = reason.name().startsWith("RECORD_") || reason == Reason.REQUEST_INVALID;
        assertThat(answer.status().getDescription()).isEqualTo(record ? reason.text() + ": the detail" : reason.text());
        assertThat(answer.retryAfter()).isEqualTo(reason.statusCode() == Status.Code.UNAVAILABLE ? "1000" : null);
        assertThat(audit).singleElement().satisfies(event -> {
            assertThat(event.reason()).isEqualTo(reason);
            assertThat(event.detail()).isEqualTo("the detail");
        });
    }

    @Test
    void whoIsOverALimitIsToldWhenToComeBackInBothWays() throws Exception {
        calls.answer("p.S/M", "anonymous", answer, call -> {
            call.retryAfter(Duration.ofNanos(1_500_000_001));
            throw new RejectedException(Reason.TOO_MANY_REFRESHES, "");
        });

        assertThat(answer.status().getCode()).isEqualTo(Status.Code.RESOURCE_EXHAUSTED);
        assertThat(answer.retryAfter()).isEqualTo("1501");
        com.google.rpc.Status details = answer.trailer(RetryHint.DETAILS);
        assertThat(details.getCode()).isEqualTo(Status.Code.RESOURCE_EXHAUSTED.value());
        assertThat(details.getDetails(0).unpack(RetryInfo.class).getRetryDelay())
                .isEqualTo(com.google.protobuf.Duration.newBuilder()
                        .setSeconds(1)
                        .setNanos(501_000_000)
                        .build());
    }

    @Test
    void aStoreInTroubleIsReportedAndAskedForAgainLater() {
        calls.answer("p.S/M", "anonymous", answer, call -> {
            throw new StoreUnavailableException("disk full");
        });

        assertThat(answer.status().getCode()).isEqualTo(Status.Code.UNAVAILABLE);
        assertThat(answer.retryAfter()).isEqualTo("1000");
        assertThat(troubles).hasValue(1);
        assertThat(audit).extracting(AuditEvent::reason).containsExactly(Reason.STORE_UNAVAILABLE);
    }

    @Test
    void aCallThatOnlyWaitedTooLongIsAskedForAgainAndSaysNothingOfTheStore() {
        calls.answer("p.S/M", "anonymous", answer, call -> {
            throw new StoreBusyException("other writes took longer");
        });

        assertThat(answer.status().getCode()).isEqualTo(Status.Code.UNAVAILABLE);
        assertThat(answer.retryAfter()).isEqualTo("1000");
        assertThat(troubles).hasValue(0);
        assertThat(audit).extracting(AuditEvent::reason).containsExactly(Reason.STORE_UNAVAILABLE);
    }

    @Test
    void aMistakeOfOursIsUnavailableAndSaysNothingOfItself() {
        calls.answer("p.S/M", "anonymous", answer, call -> {
            throw new IllegalStateException("something with a secret in it");
        });

        assertThat(answer.status().getCode()).isEqualTo(Status.Code.UNAVAILABLE);
        assertThat(answer.status().getDescription()).isEqualTo(Reason.INTERNAL.text());
        assertThat(audit)
                .singleElement()
                .satisfies(event -> assertThat(event.detail()).isEqualTo("IllegalStateException"));
    }

    @Test
    void aCallWhoseCallerHasGoneChangesNothing() {
        AtomicInteger runs = new AtomicInteger();
        try (Context.CancellableContext gone = Context.current().withCancellation()) {
            gone.cancel(null);
            gone.run(() -> calls.answer("p.S/M", "anonymous", answer, call -> "ran " + runs.incrementAndGet()));
        }

        assertThat(runs).hasValue(0);
        assertThat(answer.status().getCode()).isEqualTo(Status.Code.CANCELLED);
    }
}
