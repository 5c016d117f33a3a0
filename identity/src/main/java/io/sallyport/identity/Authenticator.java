package io.sallyport.identity;

import io.sallyport.base.Reason;

/** One way to find out who is calling. */
public interface Authenticator {
    /** Looks at a credential. Never throws for a bad one. */
    Outcome authenticate(Credential credential);

    /**
     * What a request carried.
     *
     * @param scheme the authentication scheme in lower case (RFC 9110: it is case-insensitive), such as {@code bearer}
     * @param value what followed the scheme; a secret
     * @param method the method called, {@code /package.Service/Method}
     */
    record Credential(String scheme, String value, String method) {
        @Override
        public String toString() {
            return "Credential[" + scheme + ", " + method + "]";
        }
    }

    /** What an authenticator found. */
    sealed interface Outcome {
        /** It is this principal. */
        record Authenticated(Principal principal) implements Outcome {}

        /** Not a credential of my kind: the next one tries. */
        record Declined() implements Outcome {}

        /** A credential of my kind, and a bad one: the request ends. */
        record Rejected(Reason reason, String detail) implements Outcome {}
    }
}
