package io.sallyport.identity;

import io.sallyport.base.Reason;
import io.sallyport.base.RejectedException;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Reads the {@code authorization} header (RFC 9110, section 11.6.2; RFC 6750, section 2.1) in exactly one way: one
 * credential, the scheme in any case, one space, one token.
 */
public final class AuthorizationHeader {
    private static final String BEARER = "bearer";

    private AuthorizationHeader() {}

    /**
     * The credential of a request.
     *
     * @param header the header as Envoy hands it on (several are joined by a comma), or null when there was none
     * @param method the method called, {@code /package.Service/Method}
     * @throws RejectedException NO_CREDENTIAL without header; SEVERAL_CREDENTIALS with more than one; CREDENTIAL_SCHEME
     *     when it is not a bearer; TOKEN_MALFORMED when no token follows after exactly one space
     */
    public static Authenticator.Credential parse(@Nullable String header, String method) throws RejectedException {
        if (header == null) {
            throw new RejectedException(Reason.NO_CREDENTIAL, "no authorization header");
        }
        // A bearer token has no comma (RFC 6750), so this is a second header, or a scheme we do not take anyway.
        if (header.indexOf(',') >= 0) {
            throw new RejectedException(Reason.SEVERAL_CREDENTIALS, "more than one authorization header");
        }
        int space = header.indexOf(' ');
        String scheme = (space < 0 ? header : header.substring(0, space)).toLowerCase(Locale.ROOT);
        if (!scheme.equals(BEARER)) {
            throw new RejectedException(Reason.CREDENTIAL_SCHEME, "the scheme is not bearer");
        }
        String value = space < 0 ? "" : header.substring(space + 1);
        if (!isToken68(value)) {
            throw new RejectedException(Reason.TOKEN_MALFORMED, "not one space and one token after the scheme");
        }
        return new Authenticator.Credential(BEARER, value, method);
    }

    /** {@code 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="}. */
    private static boolean isToken68(String value) {
        int end = value.length();
        while (end > 0 && value.charAt(end - 1) == '=') {
            end--;
        }
        for (int i = 0; i < end; i++) {
            char c = value.charAt(i);
            boolean allowed = (c >= 'a' && c <= 'z')
                    || (c >= 'A' && c <= 'Z')
                    || (c >= '0' && c <= '9')
                    || c == '-'
                    || c == '.'
                    || c == '_'
                    || c == '~'
                    || c == '+'
                    || c == '/';
            if (!allowed) {
                return false;
            }
        }
        return end > 0;
    }
}
