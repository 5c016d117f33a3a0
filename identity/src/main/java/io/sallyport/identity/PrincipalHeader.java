package io.sallyport.identity;

/**
 * {@code x-sandbox-principal}: a principal as a structured field item (RFC 9651), such as
 * {@code sandbox;id="…";source="gateway-jwt"}.
 */
public final class PrincipalHeader {
    public static final String NAME = "x-sandbox-principal";
    public static final String ASSERTION_NAME = "x-sandbox-principal-jwt";

    private PrincipalHeader() {}

    public static String format(Principal principal) {
        throw new UnsupportedOperationException("PrincipalHeader.format");
    }
}
