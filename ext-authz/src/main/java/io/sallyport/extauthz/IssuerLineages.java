package io.sallyport.extauthz;

import io.sallyport.api.feed.v1.GetLineageRequest;
import io.sallyport.api.feed.v1.IdentityFeedGrpc;
import io.sallyport.extauthz.guard.LineageSource;
import io.sallyport.identity.Assertion;
import io.sallyport.identity.Lineage;
import io.sallyport.identity.SandboxId;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/** Whether lineages live on, from the token issuer ({@code sallyport.feed.v1.IdentityFeed/GetLineage}). */
final class IssuerLineages implements LineageSource {
    private static final Assertion OURSELVES = new Assertion(
            new Assertion.Caller.ExtAuthz(),
            "/" + IdentityFeedGrpc.getGetLineageMethod().getFullMethodName());

    private final IssuerCalls calls;

    IssuerLineages(IssuerCalls calls) {
        this.calls = calls;
    }

    @Override
    public CompletableFuture<Answer> ask(SandboxId sandbox, Lineage place) {
        GetLineageRequest request = GetLineageRequest.newBuilder()
                .setSandboxId(sandbox.value())
                .setLineage(place.id())
                .setGeneration(place.generation())
                .build();
        return calls.ask(OURSELVES, stub -> stub.getLineage(request), new Reading(place));
    }

    private record Reading(Lineage place) implements IssuerCalls.Reading<io.sallyport.api.feed.v1.Lineage, Answer> {
        @Override
        public Answer answered(io.sallyport.api.feed.v1.Lineage lineage) {
            if (lineage.getRevoked()) {
                return new Answer.Revoked();
            }
            try {
                Instant ends = lineage.hasEnds()
                        ? Instant.ofEpochSecond(
                                lineage.getEnds().getSeconds(),
                                lineage.getEnds().getNanos())
                        : Instant.MAX;
                return new Answer.Newest(new Successor(
                        lineage.getTokenId().isEmpty() ? Optional.empty() : Optional.of(lineage.getTokenId()),
                        lineage.getLineage().isEmpty() ? place : new Lineage(lineage.getLineage(), place.generation()),
                        lineage.getKeyId(),
                        ends));
            } catch (DateTimeException | ArithmeticException e) {
                return unavailable("the issuer's answer names no time");
            }
        }

        @Override
        public Answer notFound() {
            return new Answer.Unknown();
        }

        @Override
        public Answer unavailable(String cause) {
            return new Answer.Unavailable(cause);
        }

        @Override
        public boolean isUnavailable(Answer answer) {
            return answer instanceof Answer.Unavailable;
        }
    }
}
