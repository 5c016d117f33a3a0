package io.sallyport.base.net;

import io.grpc.KnownLength;
import io.grpc.MethodDescriptor.Marshaller;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.function.Function;
import java.util.function.Supplier;

/** gRPC messages that are read or written by hand. */
public final class RawMarshallers {
    private RawMarshallers() {}

    /** Reads a message out of its bytes. */
    @FunctionalInterface
    public interface Reader<T> {
        /**
         * Reads one message.
         *
         * @throws IOException when it cannot be read
         */
        T read(byte[] message) throws IOException;
    }

    /**
     * Of messages that only come in. Their bytes are copied once.
     *
     * @param garbled what stands for a message that cannot be read
     */
    public static <T> Marshaller<T> incoming(Reader<? extends T> reader, Supplier<? extends T> garbled) {
        return new Marshaller<>() {
            @Override
            public T parse(InputStream message) {
                try {
                    return reader.read(bytes(message));
                } catch (IOException e) {
                    return garbled.get();
                }
            }

            @Override
            public InputStream stream(T message) {
                throw new UnsupportedOperationException("these messages only come in");
            }
        };
    }

    /** Of messages that stay bytes, both ways: what a test or a measurement sends need not be a message at all. */
    public static Marshaller<byte[]> unread() {
        return new Marshaller<>() {
            @Override
            public InputStream stream(byte[] message) {
                return new ByteArrayInputStream(message);
            }

            @Override
            public byte[] parse(InputStream message) {
                try {
                    return bytes(message);
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            }
        };
    }

    /** Of messages that only go out. */
    public static <T> Marshaller<T> outgoing(Function<? super T, ? extends InputStream> writer) {
        return new Marshaller<>() {
            @Override
            public InputStream stream(T message) {
                return writer.apply(message);
            }

            @Override
            public T parse(InputStream message) {
                throw new UnsupportedOperationException("these messages only go out");
            }
        };
    }

    private static byte[] bytes(InputStream message) throws IOException {
        if (!(message instanceof KnownLength)) {
            return message.readAllBytes();
        }
        byte[] bytes = new byte[message.available()];
        int read = message.readNBytes(bytes, 0, bytes.length);
        if (read != bytes.length || message.read() >= 0) {
            throw new IOException("a message is not as long as it says");
        }
        return bytes;
    }
}
