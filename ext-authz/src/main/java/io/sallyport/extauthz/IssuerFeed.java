package io.sallyport.extauthz;

import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.stub.ClientCallStreamObserver;
import io.grpc.stub.ClientResponseObserver;
import io.grpc.stub.MetadataUtils;
import io.sallyport.api.feed.v1.IdentityFeedGrpc;
import io.sallyport.api.feed.v1.WatchRequest;
import io.sallyport.api.feed.v1.WatchResponse;
import io.sallyport.identity.Assertion;
import io.sallyport.identity.AssertionMinter;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** One issuer's {@code sallyport.feed.v1.IdentityFeed/Watch}, begun with our assertion. */
final class IssuerFeed implements Feed.Issuer {
    private static final Assertion OURSELVES = new Assertion(
            new Assertion.Caller.ExtAuthz(),
            "/" + IdentityFeedGrpc.getWatchMethod().getFullMethodName());

    private final ManagedChannel channel;
    private final AssertionMinter minter;

    IssuerFeed(ManagedChannel channel, AssertionMinter minter) {
        this.channel = channel;
        this.minter = minter;
    }

    @Override
    public Feed.Stream watch(Feed.Listener listener) {
        // Left alone, the channel would wait longer and longer before it looks whether the issuer is back.
        channel.resetConnectBackoff();
        Metadata metadata = new Metadata();
        metadata.put(IssuerCalls.ASSERTION, minter.mint(OURSELVES));
        Call call = new Call(listener);
        var _ = IdentityFeedGrpc.newStub(channel)
                .withInterceptors(MetadataUtils.newAttachHeadersInterceptor(metadata))
                .watch(call);
        return call;
    }

    @Override
    public void reconnect() {
        channel.enterIdle();
    }

    private static final class Call implements Feed.Stream, ClientResponseObserver<WatchRequest, WatchResponse> {
        private final Feed.Listener listener;
        private @Nullable ClientCallStreamObserver<WatchRequest> requests;

        Call(Feed.Listener listener) {
            this.listener = listener;
        }

        @Override
        public void beforeStart(ClientCallStreamObserver<WatchRequest> stream) {
            requests = stream;
        }

        @Override
        public void onNext(WatchResponse message) {
            listener.heard(message);
        }

        @Override
        public void onError(Throwable failure) {
            listener.ended(Status.fromThrowable(failure));
        }

        @Override
        public void onCompleted() {
            listener.ended(Status.OK);
        }

        @Override
        public void send(WatchRequest request) {
            try {
                requests().onNext(request);
            } catch (IllegalStateException e) {
                // The call has ended; its end is on the way to us.
            }
        }

        @Override
        public void leave() {
            try {
                requests().onCompleted();
            } catch (IllegalStateException e) {
                // As above.
            }
        }

        @Override
        public void cancel(String why) {
            requests().cancel(why, null);
        }

        private ClientCallStreamObserver<WatchRequest> requests() {
            return Objects.requireNonNull(requests, "the call has not been started");
        }
    }
}
