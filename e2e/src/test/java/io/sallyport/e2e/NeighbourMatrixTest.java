package io.sallyport.e2e;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.DynamicTest.dynamicTest;

import io.sallyport.base.Reason;
import io.sallyport.base.settings.InvalidSettingsException;
import io.sallyport.base.settings.Problems;
import io.sallyport.base.settings.Settings;
import io.sallyport.e2e.gateway.KnownSandbox;
import io.sallyport.e2e.gateway.Sighting;
import io.sallyport.e2e.support.Arena;
import io.sallyport.e2e.support.Arenas;
import io.sallyport.e2e.support.Caller;
import io.sallyport.e2e.support.Setup;
import io.sallyport.e2e.wire.Outcome;
import io.sallyport.e2e.wire.RawHttp2.Headers;
import io.sallyport.e2e.wire.Wire;
import io.sallyport.policy.AccessPolicy;
import io.sallyport.policy.MethodRule;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.parallel.ResourceLock;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.EnumSource;

/** Every unary method that a sandbox may call: for itself, for its neighbour, for a sandbox that does not exist. */
@ParameterizedClass(name = "{0}")
@EnumSource(Setup.class)
@ExtendWith(Arenas.Resolver.class)
@ResourceLock(Arenas.SHARED)
class NeighbourMatrixTest {
    private static final KnownSandbox NOBODY = new KnownSandbox("nobody-id", "default", "nobody");
    private static final KnownSandbox NAMESAKE = new KnownSandbox("namesake-id", "team", "alpha");

    private final Arena arena;

    NeighbourMatrixTest(Setup setup, Arenas arenas) {
        this.arena = arenas.shared(setup);
    }

    /**
     * One method.
     *
     * @param path {@code /package.Service/Method}
     * @param refusal of a call that names somebody else
     * @param body that names a sandbox, written down here field by field, apart from the policy that is tested
     */
    record Method(String path, Reason refusal, Function<KnownSandbox, Wire> body) {}

    private static Method byId(String name) {
        return new Method(
                Arena.OPEN_SHELL + name,
                Reason.CROSS_SANDBOX,
                sandbox -> Wire.message().string(1, sandbox.id()));
    }

    /** Generation 0.0: the workspace is a text. */
    private static Method byName0(String name, int nameField, int workspaceField, Wire more) {
        return new Method(
                Arena.OPEN_SHELL + name,
                Reason.NAME_NOT_OWNED,
                sandbox -> Wire.message()
                        .raw(more.toBytes())
                        .string(nameField, sandbox.name())
                        .string(workspaceField, sandbox.workspace()));
    }

    /** Generation 0.1: the workspace is a member of a oneof, in a message. */
    private static Method byName1(String name, int nameField, int scopeField, Wire more) {
        return new Method(
                Arena.OPEN_SHELL + name,
                Reason.NAME_NOT_OWNED,
                sandbox -> Wire.message()
                        .raw(more.toBytes())
                        .string(nameField, sandbox.name())
                        .message(scopeField, Wire.message().string(1, sandbox.workspace())));
    }

    private static List<Method> methods(Generation generation) {
        Wire nothing = Wire.message();
        Wire policy = Wire.message().message(2, Wire.message().number(1, 1));
        return switch (generation) {
            case V0_0 ->
                List.of(
                        byId("GetSandboxConfig"),
                        byId("GetSandboxProviderEnvironment"),
                        byId("ExchangeProviderSubjectToken"),
                        byId("ReportPolicyStatus"),
                        byId("ReportMainProcessExit"),
                        byName0("GetDraftPolicy", 1, 3, nothing),
                        byName0("SubmitPolicyAnalysis", 4, 6, nothing),
                        byName0("UpdateConfig", 1, 10, policy));
            case V0_1 ->
                List.of(
                        byId("GetSandboxProviderEnvironment"),
                        byId("ExchangeProviderSubjectToken"),
                        byId("ReportPolicyStatus"),
                        byId("ReportEndpointStatus"),
                        byId("ReportProviderReadiness"),
                        byId("ReportSandboxConfiguration"),
                        byId("ReportMainProcessExit"),
                        byId("FinalizeMainProcessExit"),
                        byName1("GetSandboxConfig", 1, 3, nothing),
                        byName1("GetDraftPolicy", 1, 3, nothing),
                        byName1("SubmitPolicyAnalysis", 4, 6, nothing),
                        byName1("UpdateConfig", 1, 10, policy));
        };
    }

    /** Methods that name no sandbox: what they are about follows from the credential. */
    private static Set<String> withoutReference(Generation generation) {
        Set<String> tokens = Set.of(Arena.OPEN_SHELL + "IssueSandboxToken", Arena.OPEN_SHELL + "RefreshSandboxToken");
        return generation == Generation.V0_0
                ? Stream.concat(tokens.stream(), Stream.of("/openshell.inference.v1.Inference/GetInferenceBundle"))
                        .collect(Collectors.toSet())
                : tokens;
    }

    /** A method that is new in a preset must get its place in this matrix. */
    @Test
    void everySandboxCallableMethodIsInTheMatrix() throws InvalidSettingsException {
        Problems problems = new Problems();
        AccessPolicy policy = AccessPolicy.load(
                Settings.parse("preset", "preset: " + arena.generation().preset(), problems));
        Set<String> callable = policy.rules().stream()
                .filter(MethodRule::sandboxCallable)
                .filter(rule -> rule.streaming() == MethodRule.Streaming.UNARY)
                .map(MethodRule::path)
                .collect(Collectors.toSet());
        Set<String> here = Stream.concat(
                        methods(arena.generation()).stream().map(Method::path),
                        withoutReference(arena.generation()).stream())
                .collect(Collectors.toSet());
        assertThat(here).isEqualTo(callable);
    }

    @TestFactory
    Stream<DynamicTest> matrix() {
        Caller alpha = arena.alpha();
        Caller beta = arena.beta();
        return methods(arena.generation()).stream()
                .flatMap(method -> Stream.of(
                        dynamicTest(method.path() + ": own", () -> passes(alpha, method)),
                        dynamicTest(method.path() + ": own, of the other", () -> passes(beta, method)),
                        dynamicTest(method.path() + ": the neighbour's", () -> refused(alpha, beta.sandbox(), method)),
                        dynamicTest(
                                method.path() + ": the neighbour's, the other way round",
                                () -> refused(beta, alpha.sandbox(), method)),
                        dynamicTest(method.path() + ": nobody's", () -> refused(alpha, NOBODY, method)),
                        dynamicTest(
                                method.path() + ": foreign and unknown look alike",
                                () -> assertThat(answer(alpha, beta.sandbox(), method)
                                                .inWords())
                                        .isEqualTo(answer(alpha, NOBODY, method).inWords()))));
    }

    /** The same name in another workspace is another sandbox. */
    @TestFactory
    Stream<DynamicTest> namesakes() {
        Caller namesake = arena.admit(NAMESAKE);
        return methods(arena.generation()).stream()
                .flatMap(method -> Stream.of(
                        dynamicTest(method.path() + ": own", () -> passes(namesake, method)),
                        dynamicTest(
                                method.path() + ": alpha's",
                                () -> refused(namesake, arena.alpha().sandbox(), method)),
                        dynamicTest(
                                method.path() + ": the namesake's, by alpha",
                                () -> refused(arena.alpha(), NAMESAKE, method))));
    }

    @Test
    void aRefreshIsTheIssuersAndTheGatewaySeesNothing() {
        Outcome outcome = arena.unseen(() -> arena.call(
                Headers.grpc(Arena.OPEN_SHELL + "RefreshSandboxToken")
                        .bearer(arena.alpha().token()),
                Wire.message().framed()));
        assertThat(outcome.inWords()).isEqualTo("OK: ");
        // Field 1, a text: the token. The next call shows that it is one.
        int at = outcome.body().indexOf("eyJ");
        assertThat(at).isPositive();
        String refreshed = outcome.body().substring(at).split("[^A-Za-z0-9._-]", 2)[0];
        assertThat(refreshed).isNotEqualTo(arena.alpha().token());
        assertThat(arena.ownConfig(new Caller(arena.alpha().sandbox(), refreshed))
                        .inWords())
                .isEqualTo("OK: ");
    }

    @Test
    void theInferenceBundleIsTheCallersOwn() {
        if (arena.generation() != Generation.V0_0) {
            arena.unseen(() -> bundle(arena.alpha()));
            return;
        }
        long before = arena.stack().gateway().count();
        assertThat(bundle(arena.alpha()).inWords()).isEqualTo("OK: ");
        assertSeen(before, "/openshell.inference.v1.Inference/GetInferenceBundle", arena.alpha());
    }

    private Outcome bundle(Caller caller) {
        return arena.call(
                Headers.grpc("/openshell.inference.v1.Inference/GetInferenceBundle")
                        .bearer(caller.token()),
                Wire.message().framed());
    }

    private void passes(Caller caller, Method method) {
        long before = arena.stack().gateway().count();
        Outcome outcome = answer(caller, caller.sandbox(), method);
        assertThat(outcome.inWords()).isEqualTo("OK: ");
        assertSeen(before, method.path(), caller);
        Stream.of(arena.alpha(), arena.beta())
                .filter(other -> !other.id().equals(caller.id()))
                .forEach(other -> assertThat(outcome.body()).doesNotContain("-of-" + other.id()));
    }

    private void refused(Caller caller, KnownSandbox asked, Method method) {
        var line = arena.refused(method.refusal(), () -> answer(caller, asked, method));
        assertThat(line)
                .containsEntry("method", method.path())
                .containsEntry("principal", "sandbox;id=\"" + caller.id() + "\";source=\"gateway-jwt\"")
                .containsEntry(
                        "sandbox_asked",
                        method.refusal() == Reason.CROSS_SANDBOX ? asked.id() : asked.workspace() + "/" + asked.name());
    }

    private Outcome answer(Caller caller, KnownSandbox asked, Method method) {
        return arena.call(
                Headers.grpc(method.path()).bearer(caller.token()),
                method.body().apply(asked).framed());
    }

    private void assertSeen(long before, String path, Caller caller) {
        List<Sighting> seen = arena.stack().gateway().since(before);
        assertThat(seen).hasSize(1);
        assertThat(seen.getFirst().path()).isEqualTo(path);
        assertThat(seen.getFirst().answer()).isEqualTo("OK");
        assertThat(seen.getFirst().header("x-sandbox-principal"))
                .isEqualTo(Optional.of("sandbox;id=\"" + caller.id() + "\";source=\"gateway-jwt\""));
    }
}
