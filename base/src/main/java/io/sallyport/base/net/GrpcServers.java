package io.sallyport.base.net;

import io.grpc.netty.NettyServerBuilder;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.epoll.EpollServerDomainSocketChannel;
import io.netty.channel.epoll.EpollServerSocketChannel;
import io.netty.channel.unix.DomainSocketAddress;
import io.netty.util.concurrent.DefaultThreadFactory;
import java.net.InetSocketAddress;
import java.nio.file.Path;

/** gRPC servers on an {@link Endpoint}, with native sockets. */
public final class GrpcServers {
    private GrpcServers() {}

    /**
     * A builder that will listen on the endpoint.
     *
     * <p>A Unix socket gets the permissions that the umask leaves, and nothing may be in its place: {@link ListeningServer}
     * is for those that others could find.
     */
    public static NettyServerBuilder listenOn(Endpoint endpoint, EventLoopGroup group) {
        return switch (endpoint) {
            case Endpoint.Unix(Path path) ->
                NettyServerBuilder.forAddress(new DomainSocketAddress(path.toFile()))
                        .channelType(EpollServerDomainSocketChannel.class)
                        .bossEventLoopGroup(group)
                        .workerEventLoopGroup(group);
            case Endpoint.Tcp(String host, int port) ->
                NettyServerBuilder.forAddress(new InetSocketAddress(host, port))
                        .channelType(EpollServerSocketChannel.class)
                        .bossEventLoopGroup(group)
                        .workerEventLoopGroup(group);
        };
    }

    /** Event loops for servers and channels of one process; daemon threads, named for thread dumps. */
    public static EventLoopGroup eventLoops(String name, int threads) {
        return new MultiThreadIoEventLoopGroup(
                threads, new DefaultThreadFactory(name, true), EpollIoHandler.newFactory());
    }
}
