package io.sallyport.issuer;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.ManagedChannel;
import io.netty.channel.EventLoopGroup;
import io.sallyport.api.registry.v1.MintBootstrapTokenRequest;
import io.sallyport.api.registry.v1.RegisterSandboxRequest;
import io.sallyport.api.registry.v1.SandboxRegistryGrpc;
import io.sallyport.base.RejectedException;
import io.sallyport.base.net.Endpoint;
import io.sallyport.base.net.GrpcChannels;
import io.sallyport.base.net.GrpcServers;
import io.sallyport.identity.Ed25519;
import io.sallyport.identity.GatewayId;
import io.sallyport.identity.KeyDirectory;
import io.sallyport.identity.KeyWatch;
import io.sallyport.identity.SandboxTokenVerifier;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** Keys are rotated under an issuer that runs as a process of its own, and that is asked for tokens all the while. */
@Timeout(120)
class KeyRotationProcessTest {
    private static final Pattern READY = Pattern.compile(": ready on .* http=(http://\\S+)");

    /** The registry's calls per thread are what a supervisor's refreshes are: each takes the key of the moment. */
    private static final int CALLERS = 2;

    @TempDir
    private Path directory;

    private final EventLoopGroup eventLoops = GrpcServers.eventLoops("test-client", 1);
    private final Set<String> signedBy = ConcurrentHashMap.newKeySet();
    private final List<String> failures = new CopyOnWriteArrayList<>();

    @Test
    void aRotationLosesNoTokenAndABrokenDirectoryStopsNothing() throws Exception {
        RunningIssuer.generateKeys(directory);
        Path settings = RunningIssuer.writeSettings(directory, directory.resolve("issuer.db"));
        Files.writeString(
                settings,
                Files.readString(settings).replace("keys/assertion}", "keys/assertion, poll: 50ms, jwks-max-age: 1s}"));
        Path keys = directory.resolve("keys/jwt");
        String first = KeyDirectory.readSigning(keys).keyId();
        AtomicBoolean enough = new AtomicBoolean();
        try (IssuerProcess process = IssuerProcess.start(settings, directory);
                KeyWatch watch = KeyWatch.open(keys, KeyDirectory.Use.VERIFY, System::nanoTime);
                HttpClient http = HttpClient.newHttpClient()) {
            watch.start(Duration.ofMillis(50));
            process.awaitReady();
            Matcher ready = READY.matcher(process.said());
            assertThat(ready.find()).as(process.said()).isTrue();
            String address = ready.group(1);
            List<Thread> callers = new ArrayList<>();
            for (int i = 0; i < CALLERS; i++) {
                String id = "s" + i;
                callers.add(Thread.ofPlatform().start(() -> mintAndVerify(id, watch, enough)));
            }
            RunningIssuer.await(() -> signedBy.contains(first));
            String tag = get(http, address, "/.well-known/jwks.json")
                    .headers()
                    .firstValue("ETag")
                    .orElseThrow();

            String second = command("keys", "rotate", keys.toString(), "prepare", "--config", settings.toString());
            RunningIssuer.await(
                    () -> get(http, address, "/.well-known/jwks.json").body().contains(second));
            assertThat(get(http, address, "/.well-known/jwks.json").headers().firstValue("ETag"))
                    .isNotEqualTo(Optional.of(tag));
            assertThat(signedBy).as("published before it signs").containsExactly(first);

            RunningIssuer.await(
                    () -> !command("keys", "rotate", keys.toString(), "activate", "--config", settings.toString())
                            .isEmpty());
            RunningIssuer.await(() -> signedBy.contains(second));

            Path active = keys.resolve("active");
            String whole = Files.readString(active);
            Files.writeString(active, "nobody\n");
            RunningIssuer.await(() -> get(http, address, "/healthz").body().startsWith("degraded\n"));
            HttpResponse<String> health = get(http, address, "/healthz");
            assertThat(health.statusCode())
                    .as("all replicas see it: none may go")
                    .isEqualTo(200);
            assertThat(health.body()).contains("names key nobody");
            RunningIssuer.await(() -> said(process).split("WARNING KeyWatch: keys: ", -1).length > 3);
            signedBy.clear();
            RunningIssuer.await(() -> signedBy.contains(second));
            Files.writeString(active, whole);
            RunningIssuer.await(() -> get(http, address, "/healthz").body().equals("ok\n"));

            assertThat(failures).as("nothing was lost").isEmpty();
            String third = command("keys", "rotate", keys.toString(), "taint", second, "--reason", "a test");
            assertThat(third).as("the command names the tainted one first").isEqualTo(second);
            RunningIssuer.await(
                    () -> !get(http, address, "/.well-known/jwks.json").body().contains(second));

            enough.set(true);
            for (Thread caller : callers) {
                caller.join();
            }
            assertThat(failures)
                    .as("what the tainted key had signed is refused, and nothing is signed until another is active")
                    .allMatch(failure -> failure.contains("no key " + second) || failure.contains("UNAVAILABLE"));
        } finally {
            enough.set(true);
            var _ = eventLoops.shutdownGracefully(0, 1, TimeUnit.SECONDS);
        }
    }

    private void mintAndVerify(String id, KeyWatch watch, AtomicBoolean enough) {
        SandboxTokenVerifier verifier = new SandboxTokenVerifier(
                new GatewayId("local"),
                watch,
                new SandboxTokenVerifier.Limits(Duration.ofHours(24), Duration.ofSeconds(60), false),
                Ed25519.portable(),
                InstantSource.system());
        ManagedChannel channel = GrpcChannels.connectTo(
                        new Endpoint.Unix(directory.resolve("run/registry.sock")), eventLoops)
                .build();
        try {
            var registry = SandboxRegistryGrpc.newBlockingStub(channel);
            var _ = registry.registerSandbox(
                    RegisterSandboxRequest.newBuilder().setId(id).build());
            while (!enough.get()) {
                String token = registry.mintBootstrapToken(
                                MintBootstrapTokenRequest.newBuilder().setId(id).build())
                        .getToken();
                signedBy.add(verifier.verify(token).keyId());
            }
        } catch (RejectedException e) {
            failures.add(e.reason() + " " + e.detail());
        } catch (RuntimeException e) {
            failures.add(e.toString());
        } finally {
            channel.shutdownNow();
        }
    }

    /** Runs a command; its kid, or nothing when it was refused. */
    private static String command(String... arguments) {
        RunningIssuer.Printed printed = RunningIssuer.run(Map.of(), InputStream.nullInputStream(), arguments);
        return printed.exitCode() == 0 ? printed.out().replaceFirst("(?s)kid=(\\S+) .*", "$1") : "";
    }

    private static HttpResponse<String> get(HttpClient http, String address, String path) {
        try {
            return http.send(
                    HttpRequest.newBuilder(URI.create(address + path)).build(), HttpResponse.BodyHandlers.ofString());
        } catch (IOException | InterruptedException e) {
            throw new AssertionError(e);
        }
    }

    private static String said(IssuerProcess process) {
        try {
            return process.said();
        } catch (IOException e) {
            throw new AssertionError(e);
        }
    }
}
