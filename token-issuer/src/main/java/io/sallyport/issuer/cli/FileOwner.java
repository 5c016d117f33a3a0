package io.sallyport.issuer.cli;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Whom a token file is given to, by number: the sandbox's user need not exist on this machine.
 *
 * @param user numeric user id
 * @param group numeric group id
 */
record FileOwner(long user, long group) {
    private static final Pattern FORM = Pattern.compile("(\\d{1,10}):(\\d{1,10})");
    private static final long MAX = 0xffff_fffeL;

    FileOwner {
        if (user > MAX || group > MAX || user < 0 || group < 0) {
            throw new IllegalArgumentException("a user or group id is 0 to " + MAX);
        }
    }

    /** Reads {@code UID:GID}. */
    static FileOwner parse(String text) {
        Matcher matcher = FORM.matcher(text);
        if (!matcher.matches()) {
            throw new IllegalArgumentException("expected UID:GID in numbers, such as 1000:1000");
        }
        return new FileOwner(Long.parseLong(matcher.group(1)), Long.parseLong(matcher.group(2)));
    }
}
