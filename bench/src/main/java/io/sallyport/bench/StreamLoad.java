package io.sallyport.bench;

import io.netty.bootstrap.Bootstrap;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.WriteBufferWaterMark;
import io.netty.channel.epoll.EpollSocketChannel;
import io.netty.handler.codec.http2.DefaultHttp2Headers;
import io.netty.handler.codec.http2.Http2Headers;
import io.sallyport.base.net.Endpoint;
import java.net.InetSocketAddress;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.LongPredicate;
import org.jspecify.annotations.Nullable;

/** Streams that send the same message again and again, as fast as they are taken. */
final class StreamLoad {
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    /** Messages are made ready in blocks of about this size, or of a frame when they share it. */
    private static final int BLOCK = 64 * 1024;

    /**
     * What is sent.
     *
     * @param path of the method
     * @param framed a message with its prefix
     * @param atOnce messages that a client has ready at once, and writes into as few frames as the server takes; 1: each
     *     begins a frame
     */
    @SuppressWarnings("ArrayRecordComponent") // nobody writes to it
    record Kind(String path, byte[] framed, int atOnce) {
        /** A message, which gets its prefix here. */
        static Kind of(String path, byte[] message, int atOnce) {
            return new Kind(
                    path,
                    ByteBuffer.allocate(5 + message.length)
                            .put((byte) 0)
                            .putInt(message.length)
                            .put(message)
                            .array(),
                    atOnce);
        }

        boolean echoed() {
            return path.equals(StreamSink.ECHO);
        }
    }

    /** Who sends. */
    record Caller(String sandbox, String token) {}

    /**
     * What arrived.
     *
     * @param bytes with the messages' prefixes
     */
    record Result(long messages, long bytes, double seconds) {
        /** Millions of bytes a second. */
        double megabytes() {
            return bytes / seconds / 1e6;
        }

        double perSecond() {
            return messages / seconds;
        }
    }

    private final EventLoopGroup loops;
    private final Endpoint.Tcp server;

    StreamLoad(EventLoopGroup loops, Endpoint.Tcp server) {
        this.loops = loops;
        this.server = server;
    }

    /** For a while, one stream for each caller, all on one connection. */
    Result run(Kind kind, List<Caller> callers, Duration time) throws InterruptedException {
        long end = System.nanoTime() + time.toNanos();
        return run(kind, callers, _ -> System.nanoTime() < end, time.plus(PATIENCE));
    }

    /** So many messages on each stream, or some more to fill a block. */
    Result runTimes(Kind kind, List<Caller> callers, int times) throws InterruptedException {
        return run(kind, callers, sent -> sent < times, PATIENCE);
    }

    private Result run(Kind kind, List<Caller> callers, LongPredicate goesOn, Duration atMost)
            throws InterruptedException {
        long began = System.nanoTime();
        Run run = new Run(kind, callers, goesOn);
        Channel connection = connect(run);
        try {
            if (!run.done.await(atMost.toMillis(), TimeUnit.MILLISECONDS)) {
                throw new Load.WrongAnswerException("streams stand still");
            }
            String failure = run.failure.get();
            if (failure != null) {
                throw new Load.WrongAnswerException("a stream went wrong: " + failure);
            }
            return new Result(run.messages, run.bytes, (run.ended - began) / 1e9);
        } finally {
            connection.close().awaitUninterruptibly();
        }
    }

    /** Opens a stream for each caller, sends one message on it, and leaves it open until the connection is closed. */
    Channel hold(Kind kind, List<Caller> callers) {
        return connect(new Run(kind, callers, sent -> sent == 0, true));
    }

    private Channel connect(Run run) {
        var connecting = new Bootstrap()
                .group(loops)
                .channel(EpollSocketChannel.class)
                .option(ChannelOption.WRITE_BUFFER_WATER_MARK, new WriteBufferWaterMark(2 * BLOCK, 8 * BLOCK))
                .handler(new ChannelInitializer<>() {
                    @Override
                    protected void initChannel(Channel connection) {
                        connection.pipeline().addLast(run);
                    }
                })
                .connect(new InetSocketAddress(server.host(), server.port()))
                .awaitUninterruptibly();
        if (!connecting.isSuccess()) {
            throw new IllegalStateException("nobody listens on " + server, connecting.cause());
        }
        return connecting.channel();
    }

    private final class Run extends Http2End {
        private final CountDownLatch done;
        private final AtomicReference<@Nullable String> failure = new AtomicReference<>();
        private final Kind kind;
        private final List<Caller> callers;
        private final LongPredicate goesOn;
        private final boolean held;
        private boolean started;
        private long messages;
        private long bytes;
        private volatile long ended;

        Run(Kind kind, List<Caller> callers, LongPredicate goesOn) {
            this(kind, callers, goesOn, false);
        }

        /** @param held whether streams stay open */
        Run(Kind kind, List<Caller> callers, LongPredicate goesOn, boolean held) {
            super(false);
            this.kind = kind;
            this.callers = callers;
            this.goesOn = goesOn;
            this.held = held;
            this.done = new CountDownLatch(callers.size());
        }

        @Override
        void opened(int id) {
            lost("the server opens streams");
        }

        @Override
        void ready() {
            if (started) {
                return;
            }
            started = true;
            int id = 1;
            for (Caller caller : callers) {
                new Call(id).send(head(caller), false);
                id += 2;
            }
            allGoOn();
        }

        private Http2Headers head(Caller caller) {
            return new DefaultHttp2Headers(false)
                    .method("POST")
                    .scheme("http")
                    .authority("sallyport.bench")
                    .path(kind.path())
                    .set("content-type", "application/grpc")
                    .set("te", "trailers")
                    .set("authorization", "Bearer " + caller.token())
                    .set("x-sandbox-id", caller.sandbox());
        }

        @Override
        void lost(String why) {
            failure.compareAndSet(null, why);
            while (done.getCount() > 0) {
                done.countDown();
            }
        }

        private final class Call extends Stream {
            private final ByteBuf block;
            private final int inBlock;
            private final FrameCounter answer = new FrameCounter();
            private final ByteBuf numbers = Unpooled.buffer(32);
            private long sent;

            /** Bytes of a block that are still to be sent. */
            private int begun;

            private boolean over;
            private String status = "";

            Call(int id) {
                super(id);
                inBlock = kind.atOnce() > 1 ? kind.atOnce() : Math.max(1, BLOCK / kind.framed().length);
                block = Unpooled.directBuffer(2 * BLOCK);
                for (int i = 0; i < inBlock; i++) {
                    if (kind.atOnce() > 1) {
                        block.writeBytes(kind.framed());
                    } else {
                        frame(block, id, kind.framed());
                    }
                }
            }

            @Override
            boolean goOn() {
                if (over) {
                    return false;
                }
                if (begun > 0) {
                    return sendBegun();
                }
                if (!goesOn.test(sent)) {
                    over = !held;
                    if (over) {
                        sendData(Unpooled.EMPTY_BUFFER, true);
                    }
                    return false;
                }
                if (kind.atOnce() > 1) {
                    sent += inBlock;
                    begun = block.readableBytes();
                    return sendBegun();
                }
                int size = kind.framed().length;
                int count = held ? 1 : Math.min(inBlock, room() / size);
                if (count == 0 || count * size > room()) {
                    return false;
                }
                // So many of messages that each take the same room.
                int framed = (int) ((long) block.readableBytes() * count / inBlock);
                sendFrames(block.retainedSlice(0, framed), count * size);
                sent += count;
                return true;
            }

            /** As much of what is ready at once as there is room for, and a frame takes. */
            private boolean sendBegun() {
                int size = Math.min(begun, Math.min(room(), maxFrame()));
                if (size == 0) {
                    return false;
                }
                ByteBuf head = Unpooled.buffer(9)
                        .writeMedium(size)
                        .writeByte(0)
                        .writeByte(0)
                        .writeInt(id());
                sendFrames(
                        Unpooled.wrappedBuffer(head, block.retainedSlice(block.readableBytes() - begun, size)), size);
                begun -= size;
                return true;
            }

            @Override
            void took(Http2Headers headers, boolean last) {
                CharSequence now = headers.get("grpc-status");
                if (now != null) {
                    status = now + " " + headers.get("grpc-message", "");
                }
                if (last) {
                    end();
                }
            }

            @Override
            void took(ByteBuf data, boolean last) {
                answer.take(data);
                if (!kind.echoed() && numbers.isWritable(data.readableBytes())) {
                    numbers.writeBytes(data);
                }
                giveBack(data.readableBytes());
                if (last) {
                    end();
                }
            }

            @Override
            void wasReset(long code) {
                lost("reset with code " + code + " " + status);
            }

            private void end() {
                long expected = sent * kind.framed().length;
                if (!over || !status.startsWith("0 ")) {
                    lost("it ended with status " + status);
                } else if (kind.echoed() ? answer.messages() != sent : messagesAtSink() != sent) {
                    lost("of " + sent + " messages " + (kind.echoed() ? answer.messages() : messagesAtSink())
                            + " arrived");
                } else if (kind.echoed() ? answer.bytes() != expected : bytesAtSink() != expected) {
                    lost("of " + expected + " bytes " + (kind.echoed() ? answer.bytes() : bytesAtSink()) + " arrived");
                }
                messages += sent;
                bytes += expected;
                ended = System.nanoTime();
                forget();
                block.release();
                done.countDown();
            }

            private long messagesAtSink() {
                return numbers.readableBytes() == 21 ? numbers.getLong(5) : -1;
            }

            private long bytesAtSink() {
                return numbers.readableBytes() == 21 ? numbers.getLong(13) : -1;
            }
        }
    }
}
