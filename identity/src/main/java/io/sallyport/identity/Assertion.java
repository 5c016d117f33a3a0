package io.sallyport.identity;

import java.util.Objects;

/**
 * What ext-authz vouches for towards the token issuer, for one call of one method ({@code x-sandbox-principal-jwt}).
 *
 * @param caller on whose behalf the call is made
 * @param method the one method it is good for, {@code /package.Service/Method}
 */
public record Assertion(Caller caller, String method) {
    public Assertion {
        Objects.requireNonNull(caller, "caller is null");
        Objects.requireNonNull(method, "method is null");
    }

    /** Who is behind the call. */
    public sealed interface Caller {
        /** A sandbox, by this token of its own. */
        record Sandbox(SandboxClaims token) implements Caller {}

        /** A pod that is this sandbox, and has no token of its own yet. */
        record Pod(Principal.ServiceAccount principal) implements Caller {}

        /** ext-authz itself, asking for records. */
        record ExtAuthz() implements Caller {}
    }
}
