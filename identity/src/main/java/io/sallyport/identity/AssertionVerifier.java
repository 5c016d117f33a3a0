package io.sallyport.identity;

import io.sallyport.base.RejectedException;
import java.time.Duration;
import java.time.InstantSource;

/** Verifies assertions. A sandbox token is never one, and an assertion is never a sandbox token. */
public final class AssertionVerifier {
    public AssertionVerifier(GatewayId gateway, PublicKeys keys, Duration leeway, InstantSource clock) {}

    /**
     * What was vouched for, when it was vouched for this method.
     *
     * @throws RejectedException with {@link io.sallyport.base.Reason#ASSERTION}, whatever is wrong
     */
    public Assertion verify(String assertion, String method) throws RejectedException {
        throw new UnsupportedOperationException("AssertionVerifier.verify");
    }
}
