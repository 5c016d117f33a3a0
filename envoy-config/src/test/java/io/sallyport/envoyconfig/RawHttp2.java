package io.sallyport.envoyconfig;

import io.netty.bootstrap.Bootstrap;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.epoll.EpollSocketChannel;
import io.netty.handler.codec.http2.DefaultHttp2DataFrame;
import io.netty.handler.codec.http2.DefaultHttp2Headers;
import io.netty.handler.codec.http2.DefaultHttp2HeadersFrame;
import io.netty.handler.codec.http2.DefaultHttp2ResetFrame;
import io.netty.handler.codec.http2.Http2DataFrame;
import io.netty.handler.codec.http2.Http2Error;
import io.netty.handler.codec.http2.Http2FrameCodecBuilder;
import io.netty.handler.codec.http2.Http2Headers;
import io.netty.handler.codec.http2.Http2HeadersFrame;
import io.netty.handler.codec.http2.Http2MultiplexHandler;
import io.netty.handler.codec.http2.Http2ResetFrame;
import io.netty.handler.codec.http2.Http2SettingsFrame;
import io.netty.handler.codec.http2.Http2StreamChannel;
import io.netty.handler.codec.http2.Http2StreamChannelBootstrap;
import io.netty.handler.ssl.SslContext;
import io.netty.util.ReferenceCountUtil;
import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.TreeMap;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * An HTTP/2 connection that sends what it is told, right or wrong: for what a gRPC client would never do.
 *
 * <p>Nothing is checked or added, except that the server's limit of streams is kept.
 */
@SuppressWarnings("FutureReturnValueIgnored") // a write that fails shows in the answer
final class RawHttp2 implements AutoCloseable {
    private static final int PATIENCE_SECONDS = 20;

    private final Channel connection;

    private RawHttp2(Channel connection) {
        this.connection = connection;
    }

    /** Connects and waits for the server's SETTINGS: in the clear, or over TLS. */
    static RawHttp2 connect(EventLoopGroup group, int port, @Nullable SslContext tls) throws Exception {
        CompletableFuture<Boolean> ready = new CompletableFuture<>();
        Channel channel = new Bootstrap()
                .group(group)
                .channel(EpollSocketChannel.class)
                .handler(new ChannelInitializer<>() {
                    @Override
                    protected void initChannel(Channel channel) {
                        if (tls != null) {
                            channel.pipeline().addLast(tls.newHandler(channel.alloc(), "localhost", port));
                        }
                        channel.pipeline()
                                .addLast(Http2FrameCodecBuilder.forClient()
                                        .validateHeaders(false)
                                        .encoderEnforceMaxQueuedControlFrames(0)
                                        .build())
                                .addLast(new Http2MultiplexHandler(new ChannelInboundHandlerAdapter()))
                                .addLast(new Ready(ready));
                    }
                })
                .connect("127.0.0.1", port)
                .sync()
                .channel();
        ready.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
        return new RawHttp2(channel);
    }

    /** Completes once the server has spoken HTTP/2, fails once it has hung up. */
    private static final class Ready extends ChannelInboundHandlerAdapter {
        private final CompletableFuture<Boolean> ready;

        Ready(CompletableFuture<Boolean> ready) {
            this.ready = ready;
        }

        @Override
        public void channelRead(ChannelHandlerContext context, Object frame) {
            if (frame instanceof Http2SettingsFrame) {
                ready.complete(true);
            }
            ReferenceCountUtil.release(frame);
        }

        @Override
        public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
            ready.completeExceptionally(cause);
            context.close();
        }

        @Override
        public void channelInactive(ChannelHandlerContext context) {
            ready.completeExceptionally(new IllegalStateException("the server closed the connection"));
        }
    }

    /** The headers of a gRPC call; more, or others, are the test's to set. */
    static Http2Headers grpc(String path) {
        return new DefaultHttp2Headers(false)
                .method("POST")
                .scheme("http")
                .authority("sallyport.test")
                .path(path)
                .set("content-type", "application/grpc")
                .set("te", "trailers");
    }

    /** One gRPC frame around a message. */
    static byte[] frame(byte[] message) {
        return ByteBuffer.allocate(5 + message.length)
                .put((byte) 0)
                .putInt(message.length)
                .put(message)
                .array();
    }

    /** Opens a stream. */
    Call open(Http2Headers headers, boolean endStream) throws Exception {
        CompletableFuture<Answer> answer = new CompletableFuture<>();
        CompletableFuture<Boolean> head = new CompletableFuture<>();
        Http2StreamChannel stream = new Http2StreamChannelBootstrap(connection)
                .handler(new Answering(answer, head))
                .open()
                .sync()
                .getNow();
        stream.writeAndFlush(new DefaultHttp2HeadersFrame(headers, endStream));
        return new Call(stream, answer, head);
    }

    /** A whole unary call. */
    Answer call(Http2Headers headers, byte[] body) throws Exception {
        Call call = open(headers, false);
        call.data(body, true);
        return call.answer();
    }

    boolean isOpen() {
        return connection.isActive();
    }

    @Override
    public void close() {
        connection.close().awaitUninterruptibly();
    }

    /** A stream that this side may still write to. */
    static final class Call {
        private final Http2StreamChannel stream;
        private final CompletableFuture<Answer> answer;
        private final CompletableFuture<Boolean> head;

        private Call(Http2StreamChannel stream, CompletableFuture<Answer> answer, CompletableFuture<Boolean> head) {
            this.stream = stream;
            this.answer = answer;
            this.head = head;
        }

        Call data(byte[] bytes, boolean endStream) {
            stream.writeAndFlush(new DefaultHttp2DataFrame(Unpooled.wrappedBuffer(bytes), endStream));
            return this;
        }

        Call trailers(Http2Headers trailers) {
            stream.writeAndFlush(new DefaultHttp2HeadersFrame(trailers, true));
            return this;
        }

        void cancel() {
            stream.writeAndFlush(new DefaultHttp2ResetFrame(Http2Error.CANCEL));
        }

        /** Waits until the answer has begun. */
        void awaitHead() throws Exception {
            head.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
        }

        boolean answered() {
            return answer.isDone();
        }

        /** Waits for the first of them that the server ends. */
        static Answer firstAnswer(List<Call> calls) throws Exception {
            CompletableFuture<?>[] answers =
                    calls.stream().map(call -> call.answer).toArray(CompletableFuture[]::new);
            return (Answer) CompletableFuture.anyOf(answers).get(PATIENCE_SECONDS, TimeUnit.SECONDS);
        }

        /** Waits until the server has ended the stream, one way or the other. */
        Answer answer() throws Exception {
            return answer.get(PATIENCE_SECONDS, TimeUnit.SECONDS);
        }
    }

    /**
     * How the server ended a stream.
     *
     * @param headers all of head and trailers; "" where there were none
     * @param body what came between
     * @param reset the error code, when it ended in a reset; -1 when the connection went away
     */
    record Answer(Map<String, String> headers, String body, OptionalLong reset) {
        String get(String name) {
            return headers.getOrDefault(name, "");
        }

        /** {@code grpc-status}, or -1. */
        int grpcStatus() {
            return Integer.parseInt(headers.getOrDefault("grpc-status", "-1"));
        }

        int httpStatus() {
            return Integer.parseInt(headers.getOrDefault(":status", "-1"));
        }

        String message() {
            return get("grpc-message").replace("%20", " ");
        }
    }

    private static final class Answering extends ChannelInboundHandlerAdapter {
        private final CompletableFuture<Answer> answer;
        private final CompletableFuture<Boolean> head;
        private final Map<String, String> headers = new TreeMap<>();
        private final ByteArrayOutputStream body = new ByteArrayOutputStream();

        Answering(CompletableFuture<Answer> answer, CompletableFuture<Boolean> head) {
            this.answer = answer;
            this.head = head;
        }

        @Override
        public void channelRead(ChannelHandlerContext context, Object frame) {
            switch (frame) {
                case Http2HeadersFrame block -> {
                    head.complete(true);
                    block.headers()
                            .forEach(entry -> headers.merge(
                                    entry.getKey().toString(), entry.getValue().toString(), (a, b) -> a + "," + b));
                    endIf(block.isEndStream());
                }
                case Http2DataFrame data -> {
                    body.writeBytes(ByteBufUtil.getBytes(data.content()));
                    endIf(data.isEndStream());
                }
                case Http2ResetFrame reset -> end(OptionalLong.of(reset.errorCode()));
                default -> {}
            }
            ReferenceCountUtil.release(frame);
        }

        @Override
        public void userEventTriggered(ChannelHandlerContext context, Object event) {
            if (event instanceof Http2ResetFrame reset) {
                end(OptionalLong.of(reset.errorCode()));
            }
        }

        @Override
        public void channelInactive(ChannelHandlerContext context) {
            end(OptionalLong.of(-1));
        }

        @Override
        public void exceptionCaught(ChannelHandlerContext context, Throwable cause) {
            end(OptionalLong.of(-1));
        }

        private void endIf(boolean last) {
            if (last) {
                end(OptionalLong.empty());
            }
        }

        private void end(OptionalLong reset) {
            answer.complete(new Answer(Map.copyOf(headers), body.toString(StandardCharsets.UTF_8), reset));
        }
    }
}
