package io.sallyport.extauthz;

import io.sallyport.extauthz.envoy.CheckResponses;
import io.sallyport.extauthz.envoy.DynamicMetadata;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * The part of an allowing answer that says when the token ends ({@code token_expires}, seconds of the epoch).
 *
 * <p>It differs from token to token in nothing but one number, which protobuf holds as eight bytes of fixed length,
 * so a copy of a template with other eight bytes will do.
 */
final class TokenEnd {
    static final String FIELD = "token_expires";

    /** No number of seconds, and easily found. */
    private static final double MARK = 0x1.23456789abcdep-300;

    private final byte[] template;
    private final int at;

    private TokenEnd(byte[] template, int at) {
        this.template = template;
        this.at = at;
    }

    static TokenEnd template() {
        byte[] template =
                CheckResponses.says(DynamicMetadata.NONE.with(FIELD, MARK)).toByteArray();
        ByteBuffer bytes = ByteBuffer.wrap(template).order(ByteOrder.LITTLE_ENDIAN);
        for (int at = 0; at <= template.length - Double.BYTES; at++) {
            if (bytes.getDouble(at) == MARK) {
                return new TokenEnd(template, at);
            }
        }
        throw new IllegalStateException("protobuf holds no double");
    }

    byte[] at(long epochSecond) {
        byte[] bytes = template.clone();
        ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).putDouble(at, (double) epochSecond);
        return bytes;
    }
}
