package io.sallyport.agent;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.time.Instant;
import java.util.Base64;
import java.util.HexFormat;
import java.util.Optional;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.json.JsonFactory;

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
    private static final JsonFactory JSON = new JsonFactory();

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
        try (JsonParser json = JSON.createParser(
                ObjectReadContext.empty(), Base64.getUrlDecoder().decode(parts[1]))) {
            if (json.nextToken() != JsonToken.START_OBJECT) {
                return Optional.empty();
            }
            while (json.nextToken() == JsonToken.PROPERTY_NAME) {
                String name = json.currentName();
                JsonToken value = json.nextToken();
                switch (name) {
                    case "sub" -> subject = value == JsonToken.VALUE_STRING ? json.getString() : null;
                    case "sandbox_id" -> sandboxId = value == JsonToken.VALUE_STRING ? json.getString() : null;
                    case "exp" -> expiry = value == JsonToken.VALUE_NUMBER_INT ? json.getLongValue() : 0;
                    case "gen" -> generation = value == JsonToken.VALUE_NUMBER_INT ? json.getLongValue() : 0;
                    default -> json.skipChildren();
                }
            }
        } catch (IllegalArgumentException | JacksonException e) {
            return Optional.empty();
        }
        boolean ends = expiry > 0 && expiry <= 253_402_300_799L;
        return Optional.of(new UnverifiedToken(
                Optional.ofNullable(subject),
                Optional.ofNullable(sandboxId),
                ends ? Optional.of(Instant.ofEpochSecond(expiry)) : Optional.empty(),
                generation));
    }
}
