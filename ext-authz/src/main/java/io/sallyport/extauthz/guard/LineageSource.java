package io.sallyport.extauthz.guard;

import io.sallyport.identity.Lineage;
import io.sallyport.identity.SandboxId;
import java.time.Instant;
import java.util.Objects;
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

    /** What there is to say about a lineage. */
    sealed interface Answer {
        /**
         * What the issuer knows of it.
         *
         * @param ends the end of its newest token, leeway not included; {@link Instant#MAX} for one without end
         * @param revoked whether it, or all of its sandbox, was taken back
         */
        record Known(Instant ends, boolean revoked) implements Answer {
            public Known {
                Objects.requireNonNull(ends, "ends is null");
            }
        }

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
