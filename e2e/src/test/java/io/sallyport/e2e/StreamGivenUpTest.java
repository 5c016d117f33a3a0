package io.sallyport.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.ByteString;
import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.netty.channel.EventLoopGroup;
import io.sallyport.base.net.Endpoint;
import io.sallyport.base.net.GrpcChannels;
import io.sallyport.base.net.GrpcServers;
import io.sallyport.e2e.gateway.Sighting;
import io.sallyport.e2e.gateway.Sighting.End;
import io.sallyport.e2e.support.Arena;
import io.sallyport.e2e.support.Arenas;
import io.sallyport.e2e.support.Eventually;
import io.sallyport.e2e.support.GuardedStream;
import io.sallyport.e2e.support.GuardedStream.Method;
import io.sallyport.e2e.support.Setup;
import io.sallyport.e2e.wire.RawHttp2;
import io.sallyport.e2e.wire.RawHttp2.Headers;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.parallel.ResourceLock;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What the client gives up reaches the gateway: by its deadline, by taking the call back, by hanging up. */
@ParameterizedClass(name = "{0}")
@EnumSource(
        value = Setup.class,
        names = {"V0_0_TRUSTING", "V0_1_UNCHANGED"})
@ExtendWith(Arenas.Resolver.class)
@ResourceLock(Arenas.SHARED)
class StreamGivenUpTest {
    private static final String OWN = "alpha-id";
    private static final long DEADLINE_MILLIS = 3000;

    private final Arena arena;

    StreamGivenUpTest(Setup setup, Arenas arenas) {
        this.arena = arenas.shared(setup);
    }

    /** An ordinary gRPC client's: it says its deadline, and gives up when it is over. */
    @Test
    void aDeadlineThatRunsOutEndsTheStreamAtTheGateway() throws Exception {
        EventLoopGroup loops = GrpcServers.eventLoops("client", 1);
        ManagedChannel channel = GrpcChannels.connectTo(
                        new Endpoint.Tcp("127.0.0.1", arena.stack().port()), loops)
                .build();
        try {
            List<Patience> all = new ArrayList<>();
            for (Method method : Method.values()) {
                all.add(begin(channel, method, false));
                all.add(begin(channel, method, true));
            }
            for (Patience call : all) {
                assertThat(call.end().get(60, TimeUnit.SECONDS).getCode()).isEqualTo(Status.Code.DEADLINE_EXCEEDED);
                Eventually.soon("the gateway's end too", () -> seen(call.tag()).end() == End.RESET);
                Sighting seen = seen(call.tag());
                assertThat(seen.data())
                        .isEqualTo(ByteString.copyFrom(call.method().hello(OWN)));
                assertThat(millis(seen.header("grpc-timeout").orElseThrow())).isBetween(1L, DEADLINE_MILLIS);
            }
        } finally {
            channel.shutdownNow();
            var _ = loops.shutdownGracefully(0, 1, TimeUnit.SECONDS);
        }
    }

    /** A call that waits for as long as its deadline lets it. */
    private record Patience(Method method, String tag, CompletableFuture<Status> end) {}

    private Patience begin(ManagedChannel channel, Method method, boolean halfClosed) {
        String tag = UUID.randomUUID().toString();
        MethodDescriptor<byte[], byte[]> descriptor = MethodDescriptor.<byte[], byte[]>newBuilder()
                .setType(MethodDescriptor.MethodType.BIDI_STREAMING)
                .setFullMethodName(method.path().substring(1))
                .setRequestMarshaller(new Bytes())
                .setResponseMarshaller(new Bytes())
                .build();
        Metadata headers = new Metadata();
        headers.put(key("authorization"), "Bearer " + arena.alpha().token());
        headers.put(key("x-test-tag"), tag);
        headers.put(key("x-test-gateway"), "silent");
        CompletableFuture<Status> end = new CompletableFuture<>();
        ClientCall<byte[], byte[]> call = channel.newCall(
                descriptor, CallOptions.DEFAULT.withDeadlineAfter(DEADLINE_MILLIS, TimeUnit.MILLISECONDS));
        call.start(
                new ClientCall.Listener<>() {
                    @Override
                    public void onClose(Status status, Metadata trailers) {
                        end.complete(status);
                    }
                },
                headers);
        call.request(Integer.MAX_VALUE);
        byte[] framed = method.hello(OWN);
        call.sendMessage(Arrays.copyOfRange(framed, 5, framed.length));
        if (halfClosed) {
            call.halfClose();
        }
        return new Patience(method, tag, end);
    }

    private Sighting seen(String tag) {
        List<Sighting> seen = arena.stack().gateway().tagged(tag);
        assertThat(seen).as("the gateway's view of the stream").hasSize(1);
        return seen.getFirst();
    }

    private static Metadata.Key<String> key(String name) {
        return Metadata.Key.of(name, Metadata.ASCII_STRING_MARSHALLER);
    }

    /** Of {@code grpc-timeout}; a client may use any of the units. */
    private static long millis(String timeout) {
        long value = Long.parseLong(timeout.substring(0, timeout.length() - 1));
        return switch (timeout.charAt(timeout.length() - 1)) {
            case 'n' -> TimeUnit.NANOSECONDS.toMillis(value);
            case 'u' -> TimeUnit.MICROSECONDS.toMillis(value);
            case 'm' -> value;
            case 'S' -> TimeUnit.SECONDS.toMillis(value);
            default -> throw new AssertionError("grpc-timeout: " + timeout);
        };
    }

    /** Of a message that has begun when the client gives up nothing arrives, the first one or a later one. */
    @ParameterizedTest
    @EnumSource(Method.class)
    void whatTheClientTakesBackReachesTheGateway(Method method) {
        byte[] hello = method.hello(OWN);
        GuardedStream hungUp;
        try (RawHttp2 connection = arena.connect()) {
            hungUp = open(connection, method).send(hello).awaitReached();
            GuardedStream cancelled = open(connection, method).send(hello).awaitReached();
            GuardedStream listening =
                    open(connection, method, "silent").send(hello).halfClose().awaitReached();
            GuardedStream inTheFirst = open(connection, method);
            // Of a tunnel nothing is held.
            if (method != Method.RELAY) {
                cancelled.call().data(Arrays.copyOf(method.more(OWN), 6), false);
                inTheFirst.call().data(Arrays.copyOf(hello, hello.length - 1), false);
            }
            Eventually.soon("it opens", inTheFirst::isSeen);
            List.of(cancelled, listening, inTheFirst)
                    .forEach(stream -> stream.call().cancel());
            List.of(cancelled, listening, inTheFirst).forEach(StreamGivenUpTest::assertBrokenOff);
        }
        assertBrokenOff(hungUp);
    }

    private static void assertBrokenOff(GuardedStream stream) {
        assertThat(stream.awaitBrokenOff().data()).isEqualTo(ByteString.copyFrom(stream.sent()));
    }

    private GuardedStream open(RawHttp2 connection, Method method, String... manners) {
        return GuardedStream.open(
                arena,
                connection,
                method,
                Headers.grpc(method.path()).bearer(arena.alpha().token()),
                manners);
    }

    private static final class Bytes implements MethodDescriptor.Marshaller<byte[]> {
        @Override
        public InputStream stream(byte[] value) {
            return new ByteArrayInputStream(value);
        }

        @Override
        public byte[] parse(InputStream stream) {
            try {
                return stream.readAllBytes();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
    }
}
