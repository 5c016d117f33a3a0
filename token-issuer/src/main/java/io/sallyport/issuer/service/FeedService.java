package io.sallyport.issuer.service;

import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import io.sallyport.api.feed.v1.AdoptSandboxRequest;
import io.sallyport.api.feed.v1.GetRecordRequest;
import io.sallyport.api.feed.v1.IdentityFeedGrpc;
import io.sallyport.api.feed.v1.WatchRequest;
import io.sallyport.api.feed.v1.WatchResponse;
import io.sallyport.api.registry.v1.Sandbox;
import io.sallyport.base.Reason;
import io.sallyport.base.RejectedException;
import io.sallyport.identity.Lineage;
import io.sallyport.identity.SandboxClaims;
import io.sallyport.identity.SandboxId;
import io.sallyport.issuer.store.SandboxStore;
import java.time.InstantSource;

/** What ext-authz asks: the record behind an id, and everything that must be refused. Answers nobody else. */
public final class FeedService extends IdentityFeedGrpc.IdentityFeedImplBase {
    private final Calls calls;
    private final Assertions assertions;
    private final SandboxStore store;
    private final Watches watches;
    private final InstantSource clock;
    private final boolean adopts;

    /** @param adopts whether a token that an unchanged gateway minted makes its sandbox known */
    public FeedService(
            Calls calls,
            Assertions assertions,
            SandboxStore store,
            Watches watches,
            InstantSource clock,
            boolean adopts) {
        this.calls = calls;
        this.assertions = assertions;
        this.store = store;
        this.watches = watches;
        this.clock = clock;
        this.adopts = adopts;
    }

    @Override
    public void getRecord(GetRecordRequest request, StreamObserver<Sandbox> observer) {
        calls.answer(IdentityFeedGrpc.getGetRecordMethod().getFullMethodName(), "anonymous", observer, call -> {
            call.sandboxAsked(request.getSandboxId());
            assertions.requireExtAuthz(call);
            SandboxId id = Messages.sandboxId(request.getSandboxId());
            return Messages.sandbox(
                    store.find(id).orElseThrow(() -> new RejectedException(Reason.RECORD_UNKNOWN, id.value())));
        });
    }

    @Override
    public void adoptSandbox(AdoptSandboxRequest request, StreamObserver<Sandbox> observer) {
        calls.answer(IdentityFeedGrpc.getAdoptSandboxMethod().getFullMethodName(), "anonymous", observer, call -> {
            SandboxClaims token = assertions.requireSandbox(call);
            SandboxId id = token.sandbox();
            call.sandboxAsked(id.value());
            if (!adopts || !token.lineage().map(Lineage::isAdopted).orElse(false)) {
                return Messages.sandbox(
                        store.find(id).orElseThrow(() -> new RejectedException(Reason.RECORD_UNKNOWN, id.value())));
            }
            SandboxStore.Adoption adoption = store.adopt(token, clock.instant())
                    .orElseThrow(() -> new RejectedException(
                            Reason.RECORD_UNKNOWN,
                            id.value() + ", and the token that would make it known was taken back"));
            if (adoption.isNew()) {
                call.done(Reason.SANDBOX_ADOPTED, "jti=" + token.tokenId().orElse("-") + " kid=" + token.keyId());
            }
            return Messages.sandbox(adoption.record());
        });
    }

    @Override
    public StreamObserver<WatchRequest> watch(StreamObserver<WatchResponse> observer) {
        return calls.admit(IdentityFeedGrpc.getWatchMethod().getFullMethodName(), "anonymous", observer, call -> {
                    assertions.requireExtAuthz(call);
                    return watches.begin((ServerCallStreamObserver<WatchResponse>) observer);
                })
                .orElseGet(Nobody::new);
    }

    /** Somebody who was refused and may still speak. */
    private static final class Nobody implements StreamObserver<WatchRequest> {
        @Override
        public void onNext(WatchRequest request) {}

        @Override
        public void onError(Throwable failure) {}

        @Override
        public void onCompleted() {}
    }
}
