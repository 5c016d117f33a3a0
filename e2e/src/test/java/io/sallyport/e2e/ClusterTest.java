package io.sallyport.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import io.fabric8.kubernetes.api.model.ConfigMapBuilder;
import io.fabric8.kubernetes.api.model.HasMetadata;
import io.fabric8.kubernetes.api.model.Pod;
import io.fabric8.kubernetes.api.model.PodBuilder;
import io.fabric8.kubernetes.client.KubernetesClient;
import io.fabric8.kubernetes.client.dsl.ExecWatch;
import io.sallyport.api.openshell00.IssueSandboxTokenResponse;
import io.sallyport.base.Reason;
import io.sallyport.e2e.gateway.KnownSandbox;
import io.sallyport.e2e.gateway.Sighting;
import io.sallyport.e2e.run.PodWalk;
import io.sallyport.e2e.stack.Part;
import io.sallyport.e2e.stack.SallyportStack;
import io.sallyport.e2e.support.Arena;
import io.sallyport.e2e.support.Arenas;
import io.sallyport.e2e.support.AuditTail;
import io.sallyport.e2e.support.Caller;
import io.sallyport.e2e.support.Eventually;
import io.sallyport.e2e.support.Setup;
import io.sallyport.e2e.support.Tools;
import io.sallyport.e2e.wire.Outcome;
import io.sallyport.e2e.wire.RawHttp2.Headers;
import io.sallyport.e2e.wire.Wire;
import io.sallyport.kubernetes.Node;
import io.sallyport.kubernetes.TestSandboxes;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.KeyStore;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.condition.EnabledIfSystemProperty;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;

/**
 * Pods of a real kubelet, which projects their tokens, call through Envoy from a network of their own. They are the chart's
 * example, and ext-authz has the chart's rights.
 */
@EnabledIfSystemProperty(named = "cluster", matches = "true", disabledReason = "opt-in: ./test --cluster")
@ExtendWith(Arenas.Resolver.class)
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class ClusterTest {
    private static final String ISSUE = Arena.OPEN_SHELL + "IssueSandboxToken";
    private static final String GATEWAY_HOST = "gateway.sallyport.svc";
    private static final int GATEWAY_PORT = 8080;
    private static final String CA = "gateway-ca";

    private final Arenas arenas;
    private Node node;
    private KubernetesClient admin;
    private TestSandboxes sandboxes;
    private Arena arena;

    /** The Envoy that pods reach. */
    private SallyportStack door;

    ClusterTest(Arenas arenas) {
        this.arenas = arenas;
    }

    @BeforeAll
    void start(@TempDir Path directory) throws Exception {
        node = Node.start();
        admin = node.server().admin();
        sandboxes = TestSandboxes.prepare(node.server(), "sandboxes");
        Path kubeconfig = sandboxes.grant(node.server(), "ext-authz");
        arena = arenas.own(arenas.options(Setup.V0_0_TRUSTING)
                .with(Part.EXT_AUTHZ, "kubernetes.timeout", "5s")
                .with(Part.EXT_AUTHZ, "kubernetes.namespaces", List.of(sandboxes.namespace()))
                .with(Part.EXT_AUTHZ, "kubernetes.accounts", List.of(TestSandboxes.ACCOUNT))
                .with(Part.EXT_AUTHZ, "kubernetes.kubeconfig", kubeconfig.toString()));
        Certificate certificate = Certificate.make(directory);
        SallyportStack first = arena.stack();
        door = SallyportStack.start(
                arenas.options(Setup.V0_0_TRUSTING)
                        .withParts(Set.of(Part.ENVOY))
                        .withPorts(GATEWAY_PORT, 0, 0)
                        .with(Part.ENVOY, "listen", "0.0.0.0:" + GATEWAY_PORT)
                        .with(
                                Part.ENVOY,
                                "tls.certificate",
                                certificate.certificate().toString())
                        .with(Part.ENVOY, "tls.key", certificate.key().toString())
                        .with(Part.ENVOY, "upstreams.ext-authz", "unix:" + first.socket("ext-authz"))
                        .with(Part.ENVOY, "upstreams.issuer", "unix:" + first.socket("issuer"))
                        .with(Part.ENVOY, "upstreams.gateway", "127.0.0.1:" + first.gatewayPort()),
                step -> {});
        admin.resource(new ConfigMapBuilder()
                        .withNewMetadata()
                        .withName(CA)
                        .withNamespace(sandboxes.namespace())
                        .endMetadata()
                        .addToData("ca.pem", Files.readString(certificate.certificate()))
                        .build())
                .create();
    }

    @AfterAll
    void stop() {
        try (Node _ = node;
                Arena _ = arena;
                SallyportStack _ = door) {
            // Whatever was started, also after a start that failed; null is nothing to close.
        }
    }

    @Test
    void twoPodsAreTheirOwnSandboxesAndNoOther() throws Exception {
        admit("pod-alpha");
        admit("pod-beta");
        Pod alpha = running(sandboxPod("pod-alpha"));
        Pod beta = running(sandboxPod("pod-beta"));

        walk(alpha, "pod-beta");
        walk(beta, "pod-alpha");
    }

    private void walk(Pod pod, String neighbour) throws Exception {
        String own = pod.getMetadata().getName();
        long before = arena.stack().gateway().count();
        Ended walk = exec(
                pod,
                "/java/bin/java",
                "-cp",
                "/app/e2e/sallyport-e2e.jar",
                "--enable-native-access=ALL-UNNAMED",
                "--sun-misc-unsafe-memory-access=allow",
                PodWalk.class.getName(),
                own,
                neighbour);

        assertThat(walk.code()).as("%s%s", walk, node.logs()).isZero();
        assertThat(walk.lines()).as("%s", walk.errors()).containsExactly("""
                own config: OK
                neighbour's config: PERMISSION_DENIED
                neighbour's draft, by name: PERMISSION_DENIED
                own draft, by name: OK
                own config, no token: UNAUTHENTICATED
                own config, the pod's token: UNAUTHENTICATED
                own config, a token cut short: UNAUTHENTICATED
                a method of users: PERMISSION_DENIED
                refresh: OK
                own config, refreshed token: OK
                own logs: OK
                neighbour's logs: PERMISSION_DENIED
                """.split("\n"));
        List<Sighting> seen = arena.stack().gateway().since(before);
        assertThat(seen)
                .allSatisfy(each -> assertThat(each.header("x-sandbox-principal"))
                        .hasValueSatisfying(
                                principal -> assertThat(principal).startsWith("sandbox;id=\"" + own + "\"")));
        assertThat(seen.stream()
                        .flatMap(each -> each.messages().stream())
                        .map(ByteString::toStringUtf8)
                        .toList())
                .as("what the gateway saw: two configurations, a draft and a line of logs")
                .hasSize(4)
                .allSatisfy(message -> assertThat(message).contains(own).doesNotContain(neighbour));

        // The program that people use, in the way that its package has it.
        assertThat(agent(pod, "get-sandbox-config", "--sandbox-id", own).lines())
                .anySatisfy(line -> assertThat(line).startsWith("policy_hash: "));
        Ended refused = agent(pod, "get-sandbox-config", "--sandbox-id", neighbour);
        assertThat(refused.code()).as("%s", refused).isEqualTo(7);
        assertThat(agent(pod, "refresh").code()).isZero();
    }

    @Test
    void aPodHasTheTokenForTheGatewayAndNoOther() throws Exception {
        Pod pod = running(sandboxPod("pod-with-a-token"));
        Path volumes = node.projectedVolumes(pod.getMetadata().getUid());
        try (Stream<Path> there = Files.list(volumes)) {
            assertThat(there.map(Path::getFileName).map(Path::toString)).containsExactly("openshell-token");
        }
        assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(token(pod))))
                .isEqualTo("rw-r-----");
        assertThat(Files.getAttribute(token(pod), "unix:gid")).isEqualTo(1000);
    }

    @Test
    void thePodIsDeletedAndItsTokenIsRefused() throws Exception {
        admit("pod-gone");
        Pod pod = running(sandboxPod("pod-gone"));
        String token = read(token(pod));
        assertIssues("pod-gone", issue(token));

        sandboxes.deletePod("pod-gone");

        Map<String, String> line = arena.refused(Reason.POD_GONE, () -> issue(token));
        assertThat(line).containsEntry("method", ISSUE);
        assertThat(Reason.POD_GONE.statusCode().toString()).isEqualTo("UNAUTHENTICATED");
    }

    @Test
    void aPodThatIsEndingBeginsNoMore() throws Exception {
        admit("pod-ending");
        Pod pod = running(sandboxPod("pod-ending"));
        String token = read(token(pod));

        // What it runs heeds no SIGTERM, so that it has its half minute of grace.
        admin.resource(pod).delete();

        arena.refused(Reason.POD_ENDED, () -> issue(token));
        sandboxes.deletePod("pod-ending");
    }

    @Test
    void aPodOfTheSameNameIsAnother() throws Exception {
        admit("pod-again");
        Pod unsaved = sandboxPod("pod-again");
        String old = read(token(running(unsaved)));
        assertIssues("pod-again", issue(old));
        sandboxes.deletePod("pod-again");

        Pod again = running(unsaved);

        assertThat(issue(old).inWords()).startsWith("UNAUTHENTICATED");
        assertIssues("pod-again", issue(read(token(again))));
    }

    /** Without a kubeconfig: the token, the certificate and the address are those that every pod is given. */
    @Test
    void extAuthzIsAPodItself() throws Exception {
        admit("pod-first");
        Pod sandbox = running(sandboxPod("pod-first"));
        SallyportStack stack = arena.stack();
        String settings = Files.readString(stack.settingsFile(Part.EXT_AUTHZ));
        Path inCluster = stack.options().state().resolve("in-cluster.yaml");
        Files.writeString(inCluster, settings.replaceAll("(?m)^ *kubeconfig: .*\n", ""));
        assertThat(inCluster).content().contains("kubernetes:").doesNotContain("kubeconfig");
        stack.stop(Part.EXT_AUTHZ);
        AuditTail audit = new AuditTail(stack.auditLog(Part.ISSUER));
        try {
            Pod extAuthz = running(extAuthzPod(stack.options().state().toString(), inCluster.toString()));

            Eventually.answers("ext-authz is there", "OK: ", () -> arena.ownConfig(arena.alpha()));
            assertIssues("pod-first", issue(read(token(sandbox))));
            assertThat(audit.next(Reason.BOOTSTRAP_MINTED)).containsEntry("sandbox_asked", "pod-first");
            admin.resource(extAuthz).withGracePeriod(0).delete();
        } finally {
            stack.start(Part.EXT_AUTHZ);
        }
        Eventually.answers("as before", "OK: ", () -> arena.ownConfig(arena.alpha()));
    }

    private Pod extAuthzPod(String state, String settings) {
        return new PodBuilder()
                .withNewMetadata()
                .withName("ext-authz")
                .withNamespace(sandboxes.system())
                .endMetadata()
                .withNewSpec()
                .withServiceAccountName(sandboxes.system() + "-ext-authz")
                .withAutomountServiceAccountToken(true)
                .addNewContainer()
                .withName("ext-authz")
                .withImage(Node.IMAGE)
                .withImagePullPolicy("Never")
                .withCommand(
                        "/java/bin/java",
                        "@/app/ext-authz/jvm.options",
                        "-jar",
                        "/app/ext-authz/sallyport-ext-authz.jar",
                        "serve",
                        "--config",
                        settings)
                .addNewVolumeMount()
                .withName("state")
                .withMountPath(state)
                .endVolumeMount()
                .endContainer()
                .addNewVolume()
                .withName("state")
                .withNewHostPath()
                .withPath(state)
                .endHostPath()
                .endVolume()
                .endSpec()
                .build();
    }

    private void admit(String id) {
        var _ = arena.admit(KnownSandbox.parse(id));
    }

    /** The chart's example with this id, and with what the example leaves to others: image, owner, addresses. */
    private Pod sandboxPod(String id) throws IOException {
        Pod example = null;
        for (HasMetadata object : sandboxes.manifest("sandbox.yaml")) {
            if (object instanceof Pod pod) {
                example = pod;
            } else {
                sandboxes.apply(object);
            }
        }
        assertThat(example).as("the pod in sandbox.yaml").isNotNull();
        return new PodBuilder(example)
                .editMetadata()
                .withName(id)
                .addToAnnotations("openshell.io/sandbox-id", id)
                .addToOwnerReferences(TestSandboxes.owner(sandboxes.sandbox(id, id), true))
                .endMetadata()
                .editSpec()
                .addNewHostAlias()
                .withIp(node.address())
                .withHostnames(GATEWAY_HOST)
                .endHostAlias()
                .editFirstContainer()
                .withImage(Node.IMAGE)
                .withImagePullPolicy("Never")
                .editMatchingEnv(variable -> variable.getName().equals("OPENSHELL_SANDBOX_ID"))
                .withValue(id)
                .endEnv()
                .addNewEnv()
                .withName("OPENSHELL_TLS_CA")
                .withValue("/etc/gateway/ca.pem")
                .endEnv()
                .addNewVolumeMount()
                .withName(CA)
                .withMountPath("/etc/gateway")
                .withReadOnly(true)
                .endVolumeMount()
                .endContainer()
                .addNewVolume()
                .withName(CA)
                .withNewConfigMap()
                .withName(CA)
                .endConfigMap()
                .endVolume()
                .endSpec()
                .build();
    }

    /** Makes the pod and waits until it runs. */
    private Pod running(Pod unsaved) {
        Pod made = admin.resource(unsaved).create();
        try {
            Eventually.holds(
                    made.getMetadata().getName() + " runs",
                    () -> "Running"
                            .equals(admin.resource(made).get().getStatus().getPhase()));
        } catch (AssertionError e) {
            throw new AssertionError(admin.resource(made).get().getStatus() + node.logs(), e);
        }
        return made;
    }

    private Path token(Pod pod) {
        return node.projectedVolumes(pod.getMetadata().getUid()).resolve("openshell-token/token");
    }

    private static String read(Path token) throws IOException {
        return Files.readString(token, StandardCharsets.US_ASCII).strip();
    }

    private Outcome issue(String token) {
        return arena.call(Headers.grpc(ISSUE).bearer(token), Wire.message().framed());
    }

    private void assertIssues(String id, Outcome outcome) throws InvalidProtocolBufferException {
        assertThat(outcome.inWords()).as(arena::logs).isEqualTo("OK: ");
        byte[] frame = outcome.body().getBytes(StandardCharsets.ISO_8859_1);
        String token = IssueSandboxTokenResponse.parser()
                .parseFrom(frame, 5, frame.length - 5)
                .getToken();
        assertThat(arena.ownConfig(new Caller(KnownSandbox.parse(id), token)).inWords())
                .as(arena::logs)
                .isEqualTo("OK: ");
    }

    private record Ended(int code, List<String> lines, String errors) {}

    private Ended agent(Pod pod, String... arguments) throws Exception {
        List<String> command = new ArrayList<>(List.of(
                "/java/bin/java",
                "@/app/supervisor-agent/jvm.options",
                "-jar",
                "/app/supervisor-agent/sallyport-supervisor-agent.jar"));
        command.addAll(List.of(arguments));
        return exec(pod, command.toArray(String[]::new));
    }

    private Ended exec(Pod pod, String... command) throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream errors = new ByteArrayOutputStream();
        try (ExecWatch running = admin.pods()
                .resource(pod)
                .writingOutput(out)
                .writingError(errors)
                .exec(command)) {
            int code = running.exitCode().get(2, TimeUnit.MINUTES);
            return new Ended(
                    code,
                    out.toString(StandardCharsets.UTF_8).lines().toList(),
                    errors.toString(StandardCharsets.UTF_8));
        }
    }

    /** Self-signed, for the gateway's name in the example, by the JDK's keytool. */
    private record Certificate(Path certificate, Path key) {
        static Certificate make(Path directory) throws Exception {
            String store = directory.resolve("gateway.p12").toString();
            String keytool =
                    Path.of(System.getProperty("java.home"), "bin", "keytool").toString();
            var _ = Tools.run(
                    Map.of(),
                    keytool,
                    "-genkeypair",
                    "-keyalg",
                    "EC",
                    "-groupname",
                    "secp256r1",
                    "-alias",
                    "gateway",
                    "-dname",
                    "CN=" + GATEWAY_HOST,
                    "-ext",
                    "san=dns:" + GATEWAY_HOST,
                    "-storetype",
                    "PKCS12",
                    "-keystore",
                    store,
                    "-storepass",
                    "changeit");
            KeyStore keys = KeyStore.getInstance(new File(store), "changeit".toCharArray());
            return new Certificate(
                    pem(
                            directory.resolve("gateway.pem"),
                            "CERTIFICATE",
                            keys.getCertificate("gateway").getEncoded()),
                    pem(
                            directory.resolve("gateway.key"),
                            "PRIVATE KEY",
                            keys.getKey("gateway", "changeit".toCharArray()).getEncoded()));
        }

        private static Path pem(Path file, String kind, byte[] der) throws IOException {
            return Files.writeString(
                    file,
                    "-----BEGIN " + kind + "-----\n" + Base64.getMimeEncoder().encodeToString(der) + "\n-----END "
                            + kind + "-----\n");
        }
    }
}
