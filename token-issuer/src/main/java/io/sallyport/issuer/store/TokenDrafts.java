package io.sallyport.issuer.store;

import io.sallyport.identity.Lineage;
import io.sallyport.identity.SandboxId;
import java.time.Instant;

/** Says what new tokens will say. Called within a transaction, perhaps more often than once for one token. */
public interface TokenDrafts {
    /** A name for a lineage that nothing else has. */
    String newLineage();

    /**
     * A token for a place in a lineage.
     *
     * @param issuedAt not before this; whole seconds are up to the maker, rounded down
     */
    TokenDraft draft(SandboxId sandbox, Lineage place, Instant issuedAt);
}
