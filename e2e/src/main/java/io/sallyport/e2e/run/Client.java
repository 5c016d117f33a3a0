package io.sallyport.e2e.run;

import com.google.protobuf.ByteString;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
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
import io.sallyport.base.net.RawMarshallers;
import java.time.Duration;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** A supervisor's side: calls with bytes and a bearer. */
final class Client implements AutoCloseable {
    private static final Metadata.Key<String> AUTHORIZATION =
            Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);
    private static final MethodDescriptor.Marshaller<byte[]> BYTES = RawMarshallers.unread();

    private final ManagedChannel channel;
    private final Runnable end;

    private Client(ManagedChannel channel, Runnable end) {
        this.channel = channel;
        this.end = end;
    }

    /** In plain text, to an address of this machine. */
    static Client to(String address) {
        EventLoopGroup loops = GrpcServers.eventLoops("client", 1);
        return new Client(
                GrpcChannels.connectTo(Endpoint.parse(address), loops).build(),
                () -> loops.shutdownGracefully(0, 1, TimeUnit.SECONDS).awaitUninterruptibly());
    }

    /** Over a channel, which is the client's from then on. */
    static Client over(ManagedChannel channel) {
        return new Client(channel, () -> {});
    }

    /**
     * What came of a call.
     *
     * @param status as the server gave it
     * @param message of the answer; empty without one. It may hold a secret
     */
    record Answer(Status status, ByteString message) {}

    /** Opens a stream; whoever opens it ends it, or waits for its end. */
    OpenStream open(String method, String token) {
        Metadata headers = new Metadata();
        headers.put(AUTHORIZATION, "Bearer " + token);
        OpenStream stream = new OpenStream(channel.newCall(
                descriptor(method, MethodDescriptor.MethodType.BIDI_STREAMING),
                CallOptions.DEFAULT.withDeadlineAfter(Duration.ofSeconds(30))));
        stream.start(headers);
        return stream;
    }

    /** A stream under way. */
    static final class OpenStream extends ClientCall.Listener<byte[]> {
        private final ClientCall<byte[], byte[]> call;
        private final CompletableFuture<Status> end = new CompletableFuture<>();
        private final CompletableFuture<Void> answered = new CompletableFuture<>();

        private OpenStream(ClientCall<byte[], byte[]> call) {
            this.call = call;
        }

        private void start(Metadata headers) {
            call.start(this, headers);
            call.request(Integer.MAX_VALUE);
        }

        OpenStream send(byte[] message) {
            call.sendMessage(message);
            return this;
        }

        OpenStream halfClose() {
            call.halfClose();
            return this;
        }

        /** Waits for the first message of the answer, or the end. */
        void awaitAnswer() {
            CompletableFuture.anyOf(answered, end).join();
        }

        /** Waits for the end. */
        Status await() {
            return end.join();
        }

        boolean isOver() {
            return end.isDone();
        }

        @Override
        public void onMessage(byte[] message) {
            answered.complete(null);
        }

        @Override
        public void onClose(Status status, Metadata trailers) {
            end.complete(status);
        }
    }

    private static MethodDescriptor<byte[], byte[]> descriptor(String method, MethodDescriptor.MethodType type) {
        return MethodDescriptor.newBuilder(BYTES, BYTES)
                .setFullMethodName(method.substring(1))
                .setType(type)
                .build();
    }

    Answer call(String method, byte[] message, @Nullable String token) {
        Metadata headers = new Metadata();
        if (token != null) {
            headers.put(AUTHORIZATION, "Bearer " + token);
        }
        Channel withHeaders = ClientInterceptors.intercept(channel, MetadataUtils.newAttachHeadersInterceptor(headers));
        MethodDescriptor<byte[], byte[]> descriptor = descriptor(method, MethodDescriptor.MethodType.UNARY);
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
        end.run();
    }
}
