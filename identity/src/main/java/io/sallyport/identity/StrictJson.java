package io.sallyport.identity;

import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.Map;
import java.util.Optional;
import tools.jackson.core.JacksonException;
import tools.jackson.core.JsonParser;
import tools.jackson.core.JsonToken;
import tools.jackson.core.ObjectReadContext;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.core.json.JsonFactory;

/**
 * Reads a JSON object in the one way every reader would (RFC 8259, I-JSON): valid UTF-8, no member twice at any depth,
 * nothing after the object.
 *
 * <p>Only what tokens are made of is kept: texts, whole numbers, objects. Any other value is remembered as
 * {@link Value.Other}, so that a claim of the wrong type is never mistaken for a missing one.
 */
final class StrictJson {
    private static final JsonFactory JSON = JsonFactory.builder()
            .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
            .streamReadConstraints(StreamReadConstraints.builder()
                    .maxNestingDepth(8)
                    .maxNumberLength(32)
                    .maxStringLength(8192)
                    .maxNameLength(1024)
                    .build())
            .build();

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
        try (JsonParser json = JSON.createParser(ObjectReadContext.empty(), text)) {
            if (json.nextToken() != JsonToken.START_OBJECT) {
                return Optional.empty();
            }
            Map<String, Value> members = members(json);
            return json.nextToken() == null ? Optional.of(members) : Optional.empty();
        } catch (JacksonException e) {
            return Optional.empty();
        }
    }

    private static Map<String, Value> members(JsonParser json) {
        Map<String, Value> members = new HashMap<>();
        while (json.nextToken() == JsonToken.PROPERTY_NAME) {
            String name = json.currentName();
            members.put(name, value(json, json.nextToken()));
        }
        return members;
    }

    private static Value value(JsonParser json, JsonToken token) {
        return switch (token) {
            case VALUE_STRING -> new Value.Text(json.getString());
            case VALUE_NUMBER_INT ->
                switch (json.getNumberType()) {
                    case INT, LONG -> new Value.Whole(json.getLongValue());
                    default -> new Value.Other();
                };
            case START_OBJECT -> new Value.Nested(members(json));
            case START_ARRAY -> {
                json.skipChildren();
                yield new Value.Other();
            }
            default -> new Value.Other();
        };
    }
}
