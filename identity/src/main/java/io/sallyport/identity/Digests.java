package io.sallyport.identity;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** Names that follow from texts. */
public final class Digests {
    private static final String TOKEN = "sha256-";

    private Digests() {}

    /**
     * What a token without a {@code jti} is called, in the audit log and when it is revoked: {@code sha256-} and the SHA-256
     * of its text in hex. A token has one canonical text, so it has one such name.
     */
    public static String tokenId(String token) {
        return TOKEN + sha256(token);
    }

    /** The SHA-256 of a text's UTF-8 bytes, in hex. */
    public static String sha256(String text) {
        try {
            MessageDigest digest = MessageDigest.getInstance("SHA-256");
            return HexFormat.of().formatHex(digest.digest(text.getBytes(StandardCharsets.UTF_8)));
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }
}
