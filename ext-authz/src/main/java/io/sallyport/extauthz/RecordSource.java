package io.sallyport.extauthz;

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
}
