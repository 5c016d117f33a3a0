package io.sallyport.identity;

import io.sallyport.base.RejectedException;
import java.time.Duration;
import java.util.Objects;

/**
 * Knows sandbox tokens that are good, or were until a while ago: for requests to renew one, and for nothing else. It
 * remembers nothing, so nothing it says can be found by another method.
 */
public final class RenewableTokenAuthenticator implements Authenticator {
    private final SandboxTokenVerifier verifier;
    private final Duration window;

    /** @param window how long after its end a token can be renewed; the leeway comes on top */
    public RenewableTokenAuthenticator(SandboxTokenVerifier verifier, Duration window) {
        this.verifier = Objects.requireNonNull(verifier, "verifier is null");
        this.window = Objects.requireNonNull(window, "window is null");
    }

    @Override
    public Outcome authenticate(Credential credential) {
        if (!credential.scheme().equals("bearer")) {
            return new Outcome.Declined();
        }
        try {
            SandboxClaims claims = verifier.verifyForRenewal(credential.value(), window);
            return new Outcome.Authenticated(new Principal.Sandbox(claims.sandbox(), claims));
        } catch (RejectedException e) {
            return new Outcome.Rejected(e.reason(), e.detail());
        }
    }
}
