package io.sallyport.base.net;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.KnownLength;
import io.grpc.MethodDescriptor.Marshaller;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

class RawMarshallersTest {
    private static final int LARGEST = 8;

    /** As gRPC hands messages over. */
    private static class Message extends ByteArrayInputStream implements KnownLength {
        Message(String text) {
            super(text.getBytes(StandardCharsets.UTF_8));
        }
    }

    private static final Marshaller<String> MARSHALLER = RawMarshallers.passing(
            LARGEST,
            (buffer, length) -> {
                if (length == 0) {
                    throw new IOException("empty");
                }
                return new String(buffer, 0, length, StandardCharsets.UTF_8) + "/" + (buffer.length - length);
            },
            () -> "garbled");

    @Test
    void aBufferIsUsedAgainUnlessTheMessageIsTooLarge() {
        assertThat(MARSHALLER.parse(new Message("long one"))).isEqualTo("long one/0");
        assertThat(MARSHALLER.parse(new Message("short"))).isEqualTo("short/3");
        assertThat(MARSHALLER.parse(new Message("longer one"))).isEqualTo("longer one/0");
        assertThat(MARSHALLER.parse(new ByteArrayInputStream(new byte[] {'a', 'b'})))
                .as("of no known length")
                .isEqualTo("ab/0");
        assertThat(MARSHALLER.parse(new Message(""))).isEqualTo("garbled");
    }

    @Test
    void aMessageIsAsLongAsItSays() {
        InputStream tooLong = new Message("abc") {
            @Override
            public synchronized int available() {
                return 2;
            }
        };
        InputStream tooShort = new Message("abc") {
            @Override
            public synchronized int available() {
                return 4;
            }
        };
        assertThat(MARSHALLER.parse(tooLong)).isEqualTo("garbled");
        assertThat(MARSHALLER.parse(tooShort)).isEqualTo("garbled");
    }
}
