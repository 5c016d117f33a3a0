package io.sallyport.extauthz;

import io.sallyport.identity.SandboxClaims;
import io.sallyport.identity.SandboxId;
import java.util.concurrent.CompletableFuture;

/** Where sandbox records come from. */
@FunctionalInterface
interface RecordSource {
    /**
     * Asks for one record.
     *
     * @return completed in bounded time, and never exceptionally: a failure is {@link RecordLookup.Unavailable}
     */
    CompletableFuture<RecordLookup> find(SandboxId id);

    /**
     * Asks for the record of a sandbox that is not known, by a token that an unchanged gateway minted: an issuer may take
     * that for the sandbox's record. Completed like {@link #find}.
     */
    default CompletableFuture<RecordLookup> adopt(SandboxClaims token) {
        return CompletableFuture.completedFuture(new RecordLookup.Missing());
    }
}
