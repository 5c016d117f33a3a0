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
        return new Incoming<>() {
            @Override
            public T parse(InputStream message) {
                try {
                    return reader.read(bytes(message));
                } catch (IOException e) {
                    return garbled.get();
                }
            }
        };
    }

    private abstract static class Incoming<T> implements Marshaller<T> {
        @Override
        public final InputStream stream(T message) {
            throw new UnsupportedOperationException("these messages only come in");
        }
    }

    /** Reads a message out of a buffer that others come to after it. */
    @FunctionalInterface
    public interface PassingReader<T> {
        /**
         * Reads one message.
         *
         * @param buffer begins with the message; good until the next message comes on this thread
         * @throws IOException when it cannot be read
         */
        T read(byte[] buffer, int length) throws IOException;
    }

    /**
     * Of messages that only come in, and that are done with before the next one comes on the same thread. Their bytes are
     * copied once, into a buffer that the thread keeps: it stays in the processor's cache, and nothing has to be cleared.
     *
     * @param largest bytes of the largest message that is read so; a larger one gets a buffer of its own
     * @param garbled what stands for a message that cannot be read
     */
    public static <T> Marshaller<T> passing(
            int largest, PassingReader<? extends T> reader, Supplier<? extends T> garbled) {
        ThreadLocal<byte[]> kept = ThreadLocal.withInitial(() -> new byte[largest]);
        return new Incoming<>() {
            @Override
            public T parse(InputStream message) {
                try {
                    if (!(message instanceof KnownLength) || message.available() > largest) {
                        byte[] bytes = bytes(message);
                        return reader.read(bytes, bytes.length);
                    }
                    byte[] buffer = kept.get();
                    int length = message.available();
                    fill(buffer, length, message);
                    return reader.read(buffer, length);
                } catch (IOException e) {
                    return garbled.get();
                }
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
        fill(bytes, bytes.length, message);
        return bytes;
    }

    private static void fill(byte[] buffer, int length, InputStream message) throws IOException {
        if (message.readNBytes(buffer, 0, length) != length || message.read() >= 0) {
            throw new IOException("a message is not as long as it says");
        }
    }
}
