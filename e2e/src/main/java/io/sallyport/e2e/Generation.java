package io.sallyport.e2e;

import java.util.Arrays;
import java.util.stream.Collectors;

/** The two generations of the gateway API that Sallyport stands in front of. */
public enum Generation {
    /** A sandbox's configuration is asked for by id. */
    V0_0("0.0"),
    /** The same field number carries a name, and a workspace stands beside it. */
    V0_1("0.1");

    private final String api;

    Generation(String api) {
        this.api = api;
    }

    /** As command lines spell it: {@code 0.0} or {@code 0.1}. */
    public String api() {
        return api;
    }

    /** The policy preset for it, such as {@code openshell-0.0}. */
    public String preset() {
        return "openshell-" + api;
    }

    /**
     * Reads {@code 0.0}, {@code 0.1} or the name of a preset.
     *
     * @throws IllegalArgumentException with what would be right
     */
    public static Generation parse(String text) {
        return Arrays.stream(values())
                .filter(generation ->
                        generation.api.equals(text) || generation.preset().equals(text))
                .findFirst()
                .orElseThrow(() -> new IllegalArgumentException("expected one of "
                        + Arrays.stream(values()).map(Generation::preset).collect(Collectors.joining(", "))
                        + ", found \"" + text + "\""));
    }

    @Override
    public String toString() {
        return preset();
    }
}
