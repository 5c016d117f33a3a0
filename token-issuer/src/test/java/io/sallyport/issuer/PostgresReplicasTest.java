package io.sallyport.issuer;

import static io.sallyport.issuer.RunningIssuer.REFRESH;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.grpc.Channel;
import io.grpc.ClientInterceptors;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.MetadataUtils;
import io.netty.channel.EventLoopGroup;
import io.sallyport.api.openshell01.OpenShellGrpc;
import io.sallyport.api.openshell01.RefreshSandboxTokenRequest;
import io.sallyport.api.registry.v1.DeleteSandboxRequest;
import io.sallyport.api.registry.v1.MintBootstrapTokenRequest;
import io.sallyport.api.registry.v1.RegisterSandboxRequest;
import io.sallyport.api.registry.v1.SandboxRegistryGrpc;
import io.sallyport.base.net.Endpoint;
import io.sallyport.base.net.GrpcChannels;
import io.sallyport.base.net.GrpcServers;
import io.sallyport.identity.Assertion;
import io.sallyport.identity.AssertionMinter;
import io.sallyport.identity.Ed25519;
import io.sallyport.identity.KeyDirectory;
import io.sallyport.identity.PrincipalHeader;
import io.sallyport.identity.SandboxClaims;
import io.sallyport.identity.SandboxTokenVerifier;
import io.sallyport.issuer.store.PostgresServer;
import io.sallyport.issuer.store.SharedPostgres;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Two issuers, each a process of its own, on one PostgreSQL and with the same keys: there is no leader to lose. */
@SharedPostgres
class PostgresReplicasTest {
    private static final int CALLS = 64;

    @TempDir
    private Path directory;

    private final EventLoopGroup eventLoops = GrpcServers.eventLoops("test-client", 1);
    private final List<ManagedChannel> channels = new ArrayList<>();

    /** One of the two: its sockets are in a directory of its own. */
    private record Replica(IssuerProcess process, ManagedChannel registry, ManagedChannel envoy) {}

    @Test
    void whatOneDoesTheOtherKnowsAtOnce(PostgresServer server) throws Exception {
        RunningIssuer.generateKeys(directory);
        String database = server.createDatabase();
        // Both at the same time, and the database is empty: one of them migrates it.
        try (IssuerProcess first = start("first", server, database);
                IssuerProcess second = start("second", server, database)) {
            Replica one = ready("first", first);
            Replica other = ready("second", second);

            var _ = registry(one)
                    .registerSandbox(
                            RegisterSandboxRequest.newBuilder().setId("alpha").build());
            String bootstrap = registry(other)
                    .mintBootstrapToken(MintBootstrapTokenRequest.newBuilder()
                            .setId("alpha")
                            .build())
                    .getToken();
            SandboxClaims token = verifier().verify(bootstrap);

            List<String> successors = refreshOverBoth(one, other, token);
            assertThat(successors).hasSize(CALLS).containsOnly(successors.getFirst());
            assertThat(successors.getFirst()).isNotEqualTo(bootstrap);

            var _ = registry(one)
                    .deleteSandbox(
                            DeleteSandboxRequest.newBuilder().setId("alpha").build());
            assertThat(catchThrowableOfType(StatusRuntimeException.class, () -> refresh(other, token))
                            .getStatus()
                            .getCode())
                    .as("refused by the other one")
                    .isIn(Status.Code.PERMISSION_DENIED, Status.Code.UNAUTHENTICATED);

            first.process().destroyForcibly();
            assertThat(first.process().waitFor(20, TimeUnit.SECONDS)).isTrue();
            var _ = registry(other)
                    .registerSandbox(
                            RegisterSandboxRequest.newBuilder().setId("beta").build());
        } finally {
            channels.forEach(ManagedChannel::shutdownNow);
            var _ = eventLoops.shutdownGracefully(0, 1, TimeUnit.SECONDS);
        }
    }

    private List<String> refreshOverBoth(Replica one, Replica other, SandboxClaims token) throws Exception {
        try (ExecutorService threads = Executors.newFixedThreadPool(CALLS)) {
            List<Future<String>> calls = new ArrayList<>();
            for (int i = 0; i < CALLS; i++) {
                Replica replica = i % 2 == 0 ? one : other;
                calls.add(threads.submit(() -> refreshPatiently(replica, token)));
            }
            List<String> tokens = new ArrayList<>();
            for (Future<String> call : calls) {
                tokens.add(call.get());
            }
            return tokens;
        }
    }

    /** They all wait for one sandbox: on a busy machine the last of them are told to try again. */
    private String refreshPatiently(Replica replica, SandboxClaims token) throws Exception {
        long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(60);
        while (true) {
            try {
                return refresh(replica, token);
            } catch (StatusRuntimeException e) {
                if (e.getStatus().getCode() != Status.Code.UNAVAILABLE || System.nanoTime() > end) {
                    throw e;
                }
            }
        }
    }

    private String refresh(Replica replica, SandboxClaims token) throws Exception {
        AssertionMinter extAuthz = new AssertionMinter(
                RunningIssuer.GATEWAY,
                KeyDirectory.readSigning(directory.resolve("keys/assertion")),
                Duration.ofSeconds(10),
                Ed25519.portable(),
                InstantSource.system());
        Metadata metadata = new Metadata();
        metadata.put(
                Metadata.Key.of(PrincipalHeader.ASSERTION_NAME, Metadata.ASCII_STRING_MARSHALLER),
                extAuthz.mint(new Assertion(new Assertion.Caller.Sandbox(token), REFRESH)));
        Channel channel =
                ClientInterceptors.intercept(replica.envoy(), MetadataUtils.newAttachHeadersInterceptor(metadata));
        return OpenShellGrpc.newBlockingStub(channel)
                .withDeadlineAfter(30, TimeUnit.SECONDS)
                .refreshSandboxToken(RefreshSandboxTokenRequest.getDefaultInstance())
                .getToken();
    }

    private SandboxTokenVerifier verifier() throws Exception {
        return new SandboxTokenVerifier(
                RunningIssuer.GATEWAY,
                KeyDirectory.readPublic(directory.resolve("keys/jwt")),
                new SandboxTokenVerifier.Limits(Duration.ofHours(24), Duration.ofSeconds(60), false),
                Ed25519.portable(),
                InstantSource.system());
    }

    private static SandboxRegistryGrpc.SandboxRegistryBlockingStub registry(Replica replica) {
        return SandboxRegistryGrpc.newBlockingStub(replica.registry()).withDeadlineAfter(30, TimeUnit.SECONDS);
    }

    private IssuerProcess start(String name, PostgresServer server, String database) throws Exception {
        Path own = Files.createDirectory(directory.resolve(name));
        return IssuerProcess.start(RunningIssuer.writeSettings(own, directory, server, database), own);
    }

    private Replica ready(String name, IssuerProcess process) throws Exception {
        process.awaitReady();
        assertThat(process.said()).doesNotContain(PostgresServer.PASSWORD).doesNotContain("SLF4J");
        return new Replica(process, channel(name, "registry.sock"), channel(name, "issuer.sock"));
    }

    private ManagedChannel channel(String name, String socket) {
        ManagedChannel channel = GrpcChannels.connectTo(
                        new Endpoint.Unix(directory.resolve(name).resolve("run").resolve(socket)), eventLoops)
                .build();
        channels.add(channel);
        return channel;
    }
}
