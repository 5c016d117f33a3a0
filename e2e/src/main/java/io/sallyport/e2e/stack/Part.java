package io.sallyport.e2e.stack;

/** The programs that a stack is made of, in the order in which they are stopped. */
public enum Part {
    ENVOY("envoy", "starting workers"),
    EXT_AUTHZ("ext-authz", ": ready "),
    ISSUER("token-issuer", ": ready "),
    GATEWAY("gateway", ": ready ");

    private final String spelling;
    private final String readyMark;

    Part(String spelling, String readyMark) {
        this.spelling = spelling;
        this.readyMark = readyMark;
    }

    /** The name in file names and messages; for ours, the module's folder too. */
    public String spelling() {
        return spelling;
    }

    /** What stands in the log line that says the program is ready. */
    String readyMark() {
        return readyMark;
    }
}
