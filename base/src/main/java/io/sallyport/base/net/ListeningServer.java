package io.sallyport.base.net;

import io.grpc.Server;
import io.grpc.netty.NettyServerBuilder;
import io.netty.channel.EventLoopGroup;
import java.io.IOException;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A gRPC server that listens, on a Unix socket only from the moment when its permissions are right.
 *
 * <p>How the server ends is its owner's business; {@link #close} then takes the socket away.
 */
public final class ListeningServer implements AutoCloseable {
    private final Server server;
    private final Endpoint endpoint;
    private final @Nullable SocketFile socket;

    private ListeningServer(Server server, Endpoint endpoint, @Nullable SocketFile socket) {
        this.server = server;
        this.endpoint = endpoint;
        this.socket = socket;
    }

    /**
     * Who may come to a Unix socket; a TCP endpoint takes no notice.
     *
     * @param neighbours whom its directory may let in
     * @param permissions who may connect, as {@code ls -l} shows them, such as {@code rw-------}
     */
    public record Access(SocketFile.Neighbours neighbours, String permissions) {}

    /**
     * Starts a server.
     *
     * @param configure adds services and limits
     * @throws IOException with the endpoint and the remedy when it cannot be listened on; nothing is left behind then
     */
    public static ListeningServer start(
            Endpoint endpoint, Access access, EventLoopGroup group, Consumer<NettyServerBuilder> configure)
            throws IOException {
        return switch (endpoint) {
            case Endpoint.Tcp tcp -> {
                Server server = listen(tcp, tcp, group, configure);
                yield new ListeningServer(server, new Endpoint.Tcp(tcp.host(), server.getPort()), null);
            }
            case Endpoint.Unix unix -> {
                SocketFile socket = SocketFile.prepare(unix.path(), access.neighbours());
                try {
                    Server server = listen(unix, socket.bindAt(), group, configure);
                    try {
                        socket.publish(access.permissions());
                    } catch (IOException e) {
                        server.shutdownNow();
                        throw e;
                    }
                    yield new ListeningServer(server, unix, socket);
                } catch (IOException | RuntimeException e) {
                    socket.close();
                    throw e;
                }
            }
        };
    }

    private static Server listen(
            Endpoint endpoint, Endpoint bindAt, EventLoopGroup group, Consumer<NettyServerBuilder> configure)
            throws IOException {
        NettyServerBuilder builder = GrpcServers.listenOn(bindAt, group);
        configure.accept(builder);
        try {
            return builder.build().start();
        } catch (IOException e) {
            throw new IOException(
                    "cannot listen on " + endpoint + " (" + rootMessage(e) + "); is the address taken?", e);
        }
    }

    public Server server() {
        return server;
    }

    /** Where it listens; the port is the real one. */
    public Endpoint endpoint() {
        return endpoint;
    }

    /** Removes the socket, unless another has taken its place. The server itself has ended, or goes on without it. */
    @Override
    public void close() {
        if (socket != null) {
            socket.close();
        }
    }

    private static String rootMessage(Throwable e) {
        Throwable cause = e;
        while (cause.getCause() != null) {
            cause = cause.getCause();
        }
        return String.valueOf(cause.getMessage());
    }
}
