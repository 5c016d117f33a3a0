package io.sallyport.agent;

import com.google.gson.Strictness;
import com.google.gson.stream.JsonReader;
import com.google.gson.stream.JsonToken;
import java.io.IOException;
import java.io.Reader;
import java.io.StringReader;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Instant;
import java.util.Base64;
import java.util.HexFormat;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/**
 * What a token says of itself, for people to look at. Nothing of it has been verified.
 *
 * @param subject {@code sub}
 * @param sandboxId {@code sandbox_id}
 * @param expiresAt {@code exp}; empty when there is none or it is 0
 * @param generation {@code gen}, the token's place in its lineage; 0 for a bootstrap token and where there is none
 */
record UnverifiedToken(
        Optional<String> subject, Optional<String> sandboxId, Optional<Instant> expiresAt, long generation) {
    /** {@code sha256:} and the token's SHA-256 in hex: tells tokens apart and gives none away. */
    static String fingerprint(String token) {
        try {
            byte[] digest = MessageDigest.getInstance("SHA-256").digest(token.getBytes(StandardCharsets.US_ASCII));
            return "sha256:" + HexFormat.of().formatHex(digest);
        } catch (NoSuchAlgorithmException e) {
            throw new IllegalStateException("every JDK has SHA-256", e);
        }
    }

    /** Reads the payload; empty when the token is not a JWT. */
    static Optional<UnverifiedToken> read(String token) {
        String[] parts = token.split("\\.", -1);
        if (parts.length != 3) {
            return Optional.empty();
        }
        String subject = null;
        String sandboxId = null;
        long expiry = 0;
        long generation = 0;
        try (JsonReader json = new JsonReader(payload(parts[1]))) {
            json.setStrictness(Strictness.STRICT);
            json.beginObject();
            while (json.hasNext()) {
                switch (json.nextName()) {
                    case "sub" -> subject = text(json);
                    case "sandbox_id" -> sandboxId = text(json);
                    case "exp" -> expiry = whole(json);
                    case "gen" -> generation = whole(json);
                    default -> json.skipValue();
                }
            }
            json.endObject();
        } catch (IllegalArgumentException | IllegalStateException | IOException e) {
            return Optional.empty();
        }
        boolean ends = expiry > 0 && expiry <= 253_402_300_799L;
        return Optional.of(new UnverifiedToken(
                Optional.ofNullable(subject),
                Optional.ofNullable(sandboxId),
                ends ? Optional.of(Instant.ofEpochSecond(expiry)) : Optional.empty(),
                generation));
    }

    private static Reader payload(String part) {
        return new StringReader(new String(Base64.getUrlDecoder().decode(part), StandardCharsets.UTF_8));
    }

    /** A text; null for anything else. */
    private static @Nullable String text(JsonReader json) throws IOException {
        if (json.peek() == JsonToken.STRING) {
            return json.nextString();
        }
        json.skipValue();
        return null;
    }

    /** A whole number of 64 bits; 0 for anything else. */
    private static long whole(JsonReader json) throws IOException {
        if (json.peek() != JsonToken.NUMBER) {
            json.skipValue();
            return 0;
        }
        try {
            return Long.parseLong(json.nextString());
        } catch (NumberFormatException e) {
            return 0;
        }
    }
}
