package io.sallyport.issuer.service;

import io.grpc.stub.StreamObserver;
import io.sallyport.api.feed.v1.GetRecordRequest;
import io.sallyport.api.feed.v1.IdentityFeedGrpc;
import io.sallyport.api.registry.v1.Sandbox;
import io.sallyport.base.Reason;
import io.sallyport.base.RejectedException;
import io.sallyport.identity.SandboxId;
import io.sallyport.issuer.store.SandboxStore;

/** What ext-authz asks: the record behind an id. Answers nobody else. */
public final class FeedService extends IdentityFeedGrpc.IdentityFeedImplBase {
    private final Calls calls;
    private final Assertions assertions;
    private final SandboxStore store;

    public FeedService(Calls calls, Assertions assertions, SandboxStore store) {
        this.calls = calls;
        this.assertions = assertions;
        this.store = store;
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
}
