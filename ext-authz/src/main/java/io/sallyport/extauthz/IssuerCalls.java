package io.sallyport.extauthz;

import com.google.common.util.concurrent.FutureCallback;
import com.google.common.util.concurrent.Futures;
import com.google.common.util.concurrent.ListenableFuture;
import com.google.common.util.concurrent.MoreExecutors;
import io.grpc.Deadline;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.stub.MetadataUtils;
import io.sallyport.api.feed.v1.IdentityFeedGrpc;
import io.sallyport.api.feed.v1.IdentityFeedGrpc.IdentityFeedFutureStub;
import io.sallyport.identity.Assertion;
import io.sallyport.identity.AssertionMinter;
import io.sallyport.identity.PrincipalHeader;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Questions to the token issuer, each with our assertion: put to the replica that the feed listens to, and to the others in
 * turn where one cannot answer.
 */
final class IssuerCalls {
    static final Metadata.Key<String> ASSERTION =
            Metadata.Key.of(PrincipalHeader.ASSERTION_NAME, Metadata.ASCII_STRING_MARSHALLER);

    private final Issuers issuers;
    private final AssertionMinter minter;
    private final Duration timeout;

    /** @param timeout for all replicas together */
    IssuerCalls(Issuers issuers, AssertionMinter minter, Duration timeout) {
        this.issuers = issuers;
        this.minter = minter;
        this.timeout = timeout;
    }

    /** Which of the issuer's methods is asked. */
    @FunctionalInterface
    interface Call<A> {
        ListenableFuture<A> make(IdentityFeedFutureStub stub);
    }

    /**
     * What the answers mean.
     *
     * @param <A> the issuer's message
     * @param <R> what becomes of it
     */
    interface Reading<A, R> {
        R answered(A answer);

        R notFound();

        R unavailable(String cause);

        /** Whether another replica is to be asked, too. */
        boolean isUnavailable(R result);
    }

    /** Asks. Completed in bounded time, and never exceptionally. */
    <A, R> CompletableFuture<R> ask(Assertion assertion, Call<A> call, Reading<A, R> reading) {
        Metadata metadata = new Metadata();
        metadata.put(ASSERTION, minter.mint(assertion));
        Question<A, R> question = new Question<>(
                call, reading, metadata, Deadline.after(timeout.toNanos(), TimeUnit.NANOSECONDS), issuers.preferred());
        question.ask(0);
        return question.result;
    }

    private final class Question<A, R> {
        private final Call<A> call;
        private final Reading<A, R> reading;
        private final Metadata metadata;
        private final Deadline deadline;
        private final int first;
        private final CompletableFuture<R> result = new CompletableFuture<>();

        Question(Call<A> call, Reading<A, R> reading, Metadata metadata, Deadline deadline, int first) {
            this.call = call;
            this.reading = reading;
            this.metadata = metadata;
            this.deadline = deadline;
            this.first = first;
        }

        void ask(int attempt) {
            ManagedChannel channel = issuers.channel(first + attempt);
            Futures.addCallback(
                    call.make(IdentityFeedGrpc.newFutureStub(channel)
                            .withDeadline(share(attempt))
                            .withInterceptors(MetadataUtils.newAttachHeadersInterceptor(metadata))),
                    new FutureCallback<A>() {
                        @Override
                        public void onSuccess(@Nullable A answer) {
                            settle(
                                    attempt,
                                    answer == null
                                            ? reading.unavailable("the issuer answered nothing")
                                            : reading.answered(answer));
                        }

                        @Override
                        public void onFailure(Throwable failure) {
                            settle(attempt, failed(channel, Status.fromThrowable(failure)));
                        }
                    },
                    MoreExecutors.directExecutor());
        }

        /** A replica that hangs must leave the others their time. */
        private Deadline share(int attempt) {
            int left = issuers.count() - attempt;
            long nanos = Math.max(deadline.timeRemaining(TimeUnit.NANOSECONDS), 0);
            return Deadline.after(nanos / left, TimeUnit.NANOSECONDS);
        }

        private void settle(int attempt, R settled) {
            boolean another = reading.isUnavailable(settled) && attempt + 1 < issuers.count() && !deadline.isExpired();
            if (another) {
                ask(attempt + 1);
            } else {
                result.complete(settled);
            }
        }

        private R failed(ManagedChannel channel, Status status) {
            if (status.getCode() == Status.Code.NOT_FOUND) {
                return reading.notFound();
            }
            if (status.getCode() == Status.Code.UNAVAILABLE) {
                // Left alone, the channel would wait longer and longer before it looks whether the issuer is back.
                channel.resetConnectBackoff();
            }
            return reading.unavailable("the issuer answered " + status.getCode());
        }
    }
}
