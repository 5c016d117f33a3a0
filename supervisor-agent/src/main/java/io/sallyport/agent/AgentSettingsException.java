package io.sallyport.agent;

import java.util.List;

/** An environment that cannot be used; the message lists every mistake, one a line. */
public final class AgentSettingsException extends Exception {
    private static final long serialVersionUID = 1;

    private final List<String> problems;

    public AgentSettingsException(List<String> problems) {
        super(String.join("\n", problems), null, false, false);
        this.problems = List.copyOf(problems);
    }

    /** Every mistake, each naming its variable and what would be right. */
    public List<String> problems() {
        return problems;
    }
}
