package io.sallyport.issuer;

import io.grpc.Server;
import io.grpc.ServerInterceptor;
import io.grpc.ServerServiceDefinition;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.protobuf.services.HealthStatusManager;
import io.netty.channel.EventLoopGroup;
import io.sallyport.base.net.Endpoint;
import io.sallyport.base.net.GrpcServers;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** One gRPC listener: its socket, its services, and grpc.health.v1 that tells the truth about them. */
final class GrpcListener implements AutoCloseable {
    private static final int MAX_MESSAGE_BYTES = 256 * 1024;
    // A bearer travels beside the assertion, and Envoy lets headers of some size through.
    private static final int MAX_METADATA_BYTES = 64 * 1024;
    private static final int MAX_CALLS_PER_CONNECTION = 100;
    private static final long DRAIN_SECONDS = 5;

    /** What stands before a gRPC server: the event loops, and the threads that may block on the store. */
    record Threads(EventLoopGroup eventLoops, Executor workers) {}

    private final Endpoint endpoint;
    private final Server server;
    private final HealthStatusManager health;
    private final List<String> services;
    private final @Nullable SocketFile socket;

    private GrpcListener(
            Endpoint endpoint,
            Server server,
            HealthStatusManager health,
            List<String> services,
            @Nullable SocketFile socket) {
        this.endpoint = endpoint;
        this.server = server;
        this.health = health;
        this.services = services;
        this.socket = socket;
    }

    /**
     * Starts to listen, with a health of NOT_SERVING until told otherwise.
     *
     * @param permissions of the socket, as {@code ls -l} shows them
     */
    static GrpcListener start(
            Endpoint endpoint,
            SocketFile.Neighbours neighbours,
            String permissions,
            Threads threads,
            ServerInterceptor interceptor,
            ServerServiceDefinition service)
            throws IOException {
        HealthStatusManager health = new HealthStatusManager();
        SocketFile socket = endpoint instanceof Endpoint.Unix unix ? SocketFile.prepare(unix.path(), neighbours) : null;
        try {
            Endpoint bindAt = socket == null ? endpoint : unixAt(socket);
            NettyServerBuilder builder = GrpcServers.listenOn(bindAt, threads.eventLoops())
                    .executor(threads.workers())
                    .maxInboundMessageSize(MAX_MESSAGE_BYTES)
                    .maxInboundMetadataSize(MAX_METADATA_BYTES)
                    .maxConcurrentCallsPerConnection(MAX_CALLS_PER_CONNECTION)
                    .intercept(interceptor)
                    .addService(service)
                    .addService(health.getHealthService());
            List<String> services = List.of("", service.getServiceDescriptor().getName());
            services.forEach(name -> health.setStatus(name, ServingStatus.NOT_SERVING));
            Server server = builder.build();
            try {
                server.start();
            } catch (IOException e) {
                throw new IOException(
                        "cannot listen on " + endpoint + " (" + rootMessage(e) + "); is the address taken?", e);
            }
            if (socket == null) {
                return new GrpcListener(
                        bound((Endpoint.Tcp) endpoint, server.getPort()), server, health, services, null);
            }
            try {
                socket.publish(permissions);
            } catch (IOException e) {
                server.shutdownNow();
                throw e;
            }
            return new GrpcListener(endpoint, server, health, services, socket);
        } catch (IOException | RuntimeException e) {
            if (socket != null) {
                socket.close();
            }
            throw e;
        }
    }

    /** Where it listens; the port is the real one. */
    Endpoint endpoint() {
        return endpoint;
    }

    void serving(boolean yes) {
        services.forEach(name -> health.setStatus(name, yes ? ServingStatus.SERVING : ServingStatus.NOT_SERVING));
    }

    /** Says NOT_SERVING and takes no new calls; those under way go on. */
    void drain() {
        health.enterTerminalState();
        server.shutdown();
    }

    /** Drains, gives the calls under way some seconds, and ends the rest. */
    @Override
    public void close() {
        drain();
        try {
            if (!server.awaitTermination(DRAIN_SECONDS, TimeUnit.SECONDS)) {
                server.shutdownNow();
                server.awaitTermination(1, TimeUnit.SECONDS);
            }
        } catch (InterruptedException e) {
            server.shutdownNow();
            Thread.currentThread().interrupt();
        }
        if (socket != null) {
            socket.close();
        }
    }

    private static Endpoint unixAt(SocketFile socket) throws IOException {
        try {
            return new Endpoint.Unix(socket.bindAt());
        } catch (IllegalArgumentException e) {
            throw new IOException(e.getMessage() + " (while it is being made ready); choose a shorter directory", e);
        }
    }

    private static Endpoint bound(Endpoint.Tcp endpoint, int port) {
        return new Endpoint.Tcp(endpoint.host(), port);
    }

    private static String rootMessage(Throwable e) {
        Throwable cause = e;
        while (cause.getCause() != null) {
            cause = cause.getCause();
        }
        return String.valueOf(cause.getMessage());
    }
}
