package io.sallyport.extauthz;

import com.google.protobuf.Timestamp;
import io.grpc.stub.StreamObserver;
import io.sallyport.api.feed.v1.GetLineageRequest;
import io.sallyport.api.feed.v1.GetRecordRequest;
import io.sallyport.api.feed.v1.IdentityFeedGrpc;
import io.sallyport.api.feed.v1.Lineage;
import io.sallyport.api.feed.v1.WatchRequest;
import io.sallyport.api.feed.v1.WatchResponse;
import io.sallyport.api.registry.v1.Revocation;
import io.sallyport.api.registry.v1.RevocationSubject;
import io.sallyport.api.registry.v1.Sandbox;
import io.sallyport.api.registry.v1.SandboxState;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;

/**
 * An issuer without a memory, for training and for measuring: every sandbox lives, named like its id, every lineage goes on, and
 * it says so every second.
 */
public final class EverySandboxLives extends IdentityFeedGrpc.IdentityFeedImplBase {
    /** The last one that a timestamp can hold: the end of the year 9999. */
    private static final long LAST_SECOND = 253_402_300_799L;

    @Override
    public void getRecord(GetRecordRequest request, StreamObserver<Sandbox> answer) {
        answer.onNext(Sandbox.newBuilder()
                .setId(request.getSandboxId())
                .setWorkspace("default")
                .setName(request.getSandboxId())
                .setState(SandboxState.SANDBOX_STATE_ACTIVE)
                .build());
        answer.onCompleted();
    }

    @Override
    public void getLineage(GetLineageRequest request, StreamObserver<Lineage> answer) {
        answer.onNext(Lineage.newBuilder()
                .setEnds(Timestamp.newBuilder().setSeconds(LAST_SECOND))
                .build());
        answer.onCompleted();
    }

    @Override
    public StreamObserver<WatchRequest> watch(StreamObserver<WatchResponse> answer) {
        Executor inASecond = CompletableFuture.delayedExecutor(1, TimeUnit.SECONDS);
        return new StreamObserver<>() {
            private boolean ended;

            @Override
            public synchronized void onNext(WatchRequest request) {
                WatchResponse.Builder response =
                        WatchResponse.newBuilder().setComplete(true).setCursor("every-sandbox-lives");
                if (request.hasStart()) {
                    answer.onNext(response.setReset(true)
                            .addRevocations(Revocation.newBuilder()
                                    .setSubject(RevocationSubject.newBuilder().setTokenId("nobody's")))
                            .setStamp(request.getStart().getStamp())
                            .build());
                } else {
                    inASecond.execute(() -> heartbeat(
                            response.setStamp(request.getAck().getStamp()).build()));
                }
            }

            private synchronized void heartbeat(WatchResponse response) {
                if (!ended) {
                    answer.onNext(response);
                }
            }

            @Override
            public synchronized void onError(Throwable failure) {
                ended = true;
            }

            @Override
            public synchronized void onCompleted() {
                ended = true;
                answer.onCompleted();
            }
        };
    }
}
