package io.sallyport.issuer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.fabric8.kubernetes.api.model.GenericKubernetesResource;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.health.v1.HealthCheckResponse.ServingStatus;
import io.sallyport.api.openshell01.IssueSandboxTokenRequest;
import io.sallyport.api.openshell01.RefreshSandboxTokenRequest;
import io.sallyport.api.registry.v1.DeleteSandboxRequest;
import io.sallyport.api.registry.v1.GetSandboxRequest;
import io.sallyport.api.registry.v1.RegisterSandboxRequest;
import io.sallyport.api.registry.v1.Sandbox;
import io.sallyport.api.registry.v1.SandboxState;
import io.sallyport.base.Reason;
import io.sallyport.identity.SandboxClaims;
import io.sallyport.issuer.store.PostgresServer;
import io.sallyport.issuer.store.SharedPostgres;
import io.sallyport.kubernetes.ApiServer;
import io.sallyport.kubernetes.SickApiServer;
import io.sallyport.kubernetes.TestSandboxes;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

/** Records follow the Sandboxes of a real API server; what is true of them is true whatever was missed. */
@SharedPostgres
class MirrorTest {
    private static final String ID = "openshell.ai/sandbox-id";
    private static final String NAME = "openshell.ai/sandbox-name";
    private static final String WORKSPACE = "openshell.ai/sandbox-workspace";
    private static final String ISSUE = "/openshell.v1.OpenShell/IssueSandboxToken";
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    private static ApiServer server;

    @TempDir
    private Path directory;

    private final List<RunningIssuer> issuers = new ArrayList<>();
    private TestSandboxes sandboxes;

    @BeforeAll
    static void startServer() throws Exception {
        server = ApiServer.start();
    }

    @AfterAll
    static void stopServer() {
        server.close();
    }

    @BeforeEach
    void prepare() throws Exception {
        sandboxes = TestSandboxes.prepare(server);
        RunningIssuer.generateKeys(directory);
    }

    @AfterEach
    void stop() {
        issuers.forEach(RunningIssuer::close);
    }

    /** With the rights of its role, and no more. */
    private RunningIssuer start() throws Exception {
        return start(sandboxes.grant(server, "token-issuer"), sandboxes.namespace());
    }

    private RunningIssuer start(Path kubeconfig, String namespace) throws Exception {
        return start(
                directory,
                mirroring(
                        RunningIssuer.writeSettings(directory, directory.resolve("issuer.db")), kubeconfig, namespace));
    }

    private RunningIssuer start(Path directory, Path settings) throws Exception {
        RunningIssuer issuer = RunningIssuer.over(directory, settings);
        issuers.add(issuer);
        return issuer;
    }

    static Path mirroring(Path settings, Path kubeconfig, String namespace) throws IOException {
        return Files.writeString(settings, """
                records: kubernetes
                kubernetes: {namespaces: [%s], kubeconfig: %s, timeout: 20s}
                """.formatted(namespace, kubeconfig), StandardOpenOption.APPEND);
    }

    static void await(String what, BooleanSupplier condition) throws InterruptedException {
        long end = System.nanoTime() + PATIENCE.toNanos();
        while (!condition.getAsBoolean()) {
            assertThat(System.nanoTime()).as(what).isLessThan(end);
            Thread.sleep(20);
        }
    }

    private static void awaitInStep(RunningIssuer issuer) throws InterruptedException {
        await("in step", () -> issuer.health(issuer.issuer().registry(), "sallyport.mirror") == ServingStatus.SERVING);
    }

    private static Optional<Sandbox> find(RunningIssuer issuer, String id) {
        try {
            return Optional.of(issuer.registry()
                    .getSandbox(GetSandboxRequest.newBuilder().setId(id).build()));
        } catch (StatusRuntimeException e) {
            assertThat(e.getStatus().getCode()).isEqualTo(Status.Code.NOT_FOUND);
            return Optional.empty();
        }
    }

    private static boolean isIn(RunningIssuer issuer, String id, SandboxState state) {
        return find(issuer, id).filter(found -> found.getState() == state).isPresent();
    }

    private static void awaitLife(RunningIssuer issuer, String id) throws InterruptedException {
        await(id + " lives", () -> isIn(issuer, id, SandboxState.SANDBOX_STATE_ACTIVE));
    }

    private static void awaitEnd(RunningIssuer issuer, String id) throws InterruptedException {
        await(id + " is deleted", () -> isIn(issuer, id, SandboxState.SANDBOX_STATE_DELETED));
    }

    private static void awaitName(RunningIssuer issuer, String id, String name) throws InterruptedException {
        await(
                id + " is called " + name,
                () -> find(issuer, id)
                        .filter(found -> found.getName().equals(name))
                        .isPresent());
    }

    static String healthz(RunningIssuer issuer) {
        try {
            return issuer.http("GET", "/healthz").body();
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }

    private static void awaitTrouble(RunningIssuer issuer, String text) throws InterruptedException {
        await(text, () -> healthz(issuer).contains(text));
    }

    private static StatusRuntimeException refused(Runnable call) {
        return catchThrowableOfType(StatusRuntimeException.class, call::run);
    }

    private static String uid(GenericKubernetesResource resource) {
        return resource.getMetadata().getUid();
    }

    /** The first token of a pod that a Sandbox of this uid owns. */
    private static String begin(RunningIssuer issuer, String namespace, Optional<String> ownerUid, String id) {
        return issuer.tokens(issuer.podAssertion(namespace, ownerUid, id, ISSUE))
                .issueSandboxToken(IssueSandboxTokenRequest.getDefaultInstance())
                .getToken();
    }

    private void assertRefusedAsAPod(RunningIssuer issuer, GenericKubernetesResource owner, String id) {
        assertRefusedAsAPod(issuer, sandboxes.namespace(), Optional.of(uid(owner)), id);
    }

    private static void assertRefusedAsAPod(
            RunningIssuer issuer, String namespace, Optional<String> ownerUid, String id) {
        assertThat(refused(() -> begin(issuer, namespace, ownerUid, id))
                        .getStatus()
                        .getCode())
                .isEqualTo(Status.Code.UNAUTHENTICATED);
    }

    private static String refresh(RunningIssuer issuer, String token) throws Exception {
        SandboxClaims claims = issuer.verify(token);
        return issuer.tokens(issuer.assertionFor(claims, RunningIssuer.REFRESH))
                .refreshSandboxToken(RefreshSandboxTokenRequest.getDefaultInstance())
                .getToken();
    }

    @Test
    void aResourceMakesARecordAndItsEndEndsIt() throws Exception {
        sandboxes.sandbox("early", Map.of(ID, "early-id", NAME, "early", WORKSPACE, "team"));
        RunningIssuer issuer = start();
        awaitInStep(issuer);
        Sandbox early = find(issuer, "early-id").orElseThrow();
        assertThat(early.getWorkspace() + "/" + early.getName()).isEqualTo("team/early");

        var late = sandboxes.sandbox("late", Map.of(ID, "late-id", NAME, "late"));
        awaitLife(issuer, "late-id");
        String token = begin(issuer, sandboxes.namespace(), Optional.of(uid(late)), "late-id");
        String next = refresh(issuer, token);
        sandboxes.deleteSandbox("late");
        awaitEnd(issuer, "late-id");
        assertRefusedAsAPod(issuer, late, "late-id");
        assertThat(refused(() -> {
                            try {
                                var _ = refresh(issuer, next);
                            } catch (StatusRuntimeException e) {
                                throw e;
                            } catch (Exception e) {
                                throw new AssertionError(e);
                            }
                        })
                        .getStatus()
                        .getCode())
                .isEqualTo(Status.Code.UNAUTHENTICATED);

        assertThat(healthz(issuer)).isEqualTo("ok\n");
        assertThat(issuer.http("GET", "/metrics").body())
                .contains(
                        "\nsallyport_mirror_in_step 1\n",
                        "\nsallyport_mirror_in_step_seconds "
                                + issuer.clock().instant().getEpochSecond() + "\n",
                        "\nsallyport_mirror_resources 1\n",
                        "\nsallyport_mirror_refused 0\n");
        assertThat(issuer.auditAfterClosing())
                .filteredOn(line -> line.contains("\"principal\":\"kubernetes\""))
                .satisfiesExactly(
                        line -> assertThat(line)
                                .contains("\"event\":\"mirrored\"", "\"sandbox_asked\":\"early-id\"", "/early uid="),
                        line -> assertThat(line).contains("\"event\":\"mirrored\"", "\"sandbox_asked\":\"late-id\""),
                        line -> assertThat(line)
                                .contains(
                                        "\"event\":\"deleted\"",
                                        "\"reason\":\"sandbox-resource-gone\"",
                                        "\"sandbox_asked\":\"late-id\""));
    }

    @Test
    void whatHappenedWhileTheIssuerWasDownIsMadeUpFor() throws Exception {
        sandboxes.sandbox("stays", "stays");
        sandboxes.sandbox("goes", "goes");
        sandboxes.sandbox("returns-as-another", "first");
        sandboxes.sandbox("returns-as-the-same", "same");
        RunningIssuer issuer = start();
        awaitInStep(issuer);
        issuer.restart(() -> {
            for (String name : List.of("goes", "returns-as-another", "returns-as-the-same")) {
                sandboxes.deleteSandbox(name);
            }
            sandboxes.sandbox("comes", "comes");
            sandboxes.sandbox("returns-as-another", "second");
            sandboxes.sandbox("returns-as-the-same", "same");
        });
        for (String id : List.of("stays", "comes", "second")) {
            awaitLife(issuer, id);
        }
        for (String id : List.of("goes", "first", "same")) {
            awaitEnd(issuer, id);
        }
        awaitInStep(issuer);
        assertThat(healthz(issuer))
                .as("an id that was deleted never comes back, seen or not")
                .startsWith("degraded\n")
                .contains("1 Sandboxes are refused", "/returns-as-the-same (same)", "never comes back");
        assertThat(find(issuer, "same").orElseThrow().getState()).isEqualTo(SandboxState.SANDBOX_STATE_DELETED);
        sandboxes.relabel("returns-as-the-same", ID, "same-2");
        awaitLife(issuer, "same-2");
        await("all is well", () -> healthz(issuer).equals("ok\n"));
    }

    @Test
    void aResourceThatIsBeingDeletedIsDeleted() throws Exception {
        GenericKubernetesResource held = sandboxes.unsaved("held", Map.of(ID, "held"));
        held.getMetadata().setFinalizers(List.of("sallyport.test/holds"));
        sandboxes
                .resources("v1beta1")
                .inNamespace(sandboxes.namespace())
                .resource(held)
                .create();
        RunningIssuer issuer = start();
        awaitLife(issuer, "held");
        sandboxes.deleteSandbox("held");
        awaitEnd(issuer, "held");
        assertThat(sandboxes
                        .resources("v1beta1")
                        .inNamespace(sandboxes.namespace())
                        .withName("held")
                        .get())
                .as("it is still there")
                .isNotNull();
    }

    @Test
    void anotherIdEndsTheFirstAndAnotherNameTakesItsPlace() throws Exception {
        sandboxes.sandbox("a", Map.of(ID, "a-1", NAME, "a"));
        sandboxes.sandbox("b", Map.of(ID, "b", NAME, "b"));
        RunningIssuer issuer = start();
        awaitName(issuer, "a-1", "a");
        awaitName(issuer, "b", "b");

        sandboxes.relabel("a", ID, "a-2");
        awaitEnd(issuer, "a-1");
        awaitTrouble(issuer, "the name default/a was that of a-1");
        assertThat(find(issuer, "a-2")).as("its name rests").isEmpty();
        issuer.clock().advance(Duration.ofSeconds(3));
        awaitName(issuer, "a-2", "a");

        // Each waits for the other's name.
        sandboxes.relabel("a", NAME, "b");
        sandboxes.relabel("b", NAME, "a");
        awaitName(issuer, "a-2", "");
        awaitName(issuer, "b", "");
        issuer.clock().advance(Duration.ofSeconds(3));
        awaitName(issuer, "a-2", "b");
        awaitName(issuer, "b", "a");
        sandboxes.relabel("a", NAME, "");
        awaitName(issuer, "a-2", "");
        sandboxes.relabel("a", ID, "");
        awaitEnd(issuer, "a-2");
        await("what has no id is not ours", () -> healthz(issuer).equals("ok\n"));
    }

    /** Whoever may make Sandboxes and pods, in whichever of our namespaces, can write another's id on them. */
    @Test
    void ofASandboxOnlyThePodsOfItsOwnResourceBegin() throws Exception {
        RunningIssuer issuer = start();
        String here = sandboxes.namespace();
        var own = sandboxes.sandbox("own", "own");
        awaitLife(issuer, "own");
        var other = sandboxes.sandbox("other", "own");
        awaitTrouble(issuer, "/other (own): this id is that of the Sandbox " + here + "/own");

        assertThat(begin(issuer, here, Optional.of(uid(own)), "own")).isNotEmpty();
        assertRefusedAsAPod(issuer, other, "own");
        assertRefusedAsAPod(issuer, here + "-2", Optional.of(uid(own)), "own");
        // Without require-owner: a namespace's pods are one another's as far as anybody looks.
        assertThat(begin(issuer, here, Optional.empty(), "own")).isNotEmpty();
        assertRefusedAsAPod(issuer, here + "-2", Optional.empty(), "own");
        sandboxes.deleteSandbox("own");
        awaitEnd(issuer, "own");
        assertRefusedAsAPod(issuer, other, "own");
        assertThat(issuer.auditAfterClosing())
                .filteredOn(line -> line.contains("owner-unrecorded"))
                .hasSize(3)
                .allSatisfy(line -> assertThat(line).contains("is that of the Sandbox " + here + "/own uid="));
    }

    @Test
    void ofTwoThatClaimOneIdOrOneNameTheFirstKeepsIt() throws Exception {
        RunningIssuer issuer = start();
        sandboxes.sandbox("first", Map.of(ID, "one", NAME, "n"));
        awaitName(issuer, "one", "n");
        sandboxes.sandbox("second", Map.of(ID, "one", NAME, "m"));
        awaitTrouble(issuer, "/second (one): this id is that of the Sandbox " + sandboxes.namespace() + "/first");
        var third = sandboxes.sandbox("third", Map.of(ID, "three", NAME, "n"));
        await("both are refused", () -> healthz(issuer).contains("2 Sandboxes are refused"));
        awaitName(issuer, "one", "n");
        assertThat(find(issuer, "three")).isEmpty();
        assertRefusedAsAPod(issuer, third, "three");

        sandboxes.deleteSandbox("first");
        awaitEnd(issuer, "one");
        await("its id is final, its name only rests", () -> healthz(issuer).contains("2 Sandboxes are refused"));
        issuer.clock().advance(Duration.ofSeconds(3));
        awaitName(issuer, "three", "n");
        awaitTrouble(issuer, "/second (one): this id was deleted");
        assertThat(issuer.auditAfterClosing())
                .filteredOn(line -> line.contains("refused") && line.contains("\"principal\":\"kubernetes\""))
                .as("each once")
                .satisfiesExactlyInAnyOrder(
                        line -> assertThat(line).contains("record-taken", "\"sandbox_asked\":\"one\""),
                        line -> assertThat(line).contains("record-taken", "\"sandbox_asked\":\"three\""),
                        line -> assertThat(line).contains("record-deleted", "\"sandbox_asked\":\"one\""));
    }

    @ParameterizedTest
    @CsvSource(delimiter = '|', nullValues = "-", textBlock = """
            a..b_C | n    | -   | other    | sandbox-name differ
            id     | n    | -   | a/b      | sandbox-name differ
            id     | -    | -   | a/b      | is none
            id     | n    | a b | -        | is none
            """)
    void whatCannotBeReadInOneWayMakesNoRecord(
            String id, String name, String workspaceAnnotation, String nameAnnotation, String what) throws Exception {
        RunningIssuer issuer = start();
        var labels = new java.util.HashMap<String, String>();
        var annotations = new java.util.HashMap<String, String>();
        labels.put(ID, id);
        Optional.ofNullable(name).ifPresent(value -> labels.put(NAME, value));
        Optional.ofNullable(workspaceAnnotation).ifPresent(value -> annotations.put(WORKSPACE, value));
        Optional.ofNullable(nameAnnotation).ifPresent(value -> annotations.put(NAME, value));
        GenericKubernetesResource resource = sandboxes.unsaved("box", labels);
        resource.getMetadata().setAnnotations(annotations);
        sandboxes
                .resources("v1beta1")
                .inNamespace(sandboxes.namespace())
                .resource(resource)
                .create();
        awaitTrouble(issuer, what);
        assertThat(find(issuer, id)).isEmpty();
        assertThat(issuer.command("sandbox", "list", "--all").out()).isEmpty();
    }

    @Test
    void theRegistryAndTheMirrorLeaveEachOthersAlone() throws Exception {
        Path settings = RunningIssuer.writeSettings(directory, directory.resolve("issuer.db"));
        try (RunningIssuer before = RunningIssuer.over(directory, settings)) {
            before.register("registered");
        }
        sandboxes.sandbox("claims", "registered");
        sandboxes.sandbox("own", "own");
        RunningIssuer issuer = start();
        awaitLife(issuer, "own");
        awaitTrouble(issuer, "/claims (registered): this id is that of a sandbox that was not made by a Sandbox");
        sandboxes.deleteSandbox("claims");
        await("nobody claims it", () -> healthz(issuer).equals("ok\n"));
        assertThat(isIn(issuer, "registered", SandboxState.SANDBOX_STATE_ACTIVE))
                .isTrue();

        for (String id : List.of("new", "own")) {
            StatusRuntimeException create = refused(() -> {
                var _ = issuer.registry()
                        .registerSandbox(
                                RegisterSandboxRequest.newBuilder().setId(id).build());
            });
            assertThat(create.getStatus().getCode()).isEqualTo(Status.Code.FAILED_PRECONDITION);
            assertThat(create.getStatus().getDescription())
                    .startsWith(Reason.RECORD_MIRRORED.text())
                    .contains("make a Sandbox with the label openshell.ai/sandbox-id: " + id);
        }
        StatusRuntimeException delete = refused(() -> delete(issuer, "own"));
        assertThat(delete.getStatus().getCode()).isEqualTo(Status.Code.FAILED_PRECONDITION);
        assertThat(delete.getStatus().getDescription())
                .contains("delete the Sandbox " + sandboxes.namespace() + "/own");
        assertThat(isIn(issuer, "own", SandboxState.SANDBOX_STATE_ACTIVE)).isTrue();
        assertThat(issuer.command("sandbox", "stop", "own").exitCode()).isZero();
        delete(issuer, "registered");
        awaitEnd(issuer, "registered");
    }

    private static void delete(RunningIssuer issuer, String id) {
        var _ = issuer.registry()
                .deleteSandbox(DeleteSandboxRequest.newBuilder().setId(id).build());
    }

    @Test
    void aNamespaceThatIsNotLookedAtAnyMoreIsLeftToTheOperator() throws Exception {
        sandboxes.sandbox("own", "own");
        RunningIssuer first = start();
        awaitLife(first, "own");
        first.close();
        issuers.clear();
        TestSandboxes others = TestSandboxes.prepare(server);
        RunningIssuer issuer = start(others.grant(server, "token-issuer"), others.namespace());
        sandboxes.deleteSandbox("own");
        awaitInStep(issuer);
        awaitTrouble(issuer, "1 sandboxes come from the namespace " + sandboxes.namespace());
        assertThat(isIn(issuer, "own", SandboxState.SANDBOX_STATE_ACTIVE)).isTrue();
        delete(issuer, "own");
        awaitEnd(issuer, "own");
    }

    @ParameterizedTest
    @EnumSource
    void anEmptyListOfASickApiServerWipesNothing(SickApiServer.Gets gets) throws Exception {
        List<String> ids = new ArrayList<>();
        for (int i = 0; i < 20; i++) {
            ids.add("box-" + i);
            sandboxes.sandbox("box-" + i, "box-" + i);
        }
        String noAnswer = switch (gets) {
            case TRUE, NO_PAGE, NO_NAMESPACE -> "serves no sandboxes";
            case ERROR_500 -> "HTTP 500";
            case ANOTHER_NAME, ANOTHER_NAMESPACE, ANOTHER_KIND -> "answered with something else";
        };
        try (SickApiServer sick = SickApiServer.before(server)) {
            RunningIssuer issuer = start(sick.kubeconfig(directory), sandboxes.namespace());
            awaitInStep(issuer);
            String token = issuer.mint("box-0");
            sick.gets(gets);
            sick.emptyLists(true);
            sick.endWatches(1);
            await("told so", () -> sick.yetToTellGone() == 0);
            sandboxes.deleteSandbox("box-19");
            if (gets == SickApiServer.Gets.TRUE) {
                // Whoever asks is told the truth of each.
                awaitEnd(issuer, "box-19");
                ids.removeLast();
            } else {
                awaitTrouble(issuer, noAnswer);
            }
            await("the empty list was heard", () -> metric(issuer, "sallyport_mirror_resources") == 0);
            assertThat(refresh(issuer, token)).isNotEmpty();
            for (String id : ids) {
                assertThat(isIn(issuer, id, SandboxState.SANDBOX_STATE_ACTIVE))
                        .as(id)
                        .isTrue();
            }
            issuer.restart();
            await(
                    "the empty list was heard again",
                    () -> healthz(issuer).contains(noAnswer)
                            || (gets == SickApiServer.Gets.TRUE && metric(issuer, "sallyport_mirror_in_step") == 1));
            for (String id : ids) {
                assertThat(isIn(issuer, id, SandboxState.SANDBOX_STATE_ACTIVE))
                        .as(id)
                        .isTrue();
            }

            sick.gets(SickApiServer.Gets.TRUE);
            sick.emptyLists(false);
            sick.endWatches(1);
            awaitEnd(issuer, "box-19");
            await("all of them", () -> metric(issuer, "sallyport_mirror_resources") == 19);
            await("all is well", () -> healthz(issuer).equals("ok\n"));
            for (String id : ids.subList(0, 19)) {
                assertThat(isIn(issuer, id, SandboxState.SANDBOX_STATE_ACTIVE))
                        .as(id)
                        .isTrue();
            }
        }
    }

    private static long metric(RunningIssuer issuer, String name) {
        try {
            return issuer.http("GET", "/metrics")
                    .body()
                    .lines()
                    .filter(line -> line.startsWith(name + " "))
                    .mapToLong(line -> Long.parseLong(line.substring(name.length() + 1)))
                    .findFirst()
                    .orElse(-1);
        } catch (Exception e) {
            throw new AssertionError(e);
        }
    }

    @Test
    void twoIssuersOnOneDatabaseMirrorSideBySide(PostgresServer postgres) throws Exception {
        String database = postgres.createDatabase();
        Path kubeconfig = sandboxes.grant(server, "token-issuer");
        List<RunningIssuer> both = new ArrayList<>();
        for (String name : List.of("one", "two")) {
            Path own = Files.createDirectory(directory.resolve(name));
            Files.createSymbolicLink(own.resolve("keys"), directory.resolve("keys"));
            both.add(start(
                    own,
                    mirroring(
                            RunningIssuer.writeSettings(own, directory, postgres, database),
                            kubeconfig,
                            sandboxes.namespace())));
        }
        for (int i = 0; i < 100; i++) {
            sandboxes.sandbox("box-" + i, Map.of(ID, "box-" + i, NAME, "n-" + i));
        }
        for (int i = 0; i < 100; i++) {
            awaitLife(both.get(i % 2), "box-" + i);
        }
        for (int i = 0; i < 50; i++) {
            sandboxes.deleteSandbox("box-" + i);
        }
        for (int i = 0; i < 50; i++) {
            awaitEnd(both.get(i % 2), "box-" + i);
        }
        for (RunningIssuer issuer : both) {
            awaitInStep(issuer);
            assertThat(healthz(issuer)).isEqualTo("ok\n");
        }
        List<String> lines = new ArrayList<>();
        for (RunningIssuer issuer : both) {
            lines.addAll(issuer.auditAfterClosing());
        }
        assertThat(lines).filteredOn(line -> line.contains("sandbox-mirrored")).hasSize(100);
        assertThat(lines)
                .filteredOn(line -> line.contains("sandbox-resource-gone"))
                .hasSize(50);
    }
}
