package io.sallyport.extauthz.guard;

import io.sallyport.identity.SandboxClaims;
import java.util.concurrent.CompletableFuture;

/** What is known about the sandboxes whose streams are open. */
public interface Owners {
    /** From memory, quickly; {@link Owner.Unsure} when that would take a question. */
    Owner remembered(SandboxClaims token);

    /**
     * Asked for if need be. {@link #remembered} knows the answer from then on, unless it is {@link Owner.Unsure}.
     *
     * @return completed in bounded time, and never exceptionally
     */
    CompletableFuture<Owner> ask(SandboxClaims token);
}
