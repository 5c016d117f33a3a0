package io.sallyport.identity;

import java.util.Objects;

/**
 * The id of a sandbox: 1 to 128 of {@code [A-Za-z0-9._-]}, compared byte for byte.
 *
 * @param value the id as it stands in tokens and requests
 */
public record SandboxId(String value) {
    private static final int MAX_LENGTH = 128;

    public SandboxId {
        Objects.requireNonNull(value, "value is null");
        if (!isValid(value)) {
            throw new IllegalArgumentException("a sandbox id is 1 to 128 of [A-Za-z0-9._-]");
        }
    }

    /** Whether a text could be a sandbox id. */
    public static boolean isValid(String text) {
        if (text.isEmpty() || text.length() > MAX_LENGTH) {
            return false;
        }
        for (int i = 0; i < text.length(); i++) {
            char c = text.charAt(i);
            boolean allowed = (c >= 'a' && c <= 'z')
                    || (c >= 'A' && c <= 'Z')
                    || (c >= '0' && c <= '9')
                    || c == '.'
                    || c == '_'
                    || c == '-';
            if (!allowed) {
                return false;
            }
        }
        return true;
    }

    @Override
    public String toString() {
        return value;
    }
}
