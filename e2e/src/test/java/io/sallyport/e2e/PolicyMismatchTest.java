package io.sallyport.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.sallyport.base.Reason;
import io.sallyport.e2e.stack.Part;
import io.sallyport.e2e.stack.StackOptions;
import io.sallyport.e2e.support.Arena;
import io.sallyport.e2e.support.Arenas;
import io.sallyport.e2e.support.Setup;
import io.sallyport.e2e.wire.Outcome;
import io.sallyport.e2e.wire.RawHttp2.Headers;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.extension.ExtendWith;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.api.parallel.ResourceLock;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** A descriptor set and rules that do not match, and an Envoy that was configured from other rules than ext-authz. */
@ExtendWith(Arenas.Resolver.class)
@ResourceLock(Arenas.SHARED)
class PolicyMismatchTest {
    @TempDir
    Path folder;

    /** Three holes at once: a method without a rule, a path that is not in its message, a rule for no method. */
    @ParameterizedTest
    @ValueSource(strings = {"ext-authz", "envoy-config"})
    void rulesThatDoNotFitStopTheStartAndEveryHoleIsNamed(String program, Arenas arenas) throws IOException {
        Arena arena = arenas.shared(Setup.V0_0_TRUSTING);
        String rules = presetRules("0.0")
                        .replaceFirst("(?m)^  openshell.v1.OpenShell/ReportMainProcessExit:.*\\R", "")
                        .replace(
                                "ReportPolicyStatus: {sandbox: {id: sandbox_id}}",
                                "ReportPolicyStatus: {sandbox: {id: no_such}}")
                + "  openshell.v1.OpenShell/NoSuchMethod: {sandbox: {id: sandbox_id}}\n";
        Part part = program.equals("ext-authz") ? Part.EXT_AUTHZ : Part.ENVOY;
        Path settings = Files.writeString(
                folder.resolve("settings.yaml"),
                Files.readString(arena.stack().settingsFile(part))
                        .replaceFirst(
                                "preset: .*\\R",
                                "rules: " + Files.writeString(folder.resolve("rules.yaml"), rules)
                                        + "\n  descriptor-set: " + descriptors("0.0") + "\n"));
        List<String> output =
                arena.stack().runProgram(program, 2, List.of("validate", "--config", settings.toString()));
        assertThat(output)
                .anyMatch(line -> line.contains("ReportMainProcessExit"))
                .anyMatch(line -> line.contains("ReportPolicyStatus") && line.contains("no_such"))
                .anyMatch(line -> line.contains("NoSuchMethod"));
    }

    @ParameterizedTest
    @EnumSource(
            value = Setup.class,
            names = {"V0_0_UNCHANGED", "V0_1_TRUSTING"})
    void anEnvoyOfAnotherPolicyIsRefused(Setup setup, Arenas arenas) throws IOException {
        String api = setup.generation().api();
        Path rules = Files.writeString(
                folder.resolve("rules.yaml"), presetRules(api).replace("body-limit: 64KiB", "body-limit: 63KiB"));
        StackOptions options = arenas.options(setup)
                .with(Part.ENVOY, "policy.preset", StackOptions.ABSENT)
                .with(Part.ENVOY, "policy.rules", rules.toString())
                .with(Part.ENVOY, "policy.descriptor-set", descriptors(api).toString());
        try (Arena arena = arenas.ill(options)) {
            for (Headers headers : List.of(
                    Headers.grpc(Arena.GET_CONFIG).bearer(arena.alpha().token()), Headers.grpc(Arena.GET_CONFIG))) {
                arena.audit().skip();
                Outcome outcome =
                        arena.call(headers, arena.configOf(arena.alpha().sandbox()));
                assertThat(outcome.inWords())
                        .isEqualTo(Reason.POLICY_MISMATCH.statusCode() + ": " + Reason.POLICY_MISMATCH.text());
                assertThat(arena.audit().next(1).getFirst()).containsEntry("reason", Reason.POLICY_MISMATCH.code());
            }
            assertThat(arena.stack().gateway().count()).isZero();
        }
    }

    private Path descriptors(String api) throws IOException {
        Path file = folder.resolve("descriptors-" + api + ".pb");
        try (InputStream in = resource("/io/sallyport/api/openshell-" + api + ".pb")) {
            Files.write(file, in.readAllBytes());
        }
        return file;
    }

    private static String presetRules(String api) throws IOException {
        try (InputStream in = resource("/io/sallyport/policy/openshell-" + api + ".yaml")) {
            return new String(in.readAllBytes(), StandardCharsets.UTF_8);
        }
    }

    private static InputStream resource(String name) {
        InputStream in = PolicyMismatchTest.class.getResourceAsStream(name);
        if (in == null) {
            throw new AssertionError(name + " is not on the class path");
        }
        return in;
    }
}
