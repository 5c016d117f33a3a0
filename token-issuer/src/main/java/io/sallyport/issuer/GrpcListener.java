package io.sallyport.issuer;

import io.grpc.Server;
import io.grpc.ServerInterceptor;
import io.grpc.ServerServiceDefinition;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.protobuf.services.HealthStatusManager;
import io.netty.channel.EventLoopGroup;
import io.sallyport.base.net.Endpoint;
import io.sallyport.base.net.ListeningServer;
import java.io.IOException;
import java.util.List;
import java.util.concurrent.Executor;
import java.util.concurrent.TimeUnit;

/** One gRPC listener: its socket, its services, and grpc.health.v1 that tells the truth about them. */
final class GrpcListener implements AutoCloseable {
    private static final int MAX_MESSAGE_BYTES = 256 * 1024;
    // A bearer travels beside the assertion, and Envoy lets headers of some size through.
    private static final int MAX_METADATA_BYTES = 64 * 1024;
    private static final int MAX_CALLS_PER_CONNECTION = 100;
    private static final long DRAIN_SECONDS = 5;

    /** What stands before a gRPC server: the event loops, and the threads that may block on the store. */
    record Threads(EventLoopGroup eventLoops, Executor workers) {}

    private final ListeningServer listening;
    private final HealthStatusManager health;
    private final List<String> services;

    private GrpcListener(ListeningServer listening, HealthStatusManager health, List<String> services) {
        this.listening = listening;
        this.health = health;
        this.services = services;
    }

    /** Starts to listen, with a health of NOT_SERVING until told otherwise. */
    static GrpcListener start(
            Endpoint endpoint,
            ListeningServer.Access access,
            Threads threads,
            ServerInterceptor interceptor,
            ServerServiceDefinition service)
            throws IOException {
        HealthStatusManager health = new HealthStatusManager();
        List<String> services = List.of("", service.getServiceDescriptor().getName());
        services.forEach(name -> health.setStatus(name, ServingStatus.NOT_SERVING));
        ListeningServer listening = ListeningServer.start(
                endpoint,
                access,
                threads.eventLoops(),
                builder -> builder.executor(threads.workers())
                        .maxInboundMessageSize(MAX_MESSAGE_BYTES)
                        .maxInboundMetadataSize(MAX_METADATA_BYTES)
                        .maxConcurrentCallsPerConnection(MAX_CALLS_PER_CONNECTION)
                        .intercept(interceptor)
                        .addService(service)
                        .addService(health.getHealthService()));
        return new GrpcListener(listening, health, services);
    }

    /** Where it listens; the port is the real one. */
    Endpoint endpoint() {
        return listening.endpoint();
    }

    void serving(boolean yes) {
        services.forEach(name -> health.setStatus(name, yes ? ServingStatus.SERVING : ServingStatus.NOT_SERVING));
    }

    /** Says how something is that does not stand for the whole. */
    void serving(String what, boolean yes) {
        health.setStatus(what, yes ? ServingStatus.SERVING : ServingStatus.NOT_SERVING);
    }

    /** Says NOT_SERVING and takes no new calls; those under way go on. */
    void drain() {
        health.enterTerminalState();
        listening.server().shutdown();
    }

    /** Drains, gives the calls under way some seconds, and ends the rest. */
    @Override
    public void close() {
        drain();
        Server server = listening.server();
        try {
            if (!server.awaitTermination(DRAIN_SECONDS, TimeUnit.SECONDS)) {
                server.shutdownNow();
                server.awaitTermination(1, TimeUnit.SECONDS);
            }
        } catch (InterruptedException e) {
            server.shutdownNow();
            Thread.currentThread().interrupt();
        }
        listening.close();
    }
}
