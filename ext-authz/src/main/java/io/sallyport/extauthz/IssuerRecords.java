package io.sallyport.extauthz;

import io.sallyport.api.feed.v1.AdoptSandboxRequest;
import io.sallyport.api.feed.v1.GetRecordRequest;
import io.sallyport.api.feed.v1.IdentityFeedGrpc;
import io.sallyport.api.registry.v1.Sandbox;
import io.sallyport.identity.Assertion;
import io.sallyport.identity.SandboxClaims;
import io.sallyport.identity.SandboxId;
import java.util.concurrent.CompletableFuture;

/** Records from the token issuer ({@code sallyport.feed.v1.IdentityFeed/GetRecord} and {@code AdoptSandbox}). */
final class IssuerRecords implements RecordSource {
    private static final Assertion OURSELVES = new Assertion(
            new Assertion.Caller.ExtAuthz(),
            "/" + IdentityFeedGrpc.getGetRecordMethod().getFullMethodName());

    private final IssuerCalls calls;

    IssuerRecords(IssuerCalls calls) {
        this.calls = calls;
    }

    @Override
    public CompletableFuture<RecordLookup> find(SandboxId id) {
        GetRecordRequest request =
                GetRecordRequest.newBuilder().setSandboxId(id.value()).build();
        return calls.ask(OURSELVES, stub -> stub.getRecord(request), new Reading(id));
    }

    @Override
    public CompletableFuture<RecordLookup> adopt(SandboxClaims token) {
        Assertion vouching = new Assertion(
                new Assertion.Caller.Sandbox(token),
                "/" + IdentityFeedGrpc.getAdoptSandboxMethod().getFullMethodName());
        return calls.ask(
                vouching,
                stub -> stub.adoptSandbox(AdoptSandboxRequest.getDefaultInstance()),
                new Reading(token.sandbox()));
    }

    private record Reading(SandboxId id) implements IssuerCalls.Reading<Sandbox, RecordLookup> {
        @Override
        public RecordLookup answered(Sandbox sandbox) {
            SandboxRecord record = FeedMessages.record(sandbox);
            return record == null || !record.id().equals(id.value())
                    ? new RecordLookup.Unavailable("the issuer's answer is not a record of that sandbox")
                    : new RecordLookup.Found(record);
        }

        @Override
        public RecordLookup notFound() {
            return new RecordLookup.Missing();
        }

        @Override
        public RecordLookup unavailable(String cause) {
            return new RecordLookup.Unavailable(cause);
        }

        @Override
        public boolean isUnavailable(RecordLookup lookup) {
            return lookup instanceof RecordLookup.Unavailable;
        }
    }
}
