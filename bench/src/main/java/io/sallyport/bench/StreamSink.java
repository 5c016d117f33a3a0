package io.sallyport.bench;

import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.channel.Channel;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.epoll.EpollServerSocketChannel;
import io.netty.handler.codec.http2.DefaultHttp2Headers;
import io.netty.handler.codec.http2.Http2Headers;
import io.sallyport.base.net.Endpoint;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.ArrayDeque;
import java.util.Queue;
import java.util.concurrent.atomic.AtomicLong;

/**
 * A gateway that counts and drops what streams bring, and answers at their end with what it has counted: two numbers of
 * eight bytes, messages and bytes. On {@link #ECHO} it sends back what came instead.
 */
final class StreamSink implements AutoCloseable {
    /** Whatever comes on this method goes back. */
    static final String ECHO = "/openshell.v1.OpenShell/RelayStream";

    private final Channel server;
    private final AtomicLong messages = new AtomicLong();

    /** @param loses how many messages it does not count of each stream; more than 0 only to see that it is noticed */
    StreamSink(EventLoopGroup loops, int loses) throws IOException {
        var binding = new ServerBootstrap()
                .group(loops)
                .channel(EpollServerSocketChannel.class)
                .childHandler(new ChannelInitializer<Channel>() {
                    @Override
                    protected void initChannel(Channel connection) {
                        connection.pipeline().addLast(new End(loses));
                    }
                })
                .bind(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0))
                .awaitUninterruptibly();
        if (!binding.isSuccess()) {
            throw new IOException("cannot listen: " + binding.cause(), binding.cause());
        }
        server = binding.channel();
    }

    Endpoint.Tcp endpoint() {
        return new Endpoint.Tcp("127.0.0.1", ((InetSocketAddress) server.localAddress()).getPort());
    }

    /** Messages so far, of all streams. */
    long messages() {
        return messages.get();
    }

    @Override
    public void close() {
        server.close().awaitUninterruptibly();
    }

    private static Http2Headers head() {
        return new DefaultHttp2Headers(false).status("200").set("content-type", "application/grpc");
    }

    private static Http2Headers trailers() {
        return new DefaultHttp2Headers(false).set("grpc-status", "0");
    }

    private final class End extends Http2End {
        private final int loses;

        End(int loses) {
            super(true);
            this.loses = loses;
        }

        @Override
        void opened(int id) {
            new Call(id);
        }

        @Override
        void ready() {}

        @Override
        void lost(String why) {}

        private final class Call extends Stream {
            private final FrameCounter counter = new FrameCounter();
            private final Queue<ByteBuf> toEcho = new ArrayDeque<>();
            private boolean echo;
            private boolean ended;

            Call(int id) {
                super(id);
            }

            @Override
            void took(Http2Headers headers, boolean last) {
                echo = ECHO.contentEquals(headers.path());
                if (echo) {
                    send(head(), false);
                }
                if (last) {
                    ended = true;
                    goOn();
                }
            }

            @Override
            void took(ByteBuf data, boolean last) {
                long before = counter.messages();
                counter.take(data);
                if (counter.messages() > before) {
                    messages.addAndGet(counter.messages() - before);
                }
                ended = last;
                if (!echo) {
                    giveBack(data.readableBytes());
                } else if (data.isReadable()) {
                    toEcho.add(data.retainedSlice());
                }
                goOn();
            }

            @Override
            void wasReset(long code) {
                toEcho.forEach(ByteBuf::release);
                toEcho.clear();
            }

            @Override
            boolean goOn() {
                for (ByteBuf next = toEcho.peek();
                        next != null && next.readableBytes() <= room();
                        next = toEcho.peek()) {
                    // Room for more of the stream only now: an echo that is not taken holds the client up.
                    giveBack(next.readableBytes());
                    sendData(toEcho.remove(), false);
                }
                if (ended && toEcho.isEmpty()) {
                    ended = false;
                    if (!echo) {
                        send(head(), false);
                        sendData(
                                Unpooled.buffer(5 + 16)
                                        .writeByte(0)
                                        .writeInt(16)
                                        .writeLong(counter.messages() - loses)
                                        .writeLong(counter.bytes()),
                                false);
                    }
                    send(trailers(), true);
                }
                return false;
            }
        }
    }
}
