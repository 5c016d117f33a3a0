package io.sallyport.extauthz;

import com.google.common.util.concurrent.FutureCallback;
import com.google.common.util.concurrent.Futures;
import com.google.common.util.concurrent.MoreExecutors;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.stub.MetadataUtils;
import io.sallyport.api.feed.v1.GetRecordRequest;
import io.sallyport.api.feed.v1.IdentityFeedGrpc;
import io.sallyport.api.registry.v1.Sandbox;
import io.sallyport.identity.Assertion;
import io.sallyport.identity.AssertionMinter;
import io.sallyport.identity.PrincipalHeader;
import io.sallyport.identity.SandboxId;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** Records from the token issuer ({@code sallyport.feed.v1.IdentityFeed/GetRecord}), asked for with our assertion. */
final class IssuerRecords implements RecordSource {
    private static final Metadata.Key<String> ASSERTION =
            Metadata.Key.of(PrincipalHeader.ASSERTION_NAME, Metadata.ASCII_STRING_MARSHALLER);
    private static final Assertion OURSELVES = new Assertion(
            new Assertion.Caller.ExtAuthz(),
            "/" + IdentityFeedGrpc.getGetRecordMethod().getFullMethodName());

    private final ManagedChannel channel;
    private final AssertionMinter minter;
    private final Duration timeout;

    IssuerRecords(ManagedChannel channel, AssertionMinter minter, Duration timeout) {
        this.channel = channel;
        this.minter = minter;
        this.timeout = timeout;
    }

    @Override
    public CompletableFuture<RecordLookup> find(SandboxId id) {
        Metadata metadata = new Metadata();
        metadata.put(ASSERTION, minter.mint(OURSELVES));
        CompletableFuture<RecordLookup> result = new CompletableFuture<>();
        Futures.addCallback(
                IdentityFeedGrpc.newFutureStub(channel)
                        .withDeadlineAfter(timeout.toNanos(), TimeUnit.NANOSECONDS)
                        .withInterceptors(MetadataUtils.newAttachHeadersInterceptor(metadata))
                        .getRecord(GetRecordRequest.newBuilder()
                                .setSandboxId(id.value())
                                .build()),
                new FutureCallback<>() {
                    @Override
                    public void onSuccess(@Nullable Sandbox sandbox) {
                        result.complete(
                                sandbox == null
                                        ? new RecordLookup.Unavailable("the issuer answered nothing")
                                        : read(id, sandbox));
                    }

                    @Override
                    public void onFailure(Throwable failure) {
                        result.complete(failed(Status.fromThrowable(failure)));
                    }
                },
                MoreExecutors.directExecutor());
        return result;
    }

    private static RecordLookup read(SandboxId id, Sandbox sandbox) {
        SandboxRecord.State state = switch (sandbox.getState()) {
            case SANDBOX_STATE_ACTIVE -> SandboxRecord.State.ACTIVE;
            case SANDBOX_STATE_STOPPED -> SandboxRecord.State.STOPPED;
            case SANDBOX_STATE_DELETED -> SandboxRecord.State.DELETED;
            case SANDBOX_STATE_UNSPECIFIED, UNRECOGNIZED -> null;
        };
        if (state == null || !sandbox.getId().equals(id.value())) {
            return new RecordLookup.Unavailable("the issuer's answer is not a record of that sandbox");
        }
        return new RecordLookup.Found(
                new SandboxRecord(sandbox.getId(), sandbox.getWorkspace(), sandbox.getName(), state));
    }

    private RecordLookup failed(Status status) {
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
