package io.sallyport.agent;

/** The two generations of the gateway's API: one names a sandbox by its id, the other by its name. */
enum ApiGeneration {
    OPENSHELL_0_0("0.0"),
    OPENSHELL_0_1("0.1");

    private final String text;

    ApiGeneration(String text) {
        this.text = text;
    }

    /** As it is written on the command line. */
    static ApiGeneration parse(String text) {
        for (ApiGeneration generation : values()) {
            if (generation.text.equals(text)) {
                return generation;
            }
        }
        throw new IllegalArgumentException("expected 0.0 or 0.1, found \"" + text + "\"");
    }

    @Override
    public String toString() {
        return text;
    }
}
