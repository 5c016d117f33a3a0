package io.sallyport.identity;

import io.sallyport.base.Reason;
import io.sallyport.base.RejectedException;
import io.sallyport.identity.Authenticator.Credential;
import io.sallyport.identity.Authenticator.Outcome;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Asks authenticators in order; the first that does not decline decides.
 *
 * <p>A credential that nobody knows is refused with {@link Reason#CREDENTIAL_UNKNOWN}, a missing one with {@link
 * Reason#NO_CREDENTIAL}. Neither ever becomes a principal here: what may happen with them on a user's method is the
 * caller's decision, and on a sandbox's method nothing may.
 */
public final class AuthenticatorChain {
    private final List<Authenticator> authenticators;

    public AuthenticatorChain(List<Authenticator> authenticators) {
        this.authenticators = List.copyOf(authenticators);
    }

    /**
     * Who sent this header.
     *
     * @param header the raw {@code authorization} header, null when there was none
     * @return authenticated or rejected, never declined
     */
    public Outcome authenticate(@Nullable String header, String method) {
        try {
            return authenticate(AuthorizationHeader.parse(header, method));
        } catch (RejectedException e) {
            return new Outcome.Rejected(e.reason(), e.detail());
        }
    }

    /** Whose credential this is: authenticated or rejected, never declined. */
    public Outcome authenticate(Credential credential) {
        for (Authenticator authenticator : authenticators) {
            Outcome outcome;
            try {
                outcome = authenticator.authenticate(credential);
            } catch (RuntimeException e) {
                // Only the type: a message could quote the credential.
                return new Outcome.Rejected(
                        Reason.INTERNAL,
                        authenticator.getClass().getSimpleName() + " failed: "
                                + e.getClass().getSimpleName());
            }
            if (!(outcome instanceof Outcome.Declined)) {
                return outcome;
            }
        }
        return new Outcome.Rejected(Reason.CREDENTIAL_UNKNOWN, "no authenticator knows this kind of credential");
    }
}
