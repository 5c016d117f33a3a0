package io.sallyport.extauthz;

import com.google.protobuf.ByteString;
import java.nio.ByteBuffer;
import org.jspecify.annotations.Nullable;

/** The value of an {@code authorization} header as it came: a secret, so it has no text form. */
final class AuthorizationHeader {
    private static final int SCHEME = "bearer ".length();

    private final ByteString value;

    AuthorizationHeader(ByteString value) {
        this.value = value;
    }

    static AuthorizationHeader of(String value) {
        return new AuthorizationHeader(ByteString.copyFromUtf8(value));
    }

    /** The header's text. The secret leaves this object only here and by {@link #afterBearer}. */
    String reveal() {
        return value.toStringUtf8();
    }

    /** What follows {@code bearer} (in any case) and one space, unread; null when the header begins otherwise. */
    @Nullable ByteBuffer afterBearer() {
        if (value.size() <= SCHEME
                || (value.byteAt(0) | 0x20) != 'b'
                || (value.byteAt(1) | 0x20) != 'e'
                || (value.byteAt(2) | 0x20) != 'a'
                || (value.byteAt(3) | 0x20) != 'r'
                || (value.byteAt(4) | 0x20) != 'e'
                || (value.byteAt(5) | 0x20) != 'r'
                || value.byteAt(6) != ' ') {
            return null;
        }
        ByteBuffer token = value.asReadOnlyByteBuffer();
        token.position(token.position() + SCHEME);
        return token;
    }

    @Override
    public String toString() {
        return "AuthorizationHeader[" + value.size() + " bytes]";
    }
}
