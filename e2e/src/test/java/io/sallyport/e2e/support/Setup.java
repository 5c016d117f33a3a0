package io.sallyport.e2e.support;

import io.sallyport.e2e.Generation;
import io.sallyport.e2e.gateway.GatewayMode;

/** What stands behind Envoy in a run of the tests: every row runs before each of them. */
public enum Setup {
    V0_0_TRUSTING(Generation.V0_0, GatewayMode.TRUSTING),
    V0_0_UNCHANGED(Generation.V0_0, GatewayMode.UNCHANGED),
    V0_1_TRUSTING(Generation.V0_1, GatewayMode.TRUSTING),
    V0_1_UNCHANGED(Generation.V0_1, GatewayMode.UNCHANGED);

    private final Generation generation;
    private final GatewayMode mode;

    Setup(Generation generation, GatewayMode mode) {
        this.generation = generation;
        this.mode = mode;
    }

    public Generation generation() {
        return generation;
    }

    public GatewayMode mode() {
        return mode;
    }
}
