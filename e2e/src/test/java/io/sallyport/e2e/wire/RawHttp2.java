package io.sallyport.e2e.wire;

import io.netty.bootstrap.Bootstrap;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.epoll.EpollDomainSocketChannel;
import io.netty.channel.epoll.EpollSocketChannel;
import io.netty.channel.unix.DomainSocketAddress;
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
import io.netty.handler.codec.http2.Http2Settings;
import io.netty.handler.codec.http2.Http2StreamChannel;
import io.netty.handler.codec.http2.Http2StreamChannelBootstrap;
import io.netty.util.ReferenceCountUtil;
import io.sallyport.base.net.Endpoint;
import java.io.ByteArrayOutputStream;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;

/** One HTTP/2 connection on which anything may be sent: no header is checked, no frame is added. */
public final class RawHttp2 implements AutoCloseable {
    private final Channel connection;

    private RawHttp2(Channel connection) {
        this.connection = connection;
    }

    /** Connects and waits until the connection stands. */
    public static RawHttp2 connect(Endpoint endpoint, EventLoopGroup loops) {
        Bootstrap bootstrap = new Bootstrap().group(loops).handler(new ChannelInitializer<Channel>() {
            @Override
            protected void initChannel(Channel channel) {
                channel.pipeline()
                        .addLast(
                                Http2FrameCodecBuilder.forClient()
                                        .validateHeaders(false)
                                        .autoAckPingFrame(true)
                                        .encoderEnforceMaxConcurrentStreams(false)
                                        .initialSettings(Http2Settings.defaultSettings()
                                                .pushEnabled(false)
                                                .initialWindowSize(1 << 20))
                                        .build(),
                                new Http2MultiplexHandler(new ChannelInboundHandlerAdapter()));
            }
        });
        var connecting = switch (endpoint) {
            case Endpoint.Tcp(String host, int port) ->
                bootstrap.channel(EpollSocketChannel.class).connect(new InetSocketAddress(host, port));
            case Endpoint.Unix(Path path) ->
                bootstrap.channel(EpollDomainSocketChannel.class).connect(new DomainSocketAddress(path.toFile()));
        };
        return new RawHttp2(connecting.syncUninterruptibly().channel());
    }

    /** Opens a stream with these header lines, exactly as they are. */
    public Call open(Headers headers, boolean endStream) {
        CompletableFuture<Outcome> outcome = new CompletableFuture<>();
        Receiver receiver = new Receiver(outcome);
        Http2StreamChannel stream = new Http2StreamChannelBootstrap(connection)
                .handler(receiver)
                .open()
                .syncUninterruptibly()
                .getNow();
        Call call = new Call(stream, receiver);
        call.write(new DefaultHttp2HeadersFrame(headers.toNetty(), endStream));
        return call;
    }

    public boolean isOpen() {
        return connection.isActive();
    }

    @Override
    public void close() {
        connection.close().syncUninterruptibly();
    }

    /** One stream of ours. */
    @SuppressWarnings("FutureReturnValueIgnored") // a write that fails shows in the outcome
    public static final class Call {
        private final Http2StreamChannel stream;
        private final Receiver receiver;
        private final CompletableFuture<Outcome> outcome;
        private final AtomicLong unsent = new AtomicLong();

        private Call(Http2StreamChannel stream, Receiver receiver) {
            this.stream = stream;
            this.receiver = receiver;
            this.outcome = receiver.outcome;
        }

        /** Sends one DATA frame. */
        public Call data(byte[] bytes, boolean endStream) {
            unsent.addAndGet(bytes.length);
            stream.writeAndFlush(new DefaultHttp2DataFrame(Unpooled.wrappedBuffer(bytes.clone()), endStream))
                    .addListener(sent -> {
                        if (sent.isSuccess()) {
                            unsent.addAndGet(-bytes.length);
                        }
                    });
            return this;
        }

        /** Reads no more of the answer; what has come fills the window of the whole connection. */
        public Call readNothing() {
            stream.config().setAutoRead(false);
            return this;
        }

        /** How many bytes of DATA the other side's flow control still keeps with us. */
        public long unsent() {
            return unsent.get();
        }

        /** Whether the answer's headers have come. */
        public boolean isBegun() {
            return receiver.begun();
        }

        /** How many bytes of the answer's DATA have come. */
        public int received() {
            return receiver.received();
        }

        /** Sends trailers, which end the stream. */
        public Call trailers(Headers headers) {
            write(new DefaultHttp2HeadersFrame(headers.toNetty(), true));
            return this;
        }

        /** Takes the call back. */
        public void cancel() {
            write(new DefaultHttp2ResetFrame(Http2Error.CANCEL));
        }

        public boolean isDone() {
            return outcome.isDone();
        }

        /** Waits for the end of the answer. */
        public Outcome await(Duration atMost) {
            try {
                return outcome.get(atMost.toMillis(), TimeUnit.MILLISECONDS);
            } catch (TimeoutException e) {
                throw new AssertionError("no answer within " + atMost, e);
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new AssertionError("interrupted while waiting for an answer", e);
            } catch (ExecutionException e) {
                throw new AssertionError("the call failed in the client", e);
            }
        }

        /** Waits for the end of the answer, for as long as a call may take in an ordinary test. */
        public Outcome await() {
            return await(Duration.ofSeconds(20));
        }

        private void write(Object frame) {
            stream.writeAndFlush(frame);
        }
    }

    /** Gathers the answer. */
    private static final class Receiver extends ChannelInboundHandlerAdapter {
        private final CompletableFuture<Outcome> outcome;
        private final ByteArrayOutputStream body = new ByteArrayOutputStream();
        private final Map<String, String> headers = new LinkedHashMap<>();

        Receiver(CompletableFuture<Outcome> outcome) {
            this.outcome = outcome;
        }

        synchronized boolean begun() {
            return !headers.isEmpty();
        }

        synchronized int received() {
            return body.size();
        }

        @Override
        public void channelRead(ChannelHandlerContext context, Object frame) {
            switch (frame) {
                case Http2HeadersFrame received -> {
                    headers(received.headers());
                    if (received.isEndStream()) {
                        complete(OptionalLong.empty());
                    }
                }
                case Http2DataFrame data -> {
                    byte[] bytes = new byte[data.content().readableBytes()];
                    data.content().readBytes(bytes);
                    data(bytes);
                    if (data.isEndStream()) {
                        complete(OptionalLong.empty());
                    }
                }
                case Http2ResetFrame reset -> complete(OptionalLong.of(reset.errorCode()));
                default -> {}
            }
            ReferenceCountUtil.release(frame);
        }

        @Override
        public void userEventTriggered(ChannelHandlerContext context, Object event) {
            if (event instanceof Http2ResetFrame reset) {
                complete(OptionalLong.of(reset.errorCode()));
            }
            ReferenceCountUtil.release(event);
        }

        @Override
        public void channelInactive(ChannelHandlerContext context) {
            complete(OptionalLong.of(Outcome.CLOSED));
        }

        private synchronized void headers(Http2Headers received) {
            received.forEach(line ->
                    headers.put(line.getKey().toString(), line.getValue().toString()));
        }

        private synchronized void data(byte[] bytes) {
            body.writeBytes(bytes);
        }

        private synchronized void complete(OptionalLong reset) {
            outcome.complete(new Outcome(Map.copyOf(headers), body.toString(StandardCharsets.ISO_8859_1), reset));
        }
    }

    /** Header lines in an order of ours; a name may stand there any number of times. */
    public static final class Headers {
        private final List<Map.Entry<String, String>> lines = new ArrayList<>();

        /** What a gRPC client sends with a call. */
        public static Headers grpc(String path) {
            return new Headers()
                    .add(":method", "POST")
                    .add(":scheme", "http")
                    .add(":path", path)
                    .add(":authority", "sallyport.test")
                    .add("content-type", "application/grpc")
                    .add("te", "trailers");
        }

        public Headers add(String name, String value) {
            lines.add(Map.entry(name, value));
            return this;
        }

        /** Replaces every line of that name; {@code null} is not a value, use {@link #without}. */
        public Headers set(String name, String value) {
            for (int i = 0; i < lines.size(); i++) {
                if (lines.get(i).getKey().equals(name)) {
                    lines.set(i, Map.entry(name, value));
                    return this;
                }
            }
            return add(name, value);
        }

        public Headers without(String name) {
            lines.removeIf(line -> line.getKey().equals(name));
            return this;
        }

        /** All lines of the other one, after ours. */
        public Headers addAll(Headers other) {
            lines.addAll(other.lines);
            return this;
        }

        /** {@code authorization: Bearer TOKEN}. */
        public Headers bearer(String token) {
            return add("authorization", "Bearer " + token);
        }

        Http2Headers toNetty() {
            Http2Headers headers = new DefaultHttp2Headers(false);
            lines.forEach(line -> headers.add(line.getKey(), line.getValue()));
            return headers;
        }
    }
}
