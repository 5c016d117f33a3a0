package io.sallyport.identity;

import java.nio.ByteBuffer;
import java.nio.CharBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;

/**
 * {@code x-sandbox-principal}: a principal as a structured field item (RFC 9651), such as
 * {@code sandbox;id="…";source="gateway-jwt"}.
 */
public final class PrincipalHeader {
    public static final String NAME = "x-sandbox-principal";
    public static final String ASSERTION_NAME = "x-sandbox-principal-jwt";

    private PrincipalHeader() {}

    /** The header's value. Text that is not printable ASCII is written as a display string, so that it stays one value. */
    public static String format(Principal principal) {
        return switch (principal) {
            case Principal.Sandbox sandbox -> "sandbox;id=" + text(sandbox.id().value()) + ";source=\"gateway-jwt\"";
            case Principal.ServiceAccount account ->
                "service-account;namespace=" + text(account.namespace()) + ";name=" + text(account.account()) + ";pod="
                        + text(account.pod()) + ";sandbox="
                        + text(account.sandbox().value())
                        + ";source=\"kubernetes\"";
            case Principal.User user -> "user;subject=" + text(user.subject()) + ";source=" + text(user.source());
            case Principal.Anonymous() -> "anonymous";
        };
    }

    /** A string (RFC 9651, section 3.3.3) or, where that cannot say it, a display string (section 3.3.8). */
    private static String text(String value) {
        return value.chars().allMatch(c -> c >= 0x20 && c <= 0x7e) ? string(value) : displayString(value);
    }

    private static String string(String value) {
        return '"' + value.replace("\\", "\\\\").replace("\"", "\\\"") + '"';
    }

    private static String displayString(String value) {
        ByteBuffer utf8;
        try {
            utf8 = StandardCharsets.UTF_8.newEncoder().encode(CharBuffer.wrap(value));
        } catch (CharacterCodingException e) {
            throw new IllegalArgumentException("a principal's text is not Unicode", e);
        }
        StringBuilder result = new StringBuilder("%\"");
        while (utf8.hasRemaining()) {
            byte b = utf8.get();
            if (b < 0x20 || b == 0x7f || b == '%' || b == '"') {
                result.append('%').append(HexFormat.of().toHexDigits(b));
            } else {
                result.append((char) b);
            }
        }
        return result.append('"').toString();
    }
}
