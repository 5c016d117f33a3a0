package io.sallyport.extauthz;

import io.grpc.Drainable;
import io.grpc.KnownLength;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;

/**
 * The bytes of a {@code CheckResponse}, in parts that were built beforehand.
 *
 * <p>In protobuf, messages written one after the other are one message, merged field by field. So the part about a
 * principal and the part about a method are built once each, and an answer is their sequence.
 */
final class Answer {
    private final byte[][] parts;
    private final int length;

    Answer(byte[]... parts) {
        this.parts = parts;
        int sum = 0;
        for (byte[] part : parts) {
            sum += part.length;
        }
        this.length = sum;
    }

    int length() {
        return length;
    }

    void writeTo(OutputStream out) throws IOException {
        for (byte[] part : parts) {
            out.write(part);
        }
    }

    /** What gRPC sends. It takes the short way of {@link Drainable}. */
    InputStream stream() {
        return new Stream(this);
    }

    private static final class Stream extends InputStream implements Drainable, KnownLength {
        private final Answer answer;
        private int part;
        private int offset;

        Stream(Answer answer) {
            this.answer = answer;
        }

        @Override
        public int drainTo(OutputStream target) throws IOException {
            answer.writeTo(target);
            part = answer.parts.length;
            return answer.length;
        }

        @Override
        public int available() {
            int left = 0;
            for (int i = part; i < answer.parts.length; i++) {
                left += answer.parts[i].length;
            }
            return left - offset;
        }

        @Override
        public int read() {
            byte[] one = new byte[1];
            return read(one, 0, 1) < 0 ? -1 : one[0] & 0xFF;
        }

        @Override
        public int read(byte[] target, int at, int length) {
            if (length == 0) {
                return 0;
            }
            while (part < answer.parts.length && offset == answer.parts[part].length) {
                part++;
                offset = 0;
            }
            if (part == answer.parts.length) {
                return -1;
            }
            int count = Math.min(length, answer.parts[part].length - offset);
            System.arraycopy(answer.parts[part], offset, target, at, count);
            offset += count;
            return count;
        }
    }
}
