package io.sallyport.base.net;

import io.grpc.netty.NettyServerBuilder;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.epoll.EpollServerDomainSocketChannel;
import io.netty.channel.epoll.EpollServerSocketChannel;
import io.netty.channel.unix.DomainSocketAddress;
import io.netty.util.concurrent.DefaultThreadFactory;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermissions;

/** gRPC servers on an {@link Endpoint}, with native sockets. */
public final class GrpcServers {
    private GrpcServers() {}

    /**
     * A builder that will listen on the endpoint.
     *
     * <p>A Unix socket left behind by a process that died is removed first; anything else in its place is refused.
     *
     * @throws IOException when the place of the socket is taken by something that is not a socket, or is not writable
     */
    public static NettyServerBuilder listenOn(Endpoint endpoint, EventLoopGroup group) throws IOException {
        return switch (endpoint) {
            case Endpoint.Unix(Path path) -> {
                removeStaleSocket(path);
                yield NettyServerBuilder.forAddress(new DomainSocketAddress(path.toFile()))
                        .channelType(EpollServerDomainSocketChannel.class)
                        .bossEventLoopGroup(group)
                        .workerEventLoopGroup(group);
            }
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

    /**
     * Restricts a socket that a server has just bound: who may connect is who may write to the file.
     *
     * @param permissions as {@code ls -l} shows them, such as {@code rw-------}
     */
    public static void restrict(Endpoint endpoint, String permissions) throws IOException {
        if (endpoint instanceof Endpoint.Unix(Path path)) {
            Files.setPosixFilePermissions(path, PosixFilePermissions.fromString(permissions));
        }
    }

    private static void removeStaleSocket(Path path) throws IOException {
        if (!Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
            return;
        }
        PosixFileAttributes attributes =
                Files.readAttributes(path, PosixFileAttributes.class, LinkOption.NOFOLLOW_LINKS);
        if (!attributes.isOther()) {
            throw new IOException(path + " exists and is not a socket; remove it or choose another path");
        }
        Files.delete(path);
    }
}
