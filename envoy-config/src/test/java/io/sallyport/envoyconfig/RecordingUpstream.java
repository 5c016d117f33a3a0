package io.sallyport.envoyconfig;

import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.epoll.EpollServerDomainSocketChannel;
import io.netty.channel.group.ChannelGroup;
import io.netty.channel.group.DefaultChannelGroup;
import io.netty.channel.unix.DomainSocketAddress;
import io.netty.handler.codec.http2.DefaultHttp2DataFrame;
import io.netty.handler.codec.http2.DefaultHttp2Headers;
import io.netty.handler.codec.http2.DefaultHttp2HeadersFrame;
import io.netty.handler.codec.http2.Http2DataFrame;
import io.netty.handler.codec.http2.Http2FrameCodecBuilder;
import io.netty.handler.codec.http2.Http2Headers;
import io.netty.handler.codec.http2.Http2HeadersFrame;
import io.netty.handler.codec.http2.Http2MultiplexHandler;
import io.netty.handler.codec.http2.Http2ResetFrame;
import io.netty.handler.codec.http2.Http2Settings;
import io.netty.util.ReferenceCountUtil;
import io.netty.util.concurrent.GlobalEventExecutor;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/** A gateway that believes everything, writes down every byte it got, and answers each call with {@code pong}. */
@SuppressWarnings("FutureReturnValueIgnored") // a write that fails shows at the client
final class RecordingUpstream implements AutoCloseable {
    /** The answer's message, framed. */
    static final byte[] PONG = RawHttp2.frame("pong".getBytes(StandardCharsets.UTF_8));

    private static final int PATIENCE_SECONDS = 60;

    private final Channel server;
    private final CopyOnWriteArrayList<Arrival> arrivals = new CopyOnWriteArrayList<>();
    private final ChannelGroup connections = new DefaultChannelGroup(GlobalEventExecutor.INSTANCE);
    private final Object progress = new Object();
    private long received;
    private final AtomicInteger connectionsSoFar = new AtomicInteger();
    private volatile boolean silent;
    private volatile boolean eager;
    private volatile boolean refuses;
    private volatile byte[] answer = PONG;

    private RecordingUpstream(EventLoopGroup group, Path socket) throws InterruptedException {
        this.server = new ServerBootstrap()
                .group(group)
                .channel(EpollServerDomainSocketChannel.class)
                .childHandler(new ChannelInitializer<>() {
                    @Override
                    protected void initChannel(Channel channel) {
                        connections.add(channel);
                        connectionsSoFar.incrementAndGet();
                        channel.pipeline()
                                .addLast(Http2FrameCodecBuilder.forServer()
                                        .validateHeaders(false)
                                        // As many streams as a server should allow, and many do.
                                        .initialSettings(Http2Settings.defaultSettings()
                                                .maxConcurrentStreams(100)
                                                .maxHeaderListSize(1 << 20))
                                        .build())
                                .addLast(new Http2MultiplexHandler(new ChannelInitializer<>() {
                                    @Override
                                    protected void initChannel(Channel stream) {
                                        stream.pipeline().addLast(new Recording());
                                    }
                                }));
                    }
                })
                .bind(new DomainSocketAddress(socket.toFile()))
                .sync()
                .channel();
    }

    static RecordingUpstream listen(EventLoopGroup group, Path socket) throws InterruptedException {
        return new RecordingUpstream(group, socket);
    }

    /** One call, as it arrived; it stands here from its first header on. */
    static final class Arrival {
        private final Map<String, String> headers = new ConcurrentSkipListMap<>();
        private final Map<String, String> trailers = new ConcurrentSkipListMap<>();
        private String end = "";
        private final ByteArrayOutputStream body = new ByteArrayOutputStream();

        Map<String, String> headers() {
            return headers;
        }

        Map<String, String> trailers() {
            return trailers;
        }

        synchronized byte[] body() {
            return body.toByteArray();
        }

        private synchronized void received(byte[] bytes) {
            body.writeBytes(bytes);
        }

        /** Waits until Envoy has ended the call, by its last frame or by a reset. */
        synchronized String awaitEnd() throws InterruptedException {
            long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
            while (end.isEmpty()) {
                if (System.nanoTime() > deadline) {
                    throw new AssertionError("the call goes on at the gateway");
                }
                wait(1000);
            }
            return end;
        }

        /** Waits until Envoy has reset the call, perhaps after its last frame. */
        synchronized void awaitReset() throws InterruptedException {
            long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
            while (!end.equals("reset")) {
                if (System.nanoTime() > deadline) {
                    throw new AssertionError("the call goes on at the gateway, or is over in peace: " + end);
                }
                wait(1000);
            }
        }

        private synchronized void ended(String how) {
            if (end.isEmpty() || how.equals("reset")) {
                end = how;
            }
            notifyAll();
        }

        private static void add(Http2Headers from, Map<String, String> to) {
            from.forEach(entry ->
                    to.merge(entry.getKey().toString(), entry.getValue().toString(), (a, b) -> a + "," + b));
        }
    }

    List<Arrival> arrivals() {
        return List.copyOf(arrivals);
    }

    /** Waits until that much of bodies has come, in all calls together. */
    void awaitBody(long bytes) throws InterruptedException {
        synchronized (progress) {
            long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(20);
            while (received < bytes) {
                if (System.nanoTime() > deadline) {
                    throw new AssertionError("only " + received + " of " + bytes + " bytes came");
                }
                progress.wait(1000);
            }
        }
    }

    void forget() {
        arrivals.clear();
        synchronized (progress) {
            received = 0;
        }
    }

    private void count(long bytes) {
        synchronized (progress) {
            received += bytes;
            progress.notifyAll();
        }
    }

    /** From now on connections wait to be accepted, or are accepted again. */
    void accepting(boolean accepting) {
        server.config().setAutoRead(accepting);
    }

    /** From now on calls stay unanswered, or are answered again. */
    void silent(boolean silent) {
        this.silent = silent;
    }

    /** From now on the head of the answer, and a first message, go out before anything of the body has come. */
    void eager(boolean eager) {
        this.eager = eager;
    }

    /** From now on every call is answered at its first header, with nothing but a status. */
    void refuses(boolean refuses) {
        this.refuses = refuses;
    }

    /** How many connections there have been. */
    int connectionsSoFar() {
        return connectionsSoFar.get();
    }

    /** Waits until there is no connection any more. */
    void awaitNoConnection() throws InterruptedException {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
        while (!connections.isEmpty()) {
            if (System.nanoTime() > deadline) {
                throw new AssertionError(connections.size() + " connections are still there");
            }
            Thread.sleep(20);
        }
    }

    /** Waits until so many calls have begun. */
    void awaitArrivals(int calls) throws InterruptedException {
        long deadline = System.nanoTime() + TimeUnit.SECONDS.toNanos(PATIENCE_SECONDS);
        while (arrivals.size() < calls) {
            if (System.nanoTime() > deadline) {
                throw new AssertionError("only " + arrivals.size() + " of " + calls + " calls came");
            }
            Thread.sleep(2);
        }
    }

    /** From now on calls are answered with these bytes in place of a framed message. */
    void answerWith(byte[] answer) {
        this.answer = answer.clone();
    }

    @Override
    public void close() {
        server.close().awaitUninterruptibly();
        connections.close().awaitUninterruptibly();
    }

    private final class Recording extends ChannelInboundHandlerAdapter {
        private final Arrival arrival = new Arrival();
        private boolean started;
        private boolean answering;

        private static DefaultHttp2HeadersFrame head() {
            return new DefaultHttp2HeadersFrame(
                    new DefaultHttp2Headers().status("200").set("content-type", "application/grpc"));
        }

        @Override
        public void userEventTriggered(ChannelHandlerContext context, Object event) {
            if (event instanceof Http2ResetFrame) {
                arrival.ended("reset");
            }
        }

        @Override
        public void channelInactive(ChannelHandlerContext context) {
            arrival.ended("connection lost");
        }

        @Override
        public void channelRead(ChannelHandlerContext context, Object frame) {
            boolean last = false;
            switch (frame) {
                case Http2HeadersFrame head -> {
                    Arrival.add(head.headers(), started ? arrival.trailers : arrival.headers);
                    if (!started) {
                        started = true;
                        arrivals.add(arrival);
                        if (refuses) {
                            answering = true;
                            context.writeAndFlush(new DefaultHttp2HeadersFrame(
                                    new DefaultHttp2Headers()
                                            .status("200")
                                            .set("content-type", "application/grpc")
                                            .set("grpc-status", "5"),
                                    true));
                        }
                        if (eager) {
                            answering = true;
                            context.write(head());
                            context.writeAndFlush(new DefaultHttp2DataFrame(Unpooled.wrappedBuffer(answer)));
                        }
                    }
                    last = head.isEndStream();
                }
                case Http2DataFrame data -> {
                    byte[] bytes = ByteBufUtil.getBytes(data.content());
                    arrival.received(bytes);
                    count(bytes.length);
                    last = data.isEndStream();
                }
                default -> {}
            }
            ReferenceCountUtil.release(frame);
            if (last) {
                arrival.ended("end of stream");
            }
            if (last && !silent && !refuses) {
                if (!answering) {
                    context.write(head());
                }
                context.write(new DefaultHttp2DataFrame(Unpooled.wrappedBuffer(answer)));
                context.writeAndFlush(
                        new DefaultHttp2HeadersFrame(new DefaultHttp2Headers().set("grpc-status", "0"), true));
            }
        }
    }
}
