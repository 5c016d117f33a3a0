package io.sallyport.base.settings;

import java.util.List;

/** Settings that cannot be used; the message lists every mistake, one a line. */
public final class InvalidSettingsException extends Exception {
    private static final long serialVersionUID = 1;

    private final List<String> problems;

    public InvalidSettingsException(List<String> problems) {
        super(String.join("\n", problems), null, false, false);
        this.problems = List.copyOf(problems);
    }

    /** Every mistake, in the order of discovery, each with its place and what would be right. */
    public List<String> problems() {
        return problems;
    }
}
