package io.sallyport.e2e.stack;

import java.util.LinkedHashMap;
import java.util.Map;
import org.snakeyaml.engine.v2.api.Dump;
import org.snakeyaml.engine.v2.api.DumpSettings;
import org.snakeyaml.engine.v2.common.FlowStyle;

/** Settings files, from dotted keys. */
final class Yaml {
    private Yaml() {}

    /**
     * Writes {@code a.b: v} as {@code a: {b: v}}.
     *
     * @param settings by dotted key; nested maps and lists are values like any other
     * @param overrides win over settings; a null value takes the key away
     */
    static String write(Map<String, ?> settings, Map<String, ?> overrides) {
        Map<String, Object> flat = new LinkedHashMap<>(settings);
        overrides.forEach((key, value) -> {
            flat.keySet().removeIf(other -> other.startsWith(key + ".") || key.startsWith(other + "."));
            flat.put(key, value);
        });
        Map<String, Object> nested = new LinkedHashMap<>();
        flat.forEach((key, value) -> {
            if (!StackOptions.ABSENT.equals(value)) {
                put(nested, key, value);
            }
        });
        return new Dump(DumpSettings.builder()
                        .setDefaultFlowStyle(FlowStyle.BLOCK)
                        .build())
                .dumpToString(nested);
    }

    @SuppressWarnings("unchecked") // every inner map was made here
    private static void put(Map<String, Object> into, String key, Object value) {
        int dot = key.indexOf('.');
        if (dot < 0) {
            into.put(key, value);
            return;
        }
        Map<String, Object> inner =
                (Map<String, Object>) into.computeIfAbsent(key.substring(0, dot), name -> new LinkedHashMap<>());
        put(inner, key.substring(dot + 1), value);
    }
}
