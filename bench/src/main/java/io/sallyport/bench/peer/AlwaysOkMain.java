package io.sallyport.bench.peer;

import io.envoyproxy.envoy.config.core.v3.HeaderValue;
import io.envoyproxy.envoy.config.core.v3.HeaderValueOption;
import io.envoyproxy.envoy.config.core.v3.HeaderValueOption.HeaderAppendAction;
import io.envoyproxy.envoy.service.auth.v3.AuthorizationGrpc;
import io.envoyproxy.envoy.service.auth.v3.CheckRequest;
import io.envoyproxy.envoy.service.auth.v3.CheckResponse;
import io.envoyproxy.envoy.service.auth.v3.OkHttpResponse;
import io.grpc.stub.StreamObserver;
import io.sallyport.identity.PrincipalHeader;
import java.io.IOException;

/**
 * The peer: an ext_authz server on the generated classes that says OK to everything, with the transport, the flags and
 * the health service of ext-authz. What ext-authz costs more than this is what deciding costs.
 */
public final class AlwaysOkMain {

    private AlwaysOkMain() {}

    /** Serves on the endpoint that is its one argument. */
    public static void main(String[] arguments) throws IOException, InterruptedException {
        PeerServer.serve("always-ok", arguments[0], builder -> builder.addService(new AlwaysOk()));
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
