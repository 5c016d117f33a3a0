package io.sallyport.issuer.store;

import java.util.Objects;

/**
 * What people call a sandbox: a name within a workspace.
 *
 * @param workspace 1 to 253 of {@code [A-Za-z0-9._-]}
 * @param name 1 to 253 of {@code [A-Za-z0-9._-]}
 */
public record SandboxName(String workspace, String name) {
    /** The workspace that an empty one stands for. */
    public static final String DEFAULT_WORKSPACE = "default";

    private static final int MAX_LENGTH = 253;

    public SandboxName {
        check("workspace", workspace);
        check("name", name);
    }

    /**
     * The name as a request writes it.
     *
     * @param workspace empty for {@link #DEFAULT_WORKSPACE}
     * @throws IllegalArgumentException with what is wrong
     */
    public static SandboxName of(String workspace, String name) {
        return new SandboxName(workspace.isEmpty() ? DEFAULT_WORKSPACE : workspace, name);
    }

    private static void check(String what, String text) {
        Objects.requireNonNull(text, what + " is null");
        boolean valid = !text.isEmpty() && text.length() <= MAX_LENGTH;
        for (int i = 0; valid && i < text.length(); i++) {
            char c = text.charAt(i);
            valid = (c >= 'a' && c <= 'z')
                    || (c >= 'A' && c <= 'Z')
                    || (c >= '0' && c <= '9')
                    || c == '.'
                    || c == '_'
                    || c == '-';
        }
        if (!valid) {
            throw new IllegalArgumentException("a " + what + " is 1 to 253 of [A-Za-z0-9._-]");
        }
    }

    @Override
    public String toString() {
        return workspace + "/" + name;
    }
}
