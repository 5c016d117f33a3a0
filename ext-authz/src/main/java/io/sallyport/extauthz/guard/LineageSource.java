package io.sallyport.extauthz.guard;

import io.sallyport.identity.Lineage;
import io.sallyport.identity.SandboxClaims;
import io.sallyport.identity.SandboxId;
import java.time.Instant;
import java.util.Objects;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;

/** Tells whether a lineage lives on after a token of it has ended. */
@FunctionalInterface
public interface LineageSource {
    /**
     * Asks after one lineage.
     *
     * @param place of the token that has ended
     * @return completed in bounded time, and never exceptionally: a failure is {@link Answer.Unavailable}
     */
    CompletableFuture<Answer> ask(SandboxId sandbox, Lineage place);

    /**
     * The token that took the place of another one.
     *
     * @param tokenId {@code jti}; absent where the issuer does not know it
     * @param lineage of a bootstrap token's successor, possibly another one
     * @param keyId {@code kid}; "" where the issuer does not know it
     * @param ends leeway not included; {@link Instant#MAX} for one without end
     */
    record Successor(Optional<String> tokenId, Lineage lineage, String keyId, Instant ends) {
        public Successor {
            Objects.requireNonNull(tokenId, "tokenId is null");
            Objects.requireNonNull(lineage, "lineage is null");
            Objects.requireNonNull(keyId, "keyId is null");
            Objects.requireNonNull(ends, "ends is null");
        }

        /** Its claims, as far as a stream's life depends on them; what was opened with the first token stays as old as it is. */
        SandboxClaims after(SandboxClaims first) {
            return new SandboxClaims(first.sandbox(), tokenId, Optional.of(lineage), first.issuedAt(), ends, keyId);
        }
    }

    /** What there is to say about a lineage. */
    sealed interface Answer {
        /** It goes on, or went on, by this token: the newest of it. */
        record Newest(Successor token) implements Answer {
            public Newest {
                Objects.requireNonNull(token, "token is null");
            }
        }

        /** It, or all of its sandbox, was taken back. */
        record Revoked() implements Answer {}

        /** There is no such lineage. */
        record Unknown() implements Answer {}

        /**
         * Nobody could tell.
         *
         * @param cause for the log
         */
        record Unavailable(String cause) implements Answer {
            public Unavailable {
                Objects.requireNonNull(cause, "cause is null");
            }
        }
    }
}
