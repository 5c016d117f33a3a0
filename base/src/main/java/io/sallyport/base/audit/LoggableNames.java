package io.sallyport.base.audit;

import java.util.regex.Pattern;

/** Names of sandboxes as they may stand in a log: a request can put anything where a name belongs, a token too. */
public final class LoggableNames {
    private static final Pattern NAME = Pattern.compile("[A-Za-z0-9._-]{1,253}");

    private LoggableNames() {}

    /** The same, if it is an id, or {@code workspace/name}, or empty; otherwise the remark that it is none. */
    public static String of(String asked) {
        int slash = asked.indexOf('/');
        boolean names = slash < 0
                ? NAME.matcher(asked).matches()
                : NAME.matcher(asked.substring(0, slash)).matches()
                        && NAME.matcher(asked.substring(slash + 1)).matches();
        return names ? asked : asked.isEmpty() ? "" : "(not a name)";
    }
}
