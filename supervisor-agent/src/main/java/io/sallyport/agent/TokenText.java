package io.sallyport.agent;

/** What may stand after {@code Bearer}. */
final class TokenText {
    private TokenText() {}

    /** RFC 6750's characters and nothing else, so that a token never adds a header of its own. */
    static boolean isToken(String text) {
        return !text.isEmpty() && text.chars().allMatch(TokenText::isTokenCharacter);
    }

    private static boolean isTokenCharacter(int c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || "-._~+/=".indexOf(c) >= 0;
    }
}
