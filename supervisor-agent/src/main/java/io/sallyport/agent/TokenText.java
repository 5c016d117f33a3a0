package io.sallyport.agent;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** What may stand after {@code Bearer}. */
final class TokenText {
    private static final int MAX_BYTES = 64 * 1024;

    private TokenText() {}

    /**
     * The one token in a file.
     *
     * @param remedy what to do where there is none
     * @throws TokenUnavailableException with what is wrong with the file, and the remedy
     */
    static String read(Path file, String remedy) throws TokenUnavailableException {
        String problem;
        try (InputStream in = Files.newInputStream(file)) {
            byte[] bytes = in.readNBytes(MAX_BYTES + 1);
            String text = new String(bytes, StandardCharsets.ISO_8859_1).strip();
            if (bytes.length > MAX_BYTES) {
                problem = "is too big for a token file";
            } else if (isToken(text)) {
                return text;
            } else {
                problem = text.isEmpty() ? "is empty" : "does not hold one bearer token";
            }
        } catch (IOException e) {
            problem = unreadable(e);
        }
        throw new TokenUnavailableException(file + ": " + problem + "; " + remedy);
    }

    /** In words that name no more than the kind of failure. */
    static String unreadable(IOException e) {
        return "cannot be read (" + e.getClass().getSimpleName() + ")";
    }

    /** RFC 6750's characters and nothing else, so that a token never adds a header of its own. */
    static boolean isToken(String text) {
        return !text.isEmpty() && text.chars().allMatch(TokenText::isTokenCharacter);
    }

    private static boolean isTokenCharacter(int c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || "-._~+/=".indexOf(c) >= 0;
    }
}
