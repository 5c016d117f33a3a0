package io.sallyport.extauthz;

import static org.assertj.core.api.Assertions.assertThat;

import io.envoyproxy.envoy.service.auth.v3.AuthorizationGrpc;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Server;
import io.grpc.ServerCall;
import io.grpc.ServerCallHandler;
import io.grpc.ServerInterceptor;
import io.grpc.ServerInterceptors;
import io.grpc.Status;
import io.grpc.health.v1.HealthCheckRequest;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.grpc.health.v1.HealthGrpc;
import io.netty.channel.EventLoopGroup;
import io.sallyport.api.openshell00.sandbox.GetSandboxConfigRequest;
import io.sallyport.base.RejectedException;
import io.sallyport.base.net.GrpcChannels;
import io.sallyport.base.net.GrpcServers;
import io.sallyport.identity.AssertionVerifier;
import io.sallyport.identity.Ed25519;
import io.sallyport.identity.KeyDirectory;
import io.sallyport.identity.KeyRotation;
import io.sallyport.identity.KeyWatch;
import io.sallyport.identity.Lineage;
import io.sallyport.identity.SandboxClaims;
import io.sallyport.identity.SandboxId;
import io.sallyport.identity.SandboxTokenMinter;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Base64;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The whole service while its keys are rotated under it, beside an issuer that follows the assertion keys. */
@Timeout(60)
class KeysFollowedTest {
    private static final KeyRotation.Windows WINDOWS =
            KeyRotation.Windows.ofAssertions(Duration.ofSeconds(1), Duration.ZERO);

    @TempDir
    Path directory;

    private final EventLoopGroup loops = GrpcServers.eventLoops("test", 1);
    private final Set<String> vouchedWith = ConcurrentHashMap.newKeySet();
    private Path jwt;
    private Path assertion;
    private ExtAuthzSettings settings;
    private KeyWatch assertionKeys;
    private Server issuer;
    private ExtAuthzServer server;
    private ManagedChannel channel;

    @BeforeEach
    void start() throws Exception {
        jwt = directory.resolve("jwt");
        assertion = directory.resolve("assertion");
        String _ = KeyDirectory.generate(jwt);
        String _ = KeyDirectory.generate(assertion);
        settings =
                ExtAuthzSettings.load(Files.writeString(directory.resolve("ext-authz.yaml"), """
                gateway-id: local
                listen: unix:%1$s/a.sock
                policy: {preset: openshell-0.0}
                keys: {tokens: %1$s/jwt, assertion: %1$s/assertion, poll: 20ms}
                issuer: unix:%1$s/f.sock
                issuer-timeout: 5s
                audit: {file: %1$s/audit.jsonl}
                """.formatted(directory)));
        assertionKeys = KeyWatch.open(assertion, KeyDirectory.Use.VERIFY, System::nanoTime);
        assertionKeys.start(Duration.ofMillis(20));
        issuer = GrpcServers.listenOn(settings.issuers().getFirst(), loops)
                .directExecutor()
                .addService(ServerInterceptors.intercept(new EverySandboxLives(), new DemandAssertion()))
                .build()
                .start();
        server = ExtAuthzServer.start(settings, CompletableFuture.completedFuture(Ed25519.portable()));
        server.ready().get();
        channel = GrpcChannels.connectTo(settings.listen(), loops)
                .directExecutor()
                .build();
    }

    @AfterEach
    void stop() {
        channel.shutdownNow();
        server.close();
        issuer.shutdownNow();
        assertionKeys.close();
        var _ = loops.shutdownGracefully(0, 1, TimeUnit.SECONDS);
    }

    private static KeyRotation rotation(Path keys) {
        return new KeyRotation(keys, WINDOWS, InstantSource.system(), _ -> {});
    }

    @Test
    void tokensOfAFreshlyActivatedKeyPassAtOnceAndThoseOfAKeyThatLeftNoMore() throws Exception {
        String old = token();
        assertThat(ask(old)).isEqualTo(Status.Code.OK);
        String first = KeyDirectory.readSigning(jwt).keyId();

        String _ = rotation(jwt).prepare();
        String _ = rotation(jwt).activate(Optional.empty(), true);

        assertThat(ask(token())).as("also before the next look").isEqualTo(Status.Code.OK);
        assertThat(ask(old)).isEqualTo(Status.Code.OK);

        List<String> _ = rotation(jwt).remove(Optional.of(first), true);
        await(() -> ask(old) == Status.Code.UNAUTHENTICATED);
        assertThat(ask(token())).isEqualTo(Status.Code.OK);
    }

    @Test
    void assertionsAreSignedWithTheKeyOfTheTime() throws Exception {
        assertThat(ask(token())).isEqualTo(Status.Code.OK);
        String first = KeyDirectory.readSigning(assertion).keyId();
        assertThat(vouchedWith).containsExactly(first);

        String second = rotation(assertion).prepare();
        String _ = rotation(assertion).activate(Optional.empty(), true);
        await(() -> {
            // Not one question is refused on the way.
            assertThat(ask(token())).isEqualTo(Status.Code.OK);
            return vouchedWith.contains(second);
        });
        List<String> _ = rotation(assertion).remove(Optional.of(first), true);

        assertThat(ask(token())).isEqualTo(Status.Code.OK);
    }

    @Test
    void aBrokenSetIsToldByHealthUnderItsOwnNameAndStopsNothing() throws Exception {
        assertThat(health(ExtAuthzServer.KEYS_HEALTH)).isEqualTo(ServingStatus.SERVING);
        Path active = assertion.resolve("active");
        String whole = Files.readString(active);

        Files.writeString(active, "nobody\n");
        await(() -> health(ExtAuthzServer.KEYS_HEALTH) == ServingStatus.NOT_SERVING);

        assertThat(health("")).isEqualTo(ServingStatus.SERVING);
        assertThat(ask(token())).isEqualTo(Status.Code.OK);

        Files.writeString(active, whole);
        await(() -> health(ExtAuthzServer.KEYS_HEALTH) == ServingStatus.SERVING);
    }

    private ServingStatus health(String service) {
        return HealthGrpc.newBlockingStub(channel)
                .check(HealthCheckRequest.newBuilder().setService(service).build())
                .getStatus();
    }

    private String token() {
        try {
            SandboxTokenMinter minter =
                    new SandboxTokenMinter(TestIdentity.GATEWAY, KeyDirectory.readSigning(jwt), Ed25519.portable());
            Instant now = Instant.now();
            return minter.mint(new SandboxClaims(
                    // Another one each time, whose record has to be asked for.
                    new SandboxId("alpha-" + System.nanoTime()),
                    Optional.of("t-" + System.nanoTime()),
                    Optional.of(new Lineage("l", 0)),
                    now,
                    now.plusSeconds(3600),
                    minter.keyId()));
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }

    private Status.Code ask(String token) {
        String claims = new String(Base64.getUrlDecoder().decode(token.split("\\.", -1)[1]), StandardCharsets.UTF_8);
        String sandbox = claims.replaceFirst(".*\"sandbox_id\":\"([^\"]+)\".*", "$1");
        return Status.fromCodeValue(AuthorizationGrpc.newBlockingStub(channel)
                        .check(Requests.to(Requests.CONFIG, settings.policy().digest())
                                .bearer(token)
                                .message(GetSandboxConfigRequest.newBuilder()
                                        .setSandboxId(sandbox)
                                        .build())
                                .build())
                        .getStatus()
                        .getCode())
                .getCode();
    }

    /** Asks again until it is so; the test's timeout ends what never becomes so. */
    private static void await(BooleanSupplier condition) throws InterruptedException {
        while (!condition.getAsBoolean()) {
            Thread.sleep(5);
        }
    }

    /** Refuses what no key of the time has signed, and keeps in mind which ones did. */
    private final class DemandAssertion implements ServerInterceptor {
        private final AssertionVerifier verifier = new AssertionVerifier(
                TestIdentity.GATEWAY, assertionKeys, Duration.ofSeconds(5), Ed25519.portable(), Clock.systemUTC());

        @Override
        public <Q, A> ServerCall.Listener<Q> interceptCall(
                ServerCall<Q, A> call, Metadata headers, ServerCallHandler<Q, A> next) {
            String jws = String.valueOf(
                    headers.get(Metadata.Key.of("x-sandbox-principal-jwt", Metadata.ASCII_STRING_MARSHALLER)));
            try {
                var _ = verifier.verify(jws, "/" + call.getMethodDescriptor().getFullMethodName());
            } catch (RejectedException e) {
                call.close(Status.UNAUTHENTICATED, new Metadata());
                return new ServerCall.Listener<>() {};
            }
            String header = new String(
                    Base64.getUrlDecoder().decode(jws.substring(0, jws.indexOf('.'))), StandardCharsets.UTF_8);
            vouchedWith.add(header.replaceFirst(".*\"kid\":\"([^\"]+)\".*", "$1"));
            return next.startCall(call, headers);
        }
    }
}
