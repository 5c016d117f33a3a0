package io.sallyport.agent;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.grpc.Grpc;
import io.grpc.InsecureServerCredentials;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import io.sallyport.api.openshell01.IssueSandboxTokenRequest;
import io.sallyport.api.openshell01.IssueSandboxTokenResponse;
import io.sallyport.api.openshell01.OpenShellGrpc;
import io.sallyport.api.openshell01.RefreshSandboxTokenRequest;
import io.sallyport.api.openshell01.RefreshSandboxTokenResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A ServiceAccount's exchange and what comes after it, against a real gRPC server on loopback. */
class TokenRecoveryTest {
    @TempDir
    Path temp;

    private final List<String> calls = new CopyOnWriteArrayList<>();
    private volatile String good = "sandbox-1";
    private Instant now = Instant.parse("2026-01-01T00:00:00Z");
    private Server server;

    /** Notes who calls what, and takes one sandbox token only. */
    private final class Door implements ServerInterceptor {
        @Override
        public <Q, A> ServerCall.Listener<Q> interceptCall(
                ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
            String bearer = String.valueOf(headers.get(SandboxCallCredentials.AUTHORIZATION));
            String method = String.valueOf(call.getMethodDescriptor().getBareMethodName());
            calls.add(method + " " + bearer);
            if (!method.equals("IssueSandboxToken") && !bearer.equals("Bearer " + good)) {
                call.close(Status.UNAUTHENTICATED, new Metadata());
                return new ServerCall.Listener<>() {};
            }
            return next.startCall(call, headers);
        }
    }

    private final class Gateway extends OpenShellGrpc.OpenShellImplBase {
        @Override
        public void issueSandboxToken(
                IssueSandboxTokenRequest request, StreamObserver<IssueSandboxTokenResponse> observer) {
            observer.onNext(
                    IssueSandboxTokenResponse.newBuilder().setToken(good).build());
            observer.onCompleted();
        }

        @Override
        public void refreshSandboxToken(
                RefreshSandboxTokenRequest request, StreamObserver<RefreshSandboxTokenResponse> observer) {
            observer.onNext(RefreshSandboxTokenResponse.getDefaultInstance());
            observer.onCompleted();
        }
    }

    @BeforeEach
    void start() throws Exception {
        server = Grpc.newServerBuilderForPort(0, InsecureServerCredentials.create())
                .addService(new Gateway())
                .intercept(new Door())
                .build()
                .start();
    }

    @AfterEach
    void stop() {
        server.shutdownNow();
    }

    @Test
    void aRefusedCallIsFollowedByAnExchangeAndTheAccountsTokenGoesNowhereElse() throws Exception {
        Path file = Files.writeString(temp.resolve("token"), "account");
        GatewaySettings settings =
                GatewaySettings.fromEnvironment(Map.of("OPENSHELL_ENDPOINT", "http://127.0.0.1:" + server.getPort()));
        TokenSource source = new ServiceAccountTokenSource(file, new GatewayExchange(settings, 60), () -> now);
        var channel = GatewayChannel.open(settings);
        try {
            var stub = OpenShellGrpc.newBlockingStub(channel)
                    .withInterceptors(new TokenRecovery(source, Optional.empty()));
            var _ = stub.refreshSandboxToken(RefreshSandboxTokenRequest.getDefaultInstance());
            good = "sandbox-2";
            assertThatThrownBy(() -> stub.refreshSandboxToken(RefreshSandboxTokenRequest.getDefaultInstance()))
                    .hasMessageContaining("UNAUTHENTICATED");
            now = now.plusSeconds(1);
            var _ = stub.refreshSandboxToken(RefreshSandboxTokenRequest.getDefaultInstance());
        } finally {
            channel.shutdownNow();
        }
        assertThat(calls)
                .containsExactly(
                        "IssueSandboxToken Bearer account",
                        "RefreshSandboxToken Bearer sandbox-1",
                        "RefreshSandboxToken Bearer sandbox-1",
                        "IssueSandboxToken Bearer account",
                        "RefreshSandboxToken Bearer sandbox-2");
    }
}
