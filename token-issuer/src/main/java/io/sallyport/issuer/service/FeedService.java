package io.sallyport.issuer.service;

import io.grpc.stub.ServerCallStreamObserver;
import io.grpc.stub.StreamObserver;
import io.sallyport.api.feed.v1.AdoptSandboxRequest;
import io.sallyport.api.feed.v1.GetLineageRequest;
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
import io.sallyport.issuer.store.LineageLife;
import io.sallyport.issuer.store.RefreshRules;
import io.sallyport.issuer.store.SandboxStore;
import java.time.InstantSource;

/** What ext-authz asks: the record behind an id, and everything that must be refused. Answers nobody else. */
public final class FeedService extends IdentityFeedGrpc.IdentityFeedImplBase {
    private final Calls calls;
    private final Assertions assertions;
    private final SandboxStore store;
    private final Watches watches;
    private final RefreshRules rules;
    private final InstantSource clock;
    private final boolean adopts;

    /**
     * @param rules by which tokens are exchanged
     * @param adopts whether a token that an unchanged gateway minted makes its sandbox known
     */
    public FeedService(
            Calls calls,
            Assertions assertions,
            SandboxStore store,
            Watches watches,
            RefreshRules rules,
            InstantSource clock,
            boolean adopts) {
        this.calls = calls;
        this.assertions = assertions;
        this.store = store;
        this.watches = watches;
        this.rules = rules;
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
    public void getLineage(GetLineageRequest request, StreamObserver<io.sallyport.api.feed.v1.Lineage> observer) {
        calls.answer(IdentityFeedGrpc.getGetLineageMethod().getFullMethodName(), "anonymous", observer, call -> {
            call.sandboxAsked(request.getSandboxId());
            assertions.requireExtAuthz(call);
            SandboxId id = Messages.sandboxId(request.getSandboxId());
            Lineage place = Messages.lineage(request.getLineage(), request.getGeneration());
            LineageLife life = store.lineage(id, place, rules)
                    .orElseThrow(() -> new RejectedException(Reason.LINEAGE_NOT_FOUND, place.id()));
            return Messages.lineage(life);
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
