package io.sallyport.extauthz.envoy;

import com.google.protobuf.InvalidProtocolBufferException;
import java.util.Collections;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.TreeMap;

/**
 * What one filter of Envoy's tells the next: a {@code google.protobuf.Struct}, as far as it has texts and numbers.
 *
 * @param texts by their names
 * @param numbers by their names
 */
public record DynamicMetadata(Map<String, String> texts, Map<String, Double> numbers) {
    /** Says nothing. */
    public static final DynamicMetadata NONE = new DynamicMetadata(Map.of(), Map.of());

    private static final int STRUCT_FIELDS = 1;
    private static final int ENTRY_KEY = 1;
    private static final int ENTRY_VALUE = 2;
    private static final int VALUE_NUMBER = 2;
    private static final int VALUE_STRING = 3;

    public DynamicMetadata {
        texts = Collections.unmodifiableMap(new TreeMap<>(texts));
        numbers = Collections.unmodifiableMap(new TreeMap<>(numbers));
    }

    /**
     * Reads a {@code Struct}.
     *
     * @throws InvalidProtocolBufferException when it is none, says two things under one name, or anything else than a text
     *     or a number
     */
    public static DynamicMetadata read(Fields struct) throws InvalidProtocolBufferException {
        Map<String, String> texts = new TreeMap<>();
        Map<String, Double> numbers = new TreeMap<>();
        for (Fields entry : struct.messages(STRUCT_FIELDS)) {
            String name = entry.text(ENTRY_KEY);
            Fields value = entry.message(ENTRY_VALUE);
            if (texts.containsKey(name) || numbers.containsKey(name) || value.count() != 1) {
                throw new InvalidProtocolBufferException("not one value under one name");
            }
            if (value.has(VALUE_STRING)) {
                texts.put(name, value.text(VALUE_STRING));
            } else if (value.has(VALUE_NUMBER)) {
                numbers.put(name, value.real(VALUE_NUMBER));
            } else {
                throw new InvalidProtocolBufferException("neither a text nor a number");
            }
        }
        return new DynamicMetadata(texts, numbers);
    }

    /** With a text more. */
    public DynamicMetadata with(String name, String text) {
        Map<String, String> more = new TreeMap<>(texts);
        more.put(name, text);
        return new DynamicMetadata(more, numbers);
    }

    /** With a number more. */
    public DynamicMetadata with(String name, double number) {
        Map<String, Double> more = new TreeMap<>(numbers);
        more.put(name, number);
        return new DynamicMetadata(texts, more);
    }

    /** Whether there is anything under a name. */
    public boolean says(String name) {
        return texts.containsKey(name) || numbers.containsKey(name);
    }

    public Optional<String> text(String name) {
        return Optional.ofNullable(texts.get(name));
    }

    public OptionalDouble number(String name) {
        Double number = numbers.get(name);
        return number == null ? OptionalDouble.empty() : OptionalDouble.of(number);
    }

    /** As a {@code Struct}. */
    public Fields toFields() {
        Fields struct = Fields.NONE;
        for (Map.Entry<String, String> text : texts.entrySet()) {
            struct = struct.with(STRUCT_FIELDS, entry(text.getKey(), Fields.NONE.with(VALUE_STRING, text.getValue())));
        }
        for (Map.Entry<String, Double> number : numbers.entrySet()) {
            struct = struct.with(
                    STRUCT_FIELDS, entry(number.getKey(), Fields.NONE.withReal(VALUE_NUMBER, number.getValue())));
        }
        return struct;
    }

    private static Fields entry(String name, Fields value) {
        return Fields.NONE.with(ENTRY_KEY, name).with(ENTRY_VALUE, value);
    }
}
