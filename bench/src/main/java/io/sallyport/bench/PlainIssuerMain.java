package io.sallyport.bench;

import io.grpc.Context;
import io.grpc.Contexts;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.Status;
import io.grpc.stub.StreamObserver;
import io.netty.channel.EventLoopGroup;
import io.sallyport.api.openshell01.OpenShellGrpc;
import io.sallyport.api.openshell01.RefreshSandboxTokenRequest;
import io.sallyport.api.openshell01.RefreshSandboxTokenResponse;
import io.sallyport.base.Logging;
import io.sallyport.base.RejectedException;
import io.sallyport.base.net.Endpoint;
import io.sallyport.base.net.GrpcServers;
import io.sallyport.identity.Assertion;
import io.sallyport.identity.AssertionVerifier;
import io.sallyport.identity.Ed25519;
import io.sallyport.identity.GatewayId;
import io.sallyport.identity.KeyDirectory;
import io.sallyport.identity.PrincipalHeader;
import io.sallyport.identity.SandboxClaims;
import io.sallyport.identity.SandboxTokenMinter;
import java.io.IOException;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.Optional;
import java.util.UUID;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;

/**
 * The peer of the issuer: believes the same assertion, looks the sandbox up in the same SQLite file, signs with the same
 * key, and remembers nothing. What the issuer costs more than this is what lineage costs.
 */
public final class PlainIssuerMain {
    private static final Logger log = System.getLogger(PlainIssuerMain.class.getName());
    private static final GatewayId GATEWAY = new GatewayId("local");
    private static final int WORKERS = 4;
    private static final Context.Key<String> ASSERTION = Context.key("assertion");

    private PlainIssuerMain() {}

    /** Arguments: where to listen, the database, the token keys, the assertion keys. */
    public static void main(String[] arguments) throws IOException, InterruptedException {
        Logging.toStandardError();
        Endpoint endpoint = Endpoint.parse(arguments[0]);
        Ed25519 signatures = Ed25519.choose();
        Refreshes refreshes = new Refreshes(
                "jdbc:sqlite:file:" + Path.of(arguments[1]) + "?mode=ro",
                new SandboxTokenMinter(GATEWAY, KeyDirectory.readSigning(Path.of(arguments[2])), signatures),
                new AssertionVerifier(
                        GATEWAY,
                        KeyDirectory.readPublic(Path.of(arguments[3])),
                        Duration.ofSeconds(5),
                        signatures,
                        InstantSource.system()));
        EventLoopGroup loops = GrpcServers.eventLoops("plain-issuer", 1);
        ExecutorService workers = Executors.newFixedThreadPool(WORKERS);
        Server server = GrpcServers.listenOn(endpoint, loops)
                .executor(workers)
                .intercept(new AssertionReader())
                .addService(refreshes)
                .build()
                .start();
        Runtime.getRuntime().addShutdownHook(new Thread(server::shutdownNow));
        log.log(Level.INFO, "ready on {0}", endpoint);
        server.awaitTermination();
    }

    private static final class AssertionReader implements ServerInterceptor {
        private static final Metadata.Key<String> KEY =
                Metadata.Key.of(PrincipalHeader.ASSERTION_NAME, Metadata.ASCII_STRING_MARSHALLER);

        @Override
        public <Q, A> ServerCall.Listener<Q> interceptCall(
                ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
            String assertion = headers.get(KEY);
            return Contexts.interceptCall(
                    Context.current().withValue(ASSERTION, assertion == null ? "" : assertion), call, headers, next);
        }
    }

    private static final class Refreshes extends OpenShellGrpc.OpenShellImplBase {
        private final SandboxTokenMinter minter;
        private final AssertionVerifier verifier;
        private final ThreadLocal<Connection> connection;

        Refreshes(String database, SandboxTokenMinter minter, AssertionVerifier verifier) {
            this.minter = minter;
            this.verifier = verifier;
            connection = ThreadLocal.withInitial(() -> {
                try {
                    return DriverManager.getConnection(database);
                } catch (SQLException e) {
                    throw new IllegalStateException(e);
                }
            });
        }

        @Override
        public void refreshSandboxToken(
                RefreshSandboxTokenRequest request, StreamObserver<RefreshSandboxTokenResponse> answer) {
            try {
                String method =
                        "/" + OpenShellGrpc.getRefreshSandboxTokenMethod().getFullMethodName();
                Assertion.Caller caller =
                        verifier.verify(ASSERTION.get(), method).caller();
                if (!(caller instanceof Assertion.Caller.Sandbox(SandboxClaims token)) || !isActive(token)) {
                    answer.onError(Status.UNAUTHENTICATED.asRuntimeException());
                    return;
                }
                Instant issued = Instant.now().truncatedTo(ChronoUnit.SECONDS);
                SandboxClaims claims = new SandboxClaims(
                        token.sandbox(),
                        Optional.of(UUID.randomUUID().toString()),
                        token.lineage(),
                        issued,
                        issued.plus(Duration.ofHours(1)),
                        minter.keyId());
                answer.onNext(RefreshSandboxTokenResponse.newBuilder()
                        .setToken(minter.mint(claims))
                        .setExpiresAtMs(claims.expiresAt().toEpochMilli())
                        .build());
                answer.onCompleted();
            } catch (RejectedException | SQLException e) {
                answer.onError(Status.UNAVAILABLE.withDescription(e.toString()).asRuntimeException());
            }
        }

        private boolean isActive(SandboxClaims token) throws SQLException {
            try (PreparedStatement query =
                    connection.get().prepareStatement("SELECT state FROM sandboxes WHERE id = ?")) {
                query.setString(1, token.sandbox().value());
                try (ResultSet row = query.executeQuery()) {
                    return row.next() && row.getString(1).equals("active");
                }
            }
        }
    }
}
