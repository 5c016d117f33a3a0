package io.sallyport.issuer.service;

import io.sallyport.base.Reason;
import io.sallyport.base.RejectedException;
import io.sallyport.identity.Assertion;
import io.sallyport.identity.AssertionVerifier;
import io.sallyport.identity.Principal;
import io.sallyport.identity.PrincipalHeader;
import io.sallyport.identity.SandboxClaims;

/** Who ext-authz says is calling. Nothing else that a call carries, a bearer above all, says so here. */
public final class Assertions {
    private final AssertionVerifier verifier;

    public Assertions(AssertionVerifier verifier) {
        this.verifier = verifier;
    }

    /** The token of the sandbox on whose behalf this very method is called. */
    SandboxClaims requireSandbox(Calls.Call call) throws RejectedException {
        Assertion.Caller caller = require(call);
        if (caller instanceof Assertion.Caller.Sandbox(SandboxClaims token)) {
            return token;
        }
        throw new RejectedException(Reason.ASSERTION, "vouches for no sandbox's token");
    }

    /**
     * The pod on whose behalf this very method is called.
     *
     * @throws RejectedException {@link Reason#SERVICE_ACCOUNT_REQUIRED} when it is a sandbox that has a token
     */
    Principal.ServiceAccount requirePod(Calls.Call call) throws RejectedException {
        return switch (require(call)) {
            case Assertion.Caller.Pod(Principal.ServiceAccount pod) -> pod;
            case Assertion.Caller.Sandbox(SandboxClaims token) -> {
                call.sandboxAsked(token.sandbox().value());
                throw new RejectedException(Reason.SERVICE_ACCOUNT_REQUIRED, "");
            }
            case Assertion.Caller.ExtAuthz() -> throw new RejectedException(Reason.ASSERTION, "vouches for no pod");
        };
    }

    /** Ends the call unless ext-authz itself makes it. */
    void requireExtAuthz(Calls.Call call) throws RejectedException {
        if (!(require(call) instanceof Assertion.Caller.ExtAuthz)) {
            throw new RejectedException(Reason.ASSERTION, "vouches for somebody else than ext-authz");
        }
    }

    private Assertion.Caller require(Calls.Call call) throws RejectedException {
        int count = call.headers().assertions().size();
        if (count != 1) {
            throw new RejectedException(Reason.ASSERTION, count == 0 ? "there is none" : "there are " + count);
        }
        Assertion.Caller caller = verifier.verify(call.headers().assertions().getFirst(), call.method())
                .caller();
        call.principal(
                switch (caller) {
                    case Assertion.Caller.Sandbox(SandboxClaims token) ->
                        PrincipalHeader.format(new Principal.Sandbox(token.sandbox(), token));
                    case Assertion.Caller.Pod(Principal.ServiceAccount pod) -> PrincipalHeader.format(pod);
                    case Assertion.Caller.ExtAuthz() -> "ext-authz";
                });
        return caller;
    }
}
