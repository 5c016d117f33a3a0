package io.sallyport.extauthz;

import io.sallyport.base.Reason;
import io.sallyport.identity.Principal;
import java.util.Objects;

/** Who is asking, as far as the credential tells. */
sealed interface Caller {
    /** Somebody whose credential is good. */
    record Known(Principal principal) implements Caller {
        public Known {
            Objects.requireNonNull(principal, "principal is null");
        }
    }

    /** No credential at all. */
    record Nobody() implements Caller {}

    /** A bearer that none of our authenticators knows: perhaps the gateway does. */
    record Stranger(String detail) implements Caller {
        public Stranger {
            Objects.requireNonNull(detail, "detail is null");
        }
    }

    /** A credential that was looked at and is bad. */
    record Refused(Reason reason, String detail) implements Caller {
        public Refused {
            Objects.requireNonNull(reason, "reason is null");
            Objects.requireNonNull(detail, "detail is null");
        }
    }
}
