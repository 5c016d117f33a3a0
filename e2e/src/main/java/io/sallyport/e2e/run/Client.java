package io.sallyport.e2e.run;

import com.google.protobuf.ByteString;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientInterceptors;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.MetadataUtils;
import io.netty.channel.EventLoopGroup;
import io.sallyport.base.net.Endpoint;
import io.sallyport.base.net.GrpcChannels;
import io.sallyport.base.net.GrpcServers;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** A supervisor's side: unary calls with bytes and a bearer. */
final class Client implements AutoCloseable {
    private static final Metadata.Key<String> AUTHORIZATION =
            Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);
    private static final Bytes BYTES = new Bytes();

    private final EventLoopGroup loops = GrpcServers.eventLoops("client", 1);
    private final ManagedChannel channel;

    Client(String address) {
        channel = GrpcChannels.connectTo(Endpoint.parse(address), loops).build();
    }

    /**
     * What came of a call.
     *
     * @param status as the server gave it
     * @param message of the answer; empty without one. It may hold a secret
     */
    record Answer(Status status, ByteString message) {}

    Answer call(String method, byte[] message, @Nullable String token) {
        Metadata headers = new Metadata();
        if (token != null) {
            headers.put(AUTHORIZATION, "Bearer " + token);
        }
        Channel withHeaders = ClientInterceptors.intercept(channel, MetadataUtils.newAttachHeadersInterceptor(headers));
        MethodDescriptor<byte[], byte[]> descriptor = MethodDescriptor.newBuilder(BYTES, BYTES)
                .setFullMethodName(method.substring(1))
                .setType(MethodDescriptor.MethodType.UNARY)
                .build();
        CallOptions options = CallOptions.DEFAULT.withDeadlineAfter(Duration.ofSeconds(10));
        try {
            return new Answer(
                    Status.OK,
                    ByteString.copyFrom(ClientCalls.blockingUnaryCall(withHeaders, descriptor, options, message)));
        } catch (StatusRuntimeException e) {
            return new Answer(e.getStatus(), ByteString.EMPTY);
        }
    }

    @Override
    public void close() {
        channel.shutdownNow();
        loops.shutdownGracefully(0, 1, TimeUnit.SECONDS).awaitUninterruptibly();
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
