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
import io.sallyport.api.feed.v1.AdoptSandboxRequest;
import io.sallyport.api.feed.v1.GetRecordRequest;
import io.sallyport.api.feed.v1.IdentityFeedGrpc;
import io.sallyport.api.feed.v1.IdentityFeedGrpc.IdentityFeedFutureStub;
import io.sallyport.api.registry.v1.Sandbox;
import io.sallyport.identity.Assertion;
import io.sallyport.identity.AssertionMinter;
import io.sallyport.identity.PrincipalHeader;
import io.sallyport.identity.SandboxClaims;
import io.sallyport.identity.SandboxId;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * Records from the token issuer ({@code sallyport.feed.v1.IdentityFeed/GetRecord} and {@code AdoptSandbox}), asked for with our assertion: of the
 * replica that the feed listens to, and of the others in turn where one cannot answer.
 */
final class IssuerRecords implements RecordSource {
    static final Metadata.Key<String> ASSERTION =
            Metadata.Key.of(PrincipalHeader.ASSERTION_NAME, Metadata.ASCII_STRING_MARSHALLER);
    private static final Assertion OURSELVES = new Assertion(
            new Assertion.Caller.ExtAuthz(),
            "/" + IdentityFeedGrpc.getGetRecordMethod().getFullMethodName());

    private final Issuers issuers;
    private final AssertionMinter minter;
    private final Duration timeout;

    /** @param timeout for all replicas together */
    IssuerRecords(Issuers issuers, AssertionMinter minter, Duration timeout) {
        this.issuers = issuers;
        this.minter = minter;
        this.timeout = timeout;
    }

    @Override
    public CompletableFuture<RecordLookup> find(SandboxId id) {
        GetRecordRequest request =
                GetRecordRequest.newBuilder().setSandboxId(id.value()).build();
        return ask(id, OURSELVES, stub -> stub.getRecord(request));
    }

    @Override
    public CompletableFuture<RecordLookup> adopt(SandboxClaims token) {
        Assertion vouching = new Assertion(
                new Assertion.Caller.Sandbox(token),
                "/" + IdentityFeedGrpc.getAdoptSandboxMethod().getFullMethodName());
        return ask(token.sandbox(), vouching, stub -> stub.adoptSandbox(AdoptSandboxRequest.getDefaultInstance()));
    }

    private CompletableFuture<RecordLookup> ask(SandboxId id, Assertion assertion, Call call) {
        Metadata metadata = new Metadata();
        metadata.put(ASSERTION, minter.mint(assertion));
        Question question = new Question(
                id, call, metadata, Deadline.after(timeout.toNanos(), TimeUnit.NANOSECONDS), issuers.preferred());
        question.ask(0);
        return question.result;
    }

    /** Which of the issuer's methods is asked. */
    @FunctionalInterface
    private interface Call {
        ListenableFuture<Sandbox> make(IdentityFeedFutureStub stub);
    }

    private final class Question {
        private final SandboxId id;
        private final Call call;
        private final Metadata metadata;
        private final Deadline deadline;
        private final int first;
        private final CompletableFuture<RecordLookup> result = new CompletableFuture<>();

        Question(SandboxId id, Call call, Metadata metadata, Deadline deadline, int first) {
            this.id = id;
            this.call = call;
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
                    new FutureCallback<>() {
                        @Override
                        public void onSuccess(@Nullable Sandbox sandbox) {
                            settle(
                                    attempt,
                                    sandbox == null
                                            ? new RecordLookup.Unavailable("the issuer answered nothing")
                                            : read(id, sandbox));
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

        private void settle(int attempt, RecordLookup lookup) {
            boolean another = lookup instanceof RecordLookup.Unavailable
                    && attempt + 1 < issuers.count()
                    && !deadline.isExpired();
            if (another) {
                ask(attempt + 1);
            } else {
                result.complete(lookup);
            }
        }
    }

    private static RecordLookup read(SandboxId id, Sandbox sandbox) {
        SandboxRecord record = FeedMessages.record(sandbox);
        return record == null || !record.id().equals(id.value())
                ? new RecordLookup.Unavailable("the issuer's answer is not a record of that sandbox")
                : new RecordLookup.Found(record);
    }

    private static RecordLookup failed(ManagedChannel channel, Status status) {
        if (status.getCode() == Status.Code.NOT_FOUND) {
            return new RecordLookup.Missing();
        }
        if (status.getCode() == Status.Code.UNAVAILABLE) {
            // Left alone, the channel would wait longer and longer before it looks whether the issuer is back.
            channel.resetConnectBackoff();
        }
        return new RecordLookup.Unavailable("the issuer answered " + status.getCode());
    }
}
