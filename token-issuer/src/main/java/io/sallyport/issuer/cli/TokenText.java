package io.sallyport.issuer.cli;

import io.sallyport.identity.Digests;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonGenerator;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.ObjectWriteContext;
import tools.jackson.core.PrettyPrinter;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.json.JsonFactory;
import tools.jackson.core.json.JsonWriteFeature;
import tools.jackson.core.util.DefaultPrettyPrinter;

/**
 * What a token says of itself. Nothing here is verified, and nothing here decides about access: it serves operators'
 * eyes, and the question whether a file still holds the token that was written into it.
 */
final class TokenText {
    /** Longest text that is looked at, in characters. */
    static final int MAX_LENGTH = 64 * 1024;

    private static final JsonFactory JSON = JsonFactory.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            // A claim may hold anything; nothing but ASCII reaches a terminal.
            .enable(JsonWriteFeature.ESCAPE_NON_ASCII)
            .build();

    private final String text;
    private final String header;
    private final String claims;
    private final Map<String, String> texts;

    private TokenText(String text, String header, String claims, Map<String, String> texts) {
        this.text = text;
        this.header = header;
        this.claims = claims;
        this.texts = texts;
    }

    /** Reads header and claims of a compact JWS (RFC 7515); empty when the text is not one. */
    static Optional<TokenText> read(String text) {
        String token = text.strip();
        String[] parts = token.split("\\.", -1);
        if (token.length() > MAX_LENGTH || parts.length != 3) {
            return Optional.empty();
        }
        try {
            String header = decode(parts[0]);
            String claims = decode(parts[1]);
            scan(header);
            Base64.getUrlDecoder().decode(parts[2]);
            return Optional.of(new TokenText(token, header, claims, scan(claims)));
        } catch (IllegalArgumentException | JacksonException e) {
            return Optional.empty();
        }
    }

    /** The claim {@code sandbox_id}, or empty. */
    Optional<String> sandbox() {
        return Optional.ofNullable(texts.get("sandbox_id"));
    }

    /** What the token is called: the claim {@code jti}, or what {@link Digests#tokenId} makes of a token without one. */
    String tokenId() {
        String id = texts.get("jti");
        return id == null ? Digests.tokenId(text) : id;
    }

    /** The claim {@code lin}, or empty. */
    Optional<String> lineage() {
        return Optional.ofNullable(texts.get("lin"));
    }

    /** Header and claims as JSON, with the times in words, marked as unverified. Never the signature. */
    String toJson() {
        StringWriter text = new StringWriter();
        try (JsonGenerator json = JSON.createGenerator(
                new ObjectWriteContext.Base() {
                    @Override
                    public PrettyPrinter getPrettyPrinter() {
                        return new DefaultPrettyPrinter();
                    }
                },
                text)) {
            json.writeStartObject();
            json.writeStringProperty("verification", "UNVERIFIED");
            json.writeName("header");
            copy(header, json);
            json.writeName("claims");
            copy(claims, json);
            for (String name : new String[] {"iat", "exp"}) {
                if (texts.containsKey(name)) {
                    json.writeStringProperty(name.equals("iat") ? "issued" : "expires", time(texts.get(name)));
                }
            }
            json.writeEndObject();
        }
        return text.toString();
    }

    private static String time(@Nullable String seconds) {
        try {
            long at = Long.parseLong(Objects.requireNonNullElse(seconds, ""));
            return at == 0 ? "never" : Instant.ofEpochSecond(at).toString();
        } catch (NumberFormatException | DateTimeException e) {
            return "not a time";
        }
    }

    private static String decode(String part) {
        return new String(Base64.getUrlDecoder().decode(part), StandardCharsets.UTF_8);
    }

    private static void copy(String object, JsonGenerator json) {
        try (JsonParser parser = JSON.createParser(ObjectReadContext.empty(), object)) {
            parser.nextToken();
            json.copyCurrentStructure(parser);
        }
    }

    /** Checks that a text is one JSON object, and collects its plain members. */
    private static Map<String, String> scan(String object) {
        Map<String, String> plain = new LinkedHashMap<>();
        try (JsonParser parser = JSON.createParser(ObjectReadContext.empty(), object)) {
            if (parser.nextToken() != JsonToken.START_OBJECT) {
                throw new IllegalArgumentException("not an object");
            }
            while (parser.nextToken() != JsonToken.END_OBJECT) {
                String name = parser.currentName();
                JsonToken value = parser.nextToken();
                if (value.isScalarValue()) {
                    plain.put(name, parser.getString());
                } else {
                    parser.skipChildren();
                }
            }
            if (parser.nextToken() != null) {
                throw new IllegalArgumentException("more than one value");
            }
        }
        return plain;
    }

    /** Never the token. */
    @Override
    public String toString() {
        return "TokenText";
    }
}
