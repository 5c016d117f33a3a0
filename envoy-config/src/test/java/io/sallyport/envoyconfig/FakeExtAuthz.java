package io.sallyport.envoyconfig;

import com.google.protobuf.Struct;
import com.google.protobuf.Value;
import io.envoyproxy.envoy.config.core.v3.HeaderValue;
import io.envoyproxy.envoy.config.core.v3.HeaderValueOption;
import io.envoyproxy.envoy.config.core.v3.HeaderValueOption.HeaderAppendAction;
import io.envoyproxy.envoy.service.auth.v3.AuthorizationGrpc;
import io.envoyproxy.envoy.service.auth.v3.CheckRequest;
import io.envoyproxy.envoy.service.auth.v3.CheckResponse;
import io.envoyproxy.envoy.service.auth.v3.DeniedHttpResponse;
import io.envoyproxy.envoy.service.auth.v3.OkHttpResponse;
import io.envoyproxy.envoy.type.v3.HttpStatus;
import io.envoyproxy.envoy.type.v3.StatusCode;
import io.grpc.Server;
import io.grpc.stub.StreamObserver;
import io.netty.channel.EventLoopGroup;
import io.sallyport.base.net.Endpoint;
import io.sallyport.base.net.GrpcServers;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;

/** A Check service that decides as it is told and writes down what it was asked, with a stream guard beside it. */
final class FakeExtAuthz implements AutoCloseable {
    static final String PRINCIPAL = "sandbox;id=\"alpha\"";

    private final Server server;
    private final CopyOnWriteArrayList<CheckRequest> asked = new CopyOnWriteArrayList<>();
    private final FakeStreamGuard guard = new FakeStreamGuard();
    private volatile Decision decision = FakeExtAuthz::allow;

    private FakeExtAuthz(EventLoopGroup group, Path socket) throws IOException {
        server = GrpcServers.listenOn(new Endpoint.Unix(socket), group)
                .directExecutor()
                .maxInboundMetadataSize(1 << 20)
                .maxInboundMessageSize(16 << 20)
                .permitKeepAliveTime(500, TimeUnit.MILLISECONDS)
                .permitKeepAliveWithoutCalls(true)
                .addService(guard)
                .addService(new AuthorizationGrpc.AuthorizationImplBase() {
                    @Override
                    public void check(CheckRequest request, StreamObserver<CheckResponse> answer) {
                        asked.add(request);
                        decision.decide(answer);
                    }
                })
                .build()
                .start();
    }

    static FakeExtAuthz listen(EventLoopGroup group, Path socket) throws IOException {
        return new FakeExtAuthz(group, socket);
    }

    /** Answers, or does not. */
    interface Decision {
        void decide(StreamObserver<CheckResponse> answer);
    }

    static void allow(StreamObserver<CheckResponse> answer) {
        allowWith(answer, Map.of("x-sandbox-principal", PRINCIPAL));
    }

    static void allowWith(StreamObserver<CheckResponse> answer, Map<String, String> headers) {
        OkHttpResponse.Builder ok = OkHttpResponse.newBuilder();
        headers.forEach((name, value) -> ok.addHeaders(header(name, value)));
        answer.onNext(CheckResponse.newBuilder()
                .setStatus(com.google.rpc.Status.getDefaultInstance())
                .setOkResponse(ok)
                .setDynamicMetadata(Struct.newBuilder()
                        .putFields(
                                "principal",
                                Value.newBuilder().setStringValue(PRINCIPAL).build()))
                .build());
        answer.onCompleted();
    }

    /** Denies with an HTTP status, a gRPC status of its own and a text. */
    static Decision deny(StatusCode http, io.grpc.Status.Code grpc, String text) {
        return answer -> {
            answer.onNext(CheckResponse.newBuilder()
                    .setStatus(com.google.rpc.Status.newBuilder().setCode(grpc.value()))
                    .setDeniedResponse(DeniedHttpResponse.newBuilder()
                            .setStatus(HttpStatus.newBuilder().setCode(http))
                            .addHeaders(header("grpc-status", String.valueOf(grpc.value())))
                            .setBody(text))
                    .build());
            answer.onCompleted();
        };
    }

    private static HeaderValueOption header(String name, String value) {
        return HeaderValueOption.newBuilder()
                .setHeader(HeaderValue.newBuilder().setKey(name).setValue(value))
                .setAppendAction(HeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD)
                .build();
    }

    void decide(Decision decision) {
        this.decision = decision;
    }

    FakeStreamGuard guard() {
        return guard;
    }

    List<CheckRequest> asked() {
        return List.copyOf(asked);
    }

    void forget() {
        asked.clear();
        guard.forget();
        decision = FakeExtAuthz::allow;
    }

    @Override
    public void close() {
        server.shutdownNow();
        try {
            server.awaitTermination();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }
}
