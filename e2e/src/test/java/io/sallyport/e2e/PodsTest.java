package io.sallyport.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.InvalidProtocolBufferException;
import io.sallyport.agent.GatewayExchange;
import io.sallyport.agent.GatewaySettings;
import io.sallyport.agent.ServiceAccountTokenSource;
import io.sallyport.agent.TokenSource;
import io.sallyport.agent.TokenUnavailableException;
import io.sallyport.api.openshell00.IssueSandboxTokenResponse;
import io.sallyport.api.registry.v1.SandboxState;
import io.sallyport.base.Reason;
import io.sallyport.e2e.gateway.KnownSandbox;
import io.sallyport.e2e.stack.Part;
import io.sallyport.e2e.support.Arena;
import io.sallyport.e2e.support.Arenas;
import io.sallyport.e2e.support.AuditTail;
import io.sallyport.e2e.support.Caller;
import io.sallyport.e2e.support.Setup;
import io.sallyport.e2e.support.Tools;
import io.sallyport.e2e.wire.Outcome;
import io.sallyport.e2e.wire.RawHttp2.Headers;
import io.sallyport.e2e.wire.Wire;
import io.sallyport.kubernetes.ApiServer;
import io.sallyport.kubernetes.ProjectedVolume;
import io.sallyport.kubernetes.ResignedTokens;
import io.sallyport.kubernetes.TestSandboxes;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.ArrayList;
import java.util.Date;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/** Pods of a real API server begin as sandboxes, through Envoy, ext-authz and the issuer. */
@ExtendWith(Arenas.Resolver.class)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class PodsTest {
    private static final String ISSUE = Arena.OPEN_SHELL + "IssueSandboxToken";
    private static final int MANY = 200;
    private static final int FLOOD = 200;

    private final Arenas arenas;
    private ApiServer server;
    private TestSandboxes sandboxes;
    private ProjectedVolume volume;
    private Arena arena;

    PodsTest(Arenas arenas) {
        this.arenas = arenas;
    }

    @BeforeAll
    void start(@TempDir Path directory) throws Exception {
        server = ApiServer.start();
        sandboxes = TestSandboxes.prepare(server);
        volume = new ProjectedVolume(directory, server);
        volume.put(sandboxes.grantedToken("ext-authz"));
        arena = arenas.own(arenas.options(Setup.V0_0_TRUSTING)
                .with(Part.EXT_AUTHZ, "kubernetes.timeout", "5s")
                .with(Part.EXT_AUTHZ, "kubernetes.namespaces", List.of(sandboxes.namespace()))
                .with(Part.EXT_AUTHZ, "kubernetes.accounts", List.of(TestSandboxes.ACCOUNT))
                .with(Part.EXT_AUTHZ, "kubernetes.service-account", directory.toString())
                .withEnvironment(
                        Part.EXT_AUTHZ,
                        Map.of(
                                "KUBERNETES_SERVICE_HOST",
                                "127.0.0.1",
                                "KUBERNETES_SERVICE_PORT",
                                String.valueOf(server.port()))));
    }

    @AfterAll
    void stop() {
        if (arena != null) {
            arena.close();
        }
        server.close();
    }

    private Outcome issue(String token) {
        return arena.call(Headers.grpc(ISSUE).bearer(token), Wire.message().framed());
    }

    private static String token(Outcome outcome) {
        assertThat(outcome.inWords()).isEqualTo("OK: ");
        byte[] frame = outcome.body().getBytes(StandardCharsets.ISO_8859_1);
        try {
            return IssueSandboxTokenResponse.parser()
                    .parseFrom(frame, 5, frame.length - 5)
                    .getToken();
        } catch (InvalidProtocolBufferException e) {
            throw new AssertionError("the answer to a pod is none", e);
        }
    }

    /** A sandbox that everybody knows, and a pod that is it. */
    private KnownSandbox sandbox(String id) {
        KnownSandbox sandbox = new KnownSandbox(id, "default", id);
        var _ = arena.admit(sandbox);
        return sandbox;
    }

    @Test
    void aPodBeginsAsItsSandboxAndAsNoOther() {
        KnownSandbox sandbox = sandbox("pod-one");
        String own = sandboxes.token(sandboxes.pod("pod-one", "pod-one"));
        AuditTail audit = new AuditTail(arena.stack().auditLog(Part.ISSUER));

        Caller caller = new Caller(sandbox, token(issue(own)));

        assertThat(audit.next(Reason.BOOTSTRAP_MINTED))
                .containsEntry("sandbox_asked", "pod-one")
                .hasEntrySatisfying(
                        "principal",
                        principal -> assertThat(principal)
                                .startsWith("service-account;")
                                .contains("pod=\"pod-one\""));
        assertThat(arena.ownConfig(caller).inWords()).isEqualTo("OK: ");
        arena.refused(
                Reason.CROSS_SANDBOX,
                () -> arena.call(
                        Headers.grpc(Arena.GET_CONFIG).bearer(caller.token()),
                        arena.configOf(arena.beta().sandbox())));
        arena.refused(Reason.SERVICE_ACCOUNT_REQUIRED, () -> issue(caller.token()));
        arena.refused(
                Reason.CREDENTIAL_UNKNOWN,
                () -> arena.call(Headers.grpc(Arena.GET_CONFIG).bearer(own), arena.configOf(sandbox)));
    }

    @Test
    void aPodThatIsGoneGetsNothing() {
        var _ = sandbox("pod-two");
        String token = sandboxes.token(sandboxes.pod("pod-two", "pod-two"));
        assertThat(token(issue(token))).isNotEmpty();
        sandboxes.deletePod("pod-two");
        arena.refused(Reason.POD_GONE, () -> issue(token));
    }

    @Test
    void theAgentBeginsWithItsPodsTokenAndNotWithAGoneOnes(@TempDir Path directory) throws Exception {
        var _ = sandbox("pod-agent");
        Path file = Files.writeString(
                directory.resolve("token"), sandboxes.token(sandboxes.pod("pod-agent", "pod-agent")) + "\n");
        Map<String, String> environment = Map.of(
                "OPENSHELL_ENDPOINT",
                "http://" + arena.stack().endpoint(),
                "OPENSHELL_K8S_SA_TOKEN_FILE",
                file.toString());
        Path app = arenas.root().resolve("supervisor-agent/target/app");

        assertThat(Tools.run(
                        environment,
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "@" + app.resolve("jvm.options"),
                        "-jar",
                        app.resolve("sallyport-supervisor-agent.jar").toString(),
                        "get-sandbox-config",
                        "--sandbox-id",
                        "pod-agent",
                        "--timeout",
                        "60"))
                .anySatisfy(line -> assertThat(line).startsWith("version: "));

        sandboxes.deletePod("pod-agent");
        AuditTail audit = new AuditTail(arena.stack().auditLog(Part.EXT_AUTHZ));
        TokenSource gone = new ServiceAccountTokenSource(
                file, new GatewayExchange(GatewaySettings.fromEnvironment(environment), 60), InstantSource.system());
        assertThatThrownBy(gone::token)
                .isInstanceOf(TokenUnavailableException.class)
                .hasMessageContaining("UNAUTHENTICATED: " + Reason.POD_GONE.text());
        assertThat(audit.next(Reason.POD_GONE)).isNotEmpty();
    }

    @Test
    void aPodOfNobodyGetsNothing() {
        String token = sandboxes.token(sandboxes.pod("pod-three", "never-registered"));
        assertThat(issue(token).inWords())
                .isEqualTo(Reason.SANDBOX_UNKNOWN.statusCode() + ": " + Reason.SANDBOX_UNKNOWN.text());
    }

    @Test
    void aPodWhoseSandboxDoesNotLiveGetsNothing() {
        var _ = sandbox("pod-stopped");
        var _ = sandbox("pod-deleted");
        String ofStopped = sandboxes.token(sandboxes.pod("pod-stopped", "pod-stopped"));
        String ofDeleted = sandboxes.token(sandboxes.pod("pod-deleted", "pod-deleted"));
        arena.stack().registry().setState("pod-stopped", SandboxState.SANDBOX_STATE_STOPPED);
        arena.stack().registry().delete("pod-deleted");

        assertThat(issue(ofStopped).inWords())
                .isEqualTo(Reason.SANDBOX_STOPPED.statusCode() + ": " + Reason.SANDBOX_STOPPED.text());
        assertThat(issue(ofDeleted).inWords())
                .isEqualTo(Reason.SANDBOX_DELETED.statusCode() + ": " + Reason.SANDBOX_DELETED.text());
    }

    /** ext-authz is set up as in a pod, and the kubelet replaces its token while it runs. */
    @Test
    void extAuthzAsksWithTheTokenThatItsVolumeHasNow() throws Exception {
        var _ = sandbox("pod-rotated");
        String token = sandboxes.token(sandboxes.pod("pod-rotated", "pod-rotated"));
        volume.put("not-a-token");
        try {
            arena.refused(Reason.CLUSTER_UNAVAILABLE, () -> issue(token));
        } finally {
            volume.put(sandboxes.grantedToken("ext-authz"));
        }
        assertThat(token(issue(token))).isNotEmpty();
    }

    /** Nobody is told no, nothing is minted, and it goes on by itself. */
    @Test
    void anApiServerThatIsAwayIsAnOutage() throws Exception {
        var _ = sandbox("pod-patient");
        String token = sandboxes.token(sandboxes.pod("pod-patient", "pod-patient"));
        AuditTail audit = new AuditTail(arena.stack().auditLog(Part.ISSUER));

        server.kill();
        try {
            arena.refused(Reason.CLUSTER_UNAVAILABLE, () -> issue(token));
            assertThat(audit.available()).isEmpty();
        } finally {
            server.startAgain();
        }

        assertThat(token(issue(token))).isNotEmpty();
        assertThat(audit.next(Reason.BOOTSTRAP_MINTED)).containsEntry("sandbox_asked", "pod-patient");
    }

    /** The first time, for nobody tries again. */
    @Test
    void twoHundredPodsBeginAtOnce() throws Exception {
        List<String> tokens = new ArrayList<>();
        for (int i = 0; i < MANY; i++) {
            String id = "crowd-" + i;
            arena.stack().registry().register(new KnownSandbox(id, "default", id));
            tokens.add(sandboxes.token(sandboxes.pod(id, id)));
        }
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            List<Future<Outcome>> calls = new ArrayList<>();
            tokens.forEach(token -> calls.add(threads.submit(() -> issue(token))));
            for (Future<Outcome> call : calls) {
                assertThat(token(call.get())).isNotEmpty();
            }
        }
    }

    /** Bad tokens that look good in every way, each on a connection of its own, and pods that begin meanwhile. */
    @Test
    void aFloodReachesTheApiServerNotAtAllAndEveryPodPasses() throws Exception {
        List<String> honest = new ArrayList<>();
        for (int i = 0; i < FLOOD / 20; i++) {
            String id = "calm-" + i;
            arena.stack().registry().register(new KnownSandbox(id, "default", id));
            honest.add(sandboxes.token(sandboxes.pod(id, id)));
        }
        String example = sandboxes.token(sandboxes.pod("pod-example", "pod-example"));
        ResignedTokens forger = ResignedTokens.asAForger();
        ResignedTokens cluster = ResignedTokens.asTheCluster(server);
        Date longAgo = Date.from(Instant.now().minus(Duration.ofMinutes(10)));
        long before = server.requests();

        List<Future<Outcome>> bad = new ArrayList<>();
        List<Future<Outcome>> good = new ArrayList<>();
        try (ExecutorService threads = Executors.newFixedThreadPool(16)) {
            for (int i = 0; i < FLOOD; i++) {
                String id = "flood-" + i;
                bad.add(threads.submit(() -> issue(forger.change(example, claims -> claims.jwtID(id)))));
                bad.add(threads.submit(() ->
                        issue(cluster.change(example, claims -> claims.jwtID(id).expirationTime(longAgo)))));
                if (i % 20 == 0) {
                    String token = honest.get(i / 20);
                    good.add(threads.submit(() -> issue(token)));
                }
            }
            for (Future<Outcome> call : bad) {
                assertThat(call.get().inWords())
                        .isEqualTo(Reason.POD_TOKEN_FORGED.statusCode() + ": " + Reason.POD_TOKEN_FORGED.text());
            }
            for (Future<Outcome> call : good) {
                assertThat(token(call.get())).isNotEmpty();
            }
        }

        assertThat(server.requests() - before)
                .as("a TokenReview, the pod and its Sandbox for each honest one")
                .isEqualTo(3L * honest.size());
    }
}
