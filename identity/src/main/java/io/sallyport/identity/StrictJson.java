package io.sallyport.identity;

import com.google.gson.Strictness;
import com.google.gson.stream.JsonReader;
import com.google.gson.stream.JsonToken;
import com.google.gson.stream.MalformedJsonException;
import java.io.IOException;
import java.io.StringReader;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;

/**
 * Reads a JSON object in the one way every reader would (RFC 8259, I-JSON): valid UTF-8, no half of a surrogate pair, no
 * member twice at any depth, nothing before the object or after it.
 *
 * <p>Only what tokens are made of is kept: texts, whole numbers, objects. Any other value is remembered as
 * {@link Value.Other}, so that a claim of the wrong type is never mistaken for a missing one.
 */
final class StrictJson {
    /** Objects and lists within each other. */
    private static final int MAX_DEPTH = 8;

    private StrictJson() {}

    /** A member's value. */
    sealed interface Value {
        record Text(String text) implements Value {}

        /** A number written without fraction and exponent that fits 64 bits. */
        record Whole(long number) implements Value {}

        record Nested(Map<String, Value> members) implements Value {}

        /** Anything else: a list, a fraction, true, false, null. */
        record Other() implements Value {}
    }

    /** The members of the object; empty when the bytes are not strictly one JSON object. */
    static Optional<Map<String, Value>> parse(byte[] utf8) {
        String text;
        try {
            text = StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(utf8))
                    .toString();
        } catch (CharacterCodingException e) {
            return Optional.empty();
        }
        // The reader skips a byte order mark and blanks; a token begins with its object.
        if (!text.startsWith("{")) {
            return Optional.empty();
        }
        try (JsonReader json = new JsonReader(new StringReader(text))) {
            json.setStrictness(Strictness.STRICT);
            json.setNestingLimit(MAX_DEPTH);
            Map<String, Value> members = members(json);
            return json.peek() == JsonToken.END_DOCUMENT ? Optional.of(members) : Optional.empty();
        } catch (IOException e) {
            return Optional.empty();
        }
    }

    private static Map<String, Value> members(JsonReader json) throws IOException {
        Map<String, Value> members = new HashMap<>();
        json.beginObject();
        while (json.hasNext()) {
            if (members.put(wellFormed(json.nextName()), value(json)) != null) {
                throw new MalformedJsonException("a member comes twice");
            }
        }
        json.endObject();
        return members;
    }

    private static Value value(JsonReader json) throws IOException {
        return switch (json.peek()) {
            case STRING -> new Value.Text(wellFormed(json.nextString()));
            case NUMBER -> number(json.nextString());
            case BEGIN_OBJECT -> new Value.Nested(members(json));
            case BEGIN_ARRAY -> {
                json.beginArray();
                while (json.hasNext()) {
                    // Looked at, since a member may come twice in there.
                    var _ = value(json);
                }
                json.endArray();
                yield new Value.Other();
            }
            default -> {
                json.skipValue();
                yield new Value.Other();
            }
        };
    }

    /** An escape can write half a character: some readers refuse that, and others make the same of each. */
    private static String wellFormed(String text) throws MalformedJsonException {
        for (int at = 0; at < text.length(); ) {
            int point = text.codePointAt(at);
            if (point >= Character.MIN_SURROGATE && point <= Character.MAX_SURROGATE) {
                throw new MalformedJsonException("half a surrogate pair");
            }
            at += Character.charCount(point);
        }
        return text;
    }

    private static Value number(String text) {
        try {
            return new Value.Whole(Long.parseLong(text));
        } catch (NumberFormatException e) {
            return new Value.Other();
        }
    }
}
