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
import java.net.ConnectException;
import java.net.InetSocketAddress;
import java.net.StandardProtocolFamily;
import java.net.UnixDomainSocketAddress;
import java.nio.channels.SocketChannel;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;

/** gRPC servers on an {@link Endpoint}, with native sockets. */
public final class GrpcServers {
    /** {@code S_IFMT} and {@code S_IFSOCK} of stat(2). */
    private static final int FILE_TYPE = 0xf000;

    private static final int SOCKET = 0xc000;

    private GrpcServers() {}

    /**
     * A builder that will listen on the endpoint.
     *
     * <p>A Unix socket left behind by a process that died is removed first; one that is still served, and anything else
     * in its place, is refused.
     *
     * @throws IOException when the place of the socket is taken by something that is not a dead socket, or is not
     *     writable
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
        int mode = (int) Files.getAttribute(path, "unix:mode", LinkOption.NOFOLLOW_LINKS);
        if ((mode & FILE_TYPE) != SOCKET) {
            throw new IOException(path + " exists and is not a socket; remove it or choose another path");
        }
        if (isServed(path)) {
            throw new IOException(path + " is served by a running process; stop it or choose another path");
        }
        Files.delete(path);
    }

    private static boolean isServed(Path path) throws IOException {
        try (SocketChannel probe = SocketChannel.open(StandardProtocolFamily.UNIX)) {
            return probe.connect(UnixDomainSocketAddress.of(path));
        } catch (ConnectException e) {
            return false;
        }
    }
}
