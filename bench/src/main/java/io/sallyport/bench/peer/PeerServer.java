package io.sallyport.bench.peer;

import io.grpc.Server;
import io.grpc.ServerServiceDefinition;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.netty.NettyServerBuilder;
import io.grpc.protobuf.services.HealthStatusManager;
import io.netty.channel.EventLoopGroup;
import io.sallyport.base.Logging;
import io.sallyport.base.net.Endpoint;
import io.sallyport.base.net.GrpcServers;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;

/** What a peer of ext-authz has in common with it: the transport, the number of event loops, and the health service. */
final class PeerServer {
    private static final Logger log = System.getLogger(PeerServer.class.getName());

    private static final int LARGEST_MESSAGE = 16 << 20;

    private PeerServer() {}

    /** Serves as a processor of Envoy's, with the limits of ext-authz. */
    static void serveProcessor(String name, String endpoint, ServerServiceDefinition processor)
            throws IOException, InterruptedException {
        serve(
                name,
                endpoint,
                builder -> builder.maxInboundMessageSize(LARGEST_MESSAGE)
                        .permitKeepAliveTime(500, TimeUnit.MILLISECONDS)
                        .permitKeepAliveWithoutCalls(true)
                        .addService(processor));
    }

    /** Serves until the process is told to end. */
    static void serve(String name, String endpoint, UnaryOperator<NettyServerBuilder> services)
            throws IOException, InterruptedException {
        Logging.toStandardError();
        Endpoint listen = Endpoint.parse(endpoint);
        EventLoopGroup loops =
                GrpcServers.eventLoops(name, Math.clamp(Runtime.getRuntime().availableProcessors() / 2, 1, 4));
        HealthStatusManager health = new HealthStatusManager();
        Server server = services.apply(GrpcServers.listenOn(listen, loops).directExecutor())
                .addService(health.getHealthService())
                .build()
                .start();
        health.setStatus(HealthStatusManager.SERVICE_NAME_ALL_SERVICES, ServingStatus.SERVING);
        Runtime.getRuntime().addShutdownHook(new Thread(server::shutdownNow));
        log.log(Level.INFO, "ready on {0}", listen);
        server.awaitTermination();
    }
}
