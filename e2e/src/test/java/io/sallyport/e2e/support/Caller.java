package io.sallyport.e2e.support;

import io.sallyport.e2e.gateway.KnownSandbox;

/**
 * A sandbox with a token of its own.
 *
 * @param sandbox as registered
 * @param token a good one; a secret of the test
 */
public record Caller(KnownSandbox sandbox, String token) {
    public String id() {
        return sandbox.id();
    }

    @Override
    public String toString() {
        return sandbox.spelling();
    }
}
