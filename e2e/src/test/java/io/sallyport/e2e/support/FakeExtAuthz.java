package io.sallyport.e2e.support;

import io.grpc.MethodDescriptor;
import io.grpc.Server;
import io.grpc.ServerServiceDefinition;
import io.grpc.stub.ServerCalls;
import io.netty.channel.EventLoopGroup;
import io.sallyport.base.net.Endpoint;
import io.sallyport.base.net.GrpcServers;
import io.sallyport.base.net.RawMarshallers;
import io.sallyport.e2e.wire.Wire;
import java.io.Closeable;
import java.io.IOException;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.ByteBuffer;
import java.nio.channels.ServerSocketChannel;
import java.nio.channels.SocketChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/** Something that listens where ext-authz should, and does not know its business. */
public final class FakeExtAuthz implements Closeable {
    private static final String CHECK = "envoy.service.auth.v3.Authorization/Check";

    /** What it answers. */
    public enum Nonsense {
        /** It closes every connection. */
        HANGS_UP,
        /** Bytes that are no HTTP/2. */
        NOISE,
        /** An HTTP/1.1 page with status 200. */
        A_WEB_PAGE,
        /** A gRPC answer whose message is no protobuf. */
        NO_PROTOBUF,
        /** A gRPC answer that ends with OK and carries no message. */
        NO_MESSAGE,
        /** An allowing answer that changes headers it has no business with. */
        FORBIDDEN_HEADERS
    }

    private final AtomicInteger asked = new AtomicInteger();
    private final Closeable server;

    private FakeExtAuthz(Path socket, Nonsense nonsense) throws IOException {
        server = switch (nonsense) {
            case HANGS_UP -> raw(socket, new byte[0]);
            case NOISE -> raw(socket, noise());
            case A_WEB_PAGE ->
                raw(
                        socket,
                        "HTTP/1.1 200 OK\r\ncontent-type: application/grpc\r\ncontent-length: 0\r\n\r\n"
                                .getBytes(StandardCharsets.US_ASCII));
            case NO_PROTOBUF -> grpc(socket, new byte[] {(byte) 0xff, (byte) 0xff, 0x07});
            case NO_MESSAGE -> grpc(socket, null);
            case FORBIDDEN_HEADERS -> grpc(socket, forbiddenHeaders());
        };
    }

    public static FakeExtAuthz start(Path socket, Nonsense nonsense) throws IOException {
        Files.deleteIfExists(socket);
        return new FakeExtAuthz(socket, nonsense);
    }

    /** How many connections (or, where it speaks gRPC, calls) it has had. */
    public int asked() {
        return asked.get();
    }

    @Override
    public void close() throws IOException {
        server.close();
    }

    private Closeable raw(Path socket, byte[] answer) throws IOException {
        ServerSocketChannel listener = ServerSocketChannel.open(StandardProtocolFamily.UNIX);
        listener.bind(UnixDomainSocketAddress.of(socket));
        Thread.ofPlatform().daemon().name("fake").start(() -> {
            while (listener.isOpen()) {
                try (SocketChannel connection = listener.accept()) {
                    asked.incrementAndGet();
                    connection.write(ByteBuffer.wrap(answer));
                } catch (IOException e) {
                    // Closed by us or by Envoy: both are what this is for, and the next one may come.
                    Thread.onSpinWait();
                }
            }
        });
        return listener;
    }

    private Closeable grpc(Path socket, byte @Nullable [] answer) throws IOException {
        EventLoopGroup loops = GrpcServers.eventLoops("fake", 1);
        MethodDescriptor<byte[], byte[]> check = MethodDescriptor.<byte[], byte[]>newBuilder()
                .setFullMethodName(CHECK)
                .setType(MethodDescriptor.MethodType.UNARY)
                .setRequestMarshaller(RawMarshallers.unread())
                .setResponseMarshaller(RawMarshallers.unread())
                .build();
        Server server = GrpcServers.listenOn(new Endpoint.Unix(socket), loops)
                .addService(ServerServiceDefinition.builder("envoy.service.auth.v3.Authorization")
                        .addMethod(check, ServerCalls.asyncServerStreamingCall((request, observer) -> {
                            asked.incrementAndGet();
                            if (answer != null) {
                                observer.onNext(answer);
                            }
                            observer.onCompleted();
                        }))
                        .build())
                .build()
                .start();
        return () -> {
            server.shutdownNow();
            loops.shutdownGracefully(0, 1, TimeUnit.SECONDS).awaitUninterruptibly();
        };
    }

    /** {@code CheckResponse{status{}, ok_response{headers{header{key: ":path", value: …}}}}}. */
    private static byte[] forbiddenHeaders() {
        Wire header = Wire.message().string(1, ":path").string(2, "/openshell.v1.OpenShell/Health");
        Wire option = Wire.message().message(1, header);
        Wire ok = Wire.message().message(2, option);
        return Wire.message().message(1, Wire.message()).message(3, ok).toBytes();
    }

    private static byte[] noise() {
        byte[] noise = new byte[4096];
        new Random(42).nextBytes(noise);
        return noise;
    }
}
