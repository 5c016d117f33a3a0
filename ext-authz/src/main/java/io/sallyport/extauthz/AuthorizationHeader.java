package io.sallyport.extauthz;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.jspecify.annotations.Nullable;

/** The value of an {@code authorization} header as it came: a secret, so it has no text form. */
final class AuthorizationHeader {
    private static final byte[] SCHEME = "bearer ".getBytes(StandardCharsets.US_ASCII);

    private final byte[] message;
    private final int at;
    private final int length;

    /** The header that lies there in a message; nobody may write to the message afterwards. */
    AuthorizationHeader(byte[] message, int at, int length) {
        this.message = message;
        this.at = at;
        this.length = length;
    }

    /** The header's text. The secret leaves this object only here and by {@link #afterBearer}. */
    String reveal() {
        return new String(message, at, length, StandardCharsets.UTF_8);
    }

    /** What follows {@code bearer} (in any case) and one space, unread; null when the header begins otherwise. */
    @Nullable ByteBuffer afterBearer() {
        if (length <= SCHEME.length) {
            return null;
        }
        for (int i = 0; i < SCHEME.length; i++) {
            byte b = message[at + i];
            if (b != SCHEME[i] && (b < 'A' || b > 'Z' || b + ('a' - 'A') != SCHEME[i])) {
                return null;
            }
        }
        return ByteBuffer.wrap(message, at + SCHEME.length, length - SCHEME.length);
    }

    @Override
    public String toString() {
        return "AuthorizationHeader[" + length + " bytes]";
    }
}
