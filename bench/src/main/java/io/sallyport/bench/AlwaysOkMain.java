package io.sallyport.bench;

import io.envoyproxy.envoy.config.core.v3.HeaderValue;
import io.envoyproxy.envoy.config.core.v3.HeaderValueOption;
import io.envoyproxy.envoy.config.core.v3.HeaderValueOption.HeaderAppendAction;
import io.envoyproxy.envoy.service.auth.v3.AuthorizationGrpc;
import io.envoyproxy.envoy.service.auth.v3.CheckRequest;
import io.envoyproxy.envoy.service.auth.v3.CheckResponse;
import io.envoyproxy.envoy.service.auth.v3.OkHttpResponse;
import io.grpc.Server;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.protobuf.services.HealthStatusManager;
import io.grpc.stub.StreamObserver;
import io.netty.channel.EventLoopGroup;
import io.sallyport.base.Logging;
import io.sallyport.base.net.Endpoint;
import io.sallyport.base.net.GrpcServers;
import io.sallyport.identity.PrincipalHeader;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;

/**
 * The peer: an ext_authz server on the generated classes that says OK to everything, with the transport, the flags and
 * the health service of ext-authz. What ext-authz costs more than this is what deciding costs.
 */
public final class AlwaysOkMain {
    private static final Logger log = System.getLogger(AlwaysOkMain.class.getName());

    private AlwaysOkMain() {}

    /** Serves on the endpoint that is its one argument. */
    public static void main(String[] arguments) throws IOException, InterruptedException {
        Logging.toStandardError();
        Endpoint endpoint = Endpoint.parse(arguments[0]);
        EventLoopGroup loops = GrpcServers.eventLoops(
                "always-ok", Math.clamp(Runtime.getRuntime().availableProcessors(), 1, 4));
        HealthStatusManager health = new HealthStatusManager();
        Server server = GrpcServers.listenOn(endpoint, loops)
                .directExecutor()
                .addService(new AlwaysOk())
                .addService(health.getHealthService())
                .build()
                .start();
        health.setStatus(HealthStatusManager.SERVICE_NAME_ALL_SERVICES, ServingStatus.SERVING);
        Runtime.getRuntime().addShutdownHook(new Thread(server::shutdownNow));
        log.log(Level.INFO, "ready on {0}", endpoint);
        server.awaitTermination();
    }

    private static final class AlwaysOk extends AuthorizationGrpc.AuthorizationImplBase {
        // Envoy, as we configure it, takes no yes that does not say for which sandbox.
        private static final CheckResponse OK = CheckResponse.newBuilder()
                .setStatus(com.google.rpc.Status.getDefaultInstance())
                .setOkResponse(OkHttpResponse.newBuilder()
                        .addHeaders(HeaderValueOption.newBuilder()
                                .setAppendAction(HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD)
                                .setHeader(HeaderValue.newBuilder()
                                        .setKey(PrincipalHeader.NAME)
                                        .setValue("sandbox;id=\"sandbox-0\";source=\"gateway-jwt\""))))
                .build();

        @Override
        public void check(CheckRequest request, StreamObserver<CheckResponse> answer) {
            answer.onNext(OK);
            answer.onCompleted();
        }
    }
}
