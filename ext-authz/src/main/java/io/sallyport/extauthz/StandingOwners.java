package io.sallyport.extauthz;

import io.sallyport.base.Reason;
import io.sallyport.extauthz.guard.Owner;
import io.sallyport.extauthz.guard.Owners;
import io.sallyport.identity.SandboxClaims;
import java.util.concurrent.CompletableFuture;

/** What the stream guard asks, answered as a check would be: by a token's {@link Standing} and its sandbox's record. */
final class StandingOwners implements Owners {
    private final Standing standing;
    private final SandboxRecords records;

    StandingOwners(Standing standing, SandboxRecords records) {
        this.standing = standing;
        this.records = records;
    }

    @Override
    public Owner remembered(SandboxClaims token) {
        RecordLookup lookup = records.remembered(token.sandbox());
        return owner(token, lookup == null ? new RecordLookup.Unavailable("not known yet") : lookup);
    }

    @Override
    public CompletableFuture<Owner> ask(SandboxClaims token) {
        return records.ask(token.sandbox()).thenApply(lookup -> owner(token, lookup));
    }

    private Owner owner(SandboxClaims token, RecordLookup lookup) {
        // Asked last: it may have been taken back while the record was asked for.
        Standing.Refusal refusal = standing.of(token);
        if (refusal != null) {
            return new Owner.Barred(refusal.reason(), refusal.detail());
        }
        return switch (lookup) {
            case RecordLookup.Missing() -> new Owner.Barred(Reason.SANDBOX_UNKNOWN, "");
            case RecordLookup.Unavailable(String cause) -> new Owner.Unsure(cause);
            case RecordLookup.Found(SandboxRecord own) ->
                switch (own.state()) {
                    case DELETED -> new Owner.Barred(Reason.SANDBOX_DELETED, "");
                    case STOPPED -> new Owner.Barred(Reason.SANDBOX_STOPPED, "");
                    case ACTIVE -> new Owner.Living(own.id(), own.workspace(), own.name());
                };
        };
    }
}
