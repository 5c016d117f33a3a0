package io.sallyport.identity;

import java.util.Objects;

/**
 * The gateway a token is for. Everything in a token that names it is derived here.
 *
 * @param value 1 to 128 of {@code [A-Za-z0-9._-]}
 */
public record GatewayId(String value) {
    private static final String SUBJECT_PREFIX = "spiffe://openshell/sandbox/";

    public GatewayId {
        Objects.requireNonNull(value, "value is null");
        if (!SandboxId.isValid(value)) {
            throw new IllegalArgumentException("a gateway id is 1 to 128 of [A-Za-z0-9._-]");
        }
    }

    /** {@code iss} and {@code aud} of sandbox tokens. */
    public String tokenIssuer() {
        return "openshell-gateway:" + value;
    }

    /** {@code sub} of a sandbox's tokens: its SPIFFE id. */
    public static String subject(SandboxId sandbox) {
        return SUBJECT_PREFIX + sandbox.value();
    }

    /** {@code iss} of the assertions that ext-authz signs. */
    public String assertionIssuer() {
        return "sallyport-ext-authz:" + value;
    }

    /** {@code aud} of the assertions that the token issuer accepts. */
    public String assertionAudience() {
        return "sallyport-token-issuer:" + value;
    }
}
