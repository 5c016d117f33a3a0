package io.sallyport.envoyconfig;

import io.netty.bootstrap.Bootstrap;
import io.netty.bootstrap.ServerBootstrap;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.epoll.EpollDomainSocketChannel;
import io.netty.channel.epoll.EpollServerDomainSocketChannel;
import io.netty.channel.group.ChannelGroup;
import io.netty.channel.group.DefaultChannelGroup;
import io.netty.channel.unix.DomainSocketAddress;
import io.netty.util.concurrent.GlobalEventExecutor;
import java.nio.file.Path;

/** Passes bytes between two Unix sockets until it freezes: then it reads nothing more, and closes nothing. */
@SuppressWarnings("FutureReturnValueIgnored") // a connection that fails shows at its other end
final class Relay implements AutoCloseable {
    private final Channel server;
    private final ChannelGroup connections = new DefaultChannelGroup(GlobalEventExecutor.INSTANCE);

    private Relay(EventLoopGroup group, Path from, Path to) throws InterruptedException {
        server = new ServerBootstrap()
                .group(group)
                .channel(EpollServerDomainSocketChannel.class)
                .childHandler(new ChannelInitializer<>() {
                    @Override
                    protected void initChannel(Channel near) {
                        near.config().setAutoRead(false);
                        connections.add(near);
                        new Bootstrap()
                                .group(near.eventLoop())
                                .channel(EpollDomainSocketChannel.class)
                                .handler(new Passing(near))
                                .connect(new DomainSocketAddress(to.toFile()))
                                .addListener((io.netty.channel.ChannelFuture far) -> {
                                    connections.add(far.channel());
                                    near.pipeline().addLast(new Passing(far.channel()));
                                    near.config().setAutoRead(true);
                                });
                    }
                })
                .bind(new DomainSocketAddress(from.toFile()))
                .sync()
                .channel();
    }

    static Relay between(EventLoopGroup group, Path from, Path to) throws InterruptedException {
        return new Relay(group, from, to);
    }

    void freeze() {
        server.config().setAutoRead(false);
        connections.forEach(channel -> channel.config().setAutoRead(false));
    }

    @Override
    public void close() {
        server.close().awaitUninterruptibly();
        connections.close().awaitUninterruptibly();
    }

    private static final class Passing extends ChannelInboundHandlerAdapter {
        private final Channel other;

        Passing(Channel other) {
            this.other = other;
        }

        @Override
        public void channelRead(ChannelHandlerContext context, Object bytes) {
            other.writeAndFlush(bytes);
        }

        @Override
        public void channelInactive(ChannelHandlerContext context) {
            other.close();
        }
    }
}
