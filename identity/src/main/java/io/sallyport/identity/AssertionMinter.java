package io.sallyport.identity;

import java.time.Duration;
import java.time.InstantSource;

/** Signs assertions: own {@code typ}, own key, seconds of life. */
public final class AssertionMinter {
    public AssertionMinter(GatewayId gateway, SigningKey key, Duration lifetime, InstantSource clock) {}

    public String mint(Assertion assertion) {
        throw new UnsupportedOperationException("AssertionMinter.mint");
    }
}
