package io.sallyport.issuer.cli;

import com.google.gson.Strictness;
import com.google.gson.stream.JsonReader;
import com.google.gson.stream.JsonToken;
import com.google.gson.stream.JsonWriter;
import com.google.gson.stream.MalformedJsonException;
import io.sallyport.identity.Digests;
import java.io.IOException;
import java.io.StringReader;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.DateTimeException;
import java.time.Instant;
import java.util.Base64;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * What a token says of itself. Nothing here is verified, and nothing here decides about access: it serves operators'
 * eyes, and the question whether a file still holds the token that was written into it.
 */
final class TokenText {
    /** Longest text that is looked at, in characters. */
    static final int MAX_LENGTH = 64 * 1024;

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
        } catch (IllegalArgumentException | IllegalStateException | IOException e) {
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
        try (JsonWriter json = new JsonWriter(text)) {
            json.setIndent("  ");
            json.beginObject();
            json.name("verification").value("UNVERIFIED");
            json.name("header");
            copy(header, json);
            json.name("claims");
            copy(claims, json);
            for (String name : new String[] {"iat", "exp"}) {
                if (texts.containsKey(name)) {
                    json.name(name.equals("iat") ? "issued" : "expires").value(time(texts.get(name)));
                }
            }
            json.endObject();
        } catch (IOException e) {
            throw new UncheckedIOException("text in memory, which was read before", e);
        }
        return ascii(text.toString());
    }

    /** A claim may hold anything; nothing but ASCII reaches a terminal. Only within texts can there be anything else. */
    private static String ascii(String json) {
        StringBuilder ascii = new StringBuilder(json.length());
        for (int i = 0; i < json.length(); i++) {
            char next = json.charAt(i);
            if (next < 0x7F) {
                ascii.append(next);
            } else {
                ascii.append(String.format("\\u%04x", (int) next));
            }
        }
        return ascii.toString();
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

    private static JsonReader reader(String object) {
        JsonReader json = new JsonReader(new StringReader(object));
        json.setStrictness(Strictness.STRICT);
        return json;
    }

    private static void copy(String object, JsonWriter json) throws IOException {
        try (JsonReader from = reader(object)) {
            copyValue(from, json);
        }
    }

    private static void copyValue(JsonReader from, JsonWriter to) throws IOException {
        switch (from.peek()) {
            case BEGIN_OBJECT -> {
                from.beginObject();
                to.beginObject();
                while (from.hasNext()) {
                    to.name(from.nextName());
                    copyValue(from, to);
                }
                from.endObject();
                to.endObject();
            }
            case BEGIN_ARRAY -> {
                from.beginArray();
                to.beginArray();
                while (from.hasNext()) {
                    copyValue(from, to);
                }
                from.endArray();
                to.endArray();
            }
            case STRING -> to.value(from.nextString());
            // As it is written: a number may be longer than any type has room for.
            case NUMBER -> to.jsonValue(from.nextString());
            case BOOLEAN -> to.value(from.nextBoolean());
            default -> {
                from.nextNull();
                to.nullValue();
            }
        }
    }

    /** Checks that a text is one JSON object in which nothing comes twice, and collects its plain members. */
    private static Map<String, String> scan(String object) throws IOException {
        Map<String, String> plain = new LinkedHashMap<>();
        try (JsonReader json = reader(object)) {
            scanMembers(json, plain);
            if (json.peek() != JsonToken.END_DOCUMENT) {
                throw new MalformedJsonException("more than one value");
            }
        }
        return plain;
    }

    private static void scanMembers(JsonReader json, Map<String, String> plain) throws IOException {
        Set<String> names = new HashSet<>();
        json.beginObject();
        while (json.hasNext()) {
            String name = json.nextName();
            if (!names.add(name)) {
                throw new MalformedJsonException("a member comes twice");
            }
            scanValue(json, text -> plain.put(name, text));
        }
        json.endObject();
    }

    private static void scanValue(JsonReader json, Consumer<String> plain) throws IOException {
        switch (json.peek()) {
            case BEGIN_OBJECT -> scanMembers(json, new HashMap<>());
            case BEGIN_ARRAY -> {
                json.beginArray();
                while (json.hasNext()) {
                    scanValue(json, _ -> {});
                }
                json.endArray();
            }
            case STRING, NUMBER -> plain.accept(json.nextString());
            case BOOLEAN -> plain.accept(String.valueOf(json.nextBoolean()));
            default -> {
                json.nextNull();
                plain.accept("null");
            }
        }
    }

    /** Never the token. */
    @Override
    public String toString() {
        return "TokenText";
    }
}
