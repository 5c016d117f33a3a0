package io.sallyport.extauthz;

import io.sallyport.base.Reason;
import io.sallyport.identity.Principal;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** The answer to a {@link CheckCall}, before it is bytes. */
sealed interface Decision {
    /**
     * The request goes on.
     *
     * @param method what was called
     * @param traveller as whom
     */
    record Allow(OpenMethod method, Traveller traveller) implements Decision {
        public Allow {
            Objects.requireNonNull(method, "method is null");
            Objects.requireNonNull(traveller, "traveller is null");
        }
    }

    /**
     * The request ends here.
     *
     * @param principal who asked, as far as that was known, in the words of the principal header
     * @param sandboxAsked the sandbox (id, or workspace and name) that the request named, if it was read
     * @param detail for the audit log, free of secrets
     */
    record Deny(Reason reason, String principal, @Nullable String sandboxAsked, String detail) implements Decision {
        public Deny {
            Objects.requireNonNull(reason, "reason is null");
            Objects.requireNonNull(principal, "principal is null");
            Objects.requireNonNull(detail, "detail is null");
        }
    }

    /** Not to be told from memory: decide again on a thread that may wait. Never leaves this process. */
    record Undecided() implements Decision {}

    /** As whom an allowed request travels on. */
    sealed interface Traveller {
        /** A sandbox, as itself. */
        record OfSandbox(Principal.Sandbox principal) implements Traveller {}

        /** A pod, which is a sandbox and asks for its first token. */
        record OfPod(Principal.ServiceAccount principal) implements Traveller {}

        /** The developer, who is let in without a credential. */
        record Developer() implements Traveller {}

        /** Nobody in particular. */
        record Anonymous() implements Traveller {}

        /** Somebody whom the gateway will ask for a name: no principal of ours. */
        record Unnamed() implements Traveller {}
    }
}
