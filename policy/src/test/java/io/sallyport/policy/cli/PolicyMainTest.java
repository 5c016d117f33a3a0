package io.sallyport.policy.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PolicyMainTest {
    private record Result(int status, String out, String err) {}

    private static Result run(String... args) {
        StringWriter out = new StringWriter();
        StringWriter err = new StringWriter();
        int status = PolicyMain.run(args, new PrintWriter(out), new PrintWriter(err));
        return new Result(status, out.toString(), err.toString());
    }

    @Test
    void explainShowsEveryMethodAndHowItIsHeld() {
        Result result = run("explain", "--preset", "openshell-0.0");
        assertThat(result.status).isZero();
        assertThat(result.err).isEmpty();
        List<String> lines = result.out.lines().toList();
        assertThat(lines.getFirst())
                .containsSubsequence(
                        "METHOD", "CALLERS", "KIND", "SANDBOX", "AGREEING", "REQUIRED", "LIMITS", "SERVED BY", "HELD");
        assertThat(line(lines, "GetSandboxConfig"))
                .contains(
                        "sandbox, user",
                        "unary",
                        "id sandbox_id",
                        "body 64KiB, 30s",
                        "gateway",
                        "caller, body is their own");
        assertThat(line(lines, "PushSandboxLogs"))
                .contains(
                        "client",
                        "id sandbox_id",
                        "logs.sandbox_id",
                        "message 1MiB",
                        "caller; its life, message by message");
        assertThat(line(lines, "IssueSandboxToken")).contains("service-account", "issuer");
        assertThat(line(lines, "GetCurrentUser")).contains("user").doesNotContain("sandbox,");
        assertThat(line(lines, "UpdateConfig")).contains("name name", "global = false");
        assertThat(result.out).contains("workspace workspace", "policy present", "merge_operations absent");
        assertThat(result.out).contains("RelayStream: the channel was opened by the gateway");
        assertThat(lines.getLast()).matches("digest [0-9a-f]{64}");
    }

    private static String line(List<String> lines, String method) {
        return lines.stream()
                .filter(line -> line.matches("\\S+/" + method + " .*"))
                .findFirst()
                .orElseThrow();
    }

    @Test
    void validatePrintsTheDigest() {
        Result result = run("validate", "--preset", "openshell-0.1");
        assertThat(result.status).isZero();
        assertThat(result.out).matches("valid: \\d+ methods, digest [0-9a-f]{64}\\R");
    }

    @Test
    void validateListsEveryProblemAndExitsWithTwo(@TempDir Path directory) throws IOException {
        Path rules = Files.writeString(directory.resolve("my rules.yaml"), """
                extends: openshell-0.0
                methods:
                  openshell.v1.OpenShell/GetSandboxConfig: {sandbox: {id: nope}}
                  openshell.v1.OpenShell/GetSandboxConfg: {sandbox: {id: sandbox_id}}
                """);
        Result result = run("validate", "--rules", rules.toString());
        assertThat(result.status).isEqualTo(2);
        assertThat(result.out).isEmpty();
        assertThat(result.err.lines().toList())
                .hasSize(2)
                .allMatch(line -> line.startsWith(rules + ":"))
                .anyMatch(line -> line.contains("has no field \"nope\""))
                .anyMatch(line -> line.contains("did you mean \"openshell.v1.OpenShell/GetSandboxConfig\"?"));
    }

    @Test
    void suggestProposesWhatLoadsOnceTheReasonsAreWritten(@TempDir Path directory) throws IOException {
        Path set = directory.resolve("gateway \"quoted\".pb");
        try (var in = PolicyMainTest.class.getResourceAsStream("/io/sallyport/api/openshell-0.1.pb")) {
            assertThat(in).isNotNull();
            Files.copy(in, set);
        }
        Result suggested = run("suggest", "--descriptor-set", set.toString());
        assertThat(suggested.status).isZero();
        assertThat(suggested.out)
                .contains(
                        "openshell.v1.OpenShell/PushSandboxLogs: {sandbox: {id: sandbox_id}, agree: [logs.sandbox_id]}")
                .contains("openshell.v1.OpenShell/GetSandboxConfig: {sandbox: {name: name, workspace:"
                        + " workspace_scope.workspace}, require: {workspace_scope.all_workspaces: absent}}")
                .contains("openshell.v1.OpenShell/RelayStream: {sandbox: none, reason: \"TODO");
        Path rules = Files.writeString(directory.resolve("rules.yaml"), suggested.out);
        Result undecided = run("validate", "--rules", rules.toString(), "--descriptor-set", set.toString());
        assertThat(undecided.status).isEqualTo(2);
        assertThat(undecided.err).contains("needs a written reason");
        Files.writeString(rules, suggested.out.replace("TODO: why the message need not name a sandbox", "decided"));
        Result valid = run("validate", "--rules", rules.toString(), "--descriptor-set", set.toString());
        assertThat(valid.err).isEmpty();
        assertThat(valid.status).isZero();
    }

    @Test
    void suggestHasNothingToAddToAWholePolicy() {
        Result result = run("suggest", "--preset", "openshell-0.0");
        assertThat(result.status).isZero();
        assertThat(result.out).isEqualTo("# Every method that sandboxes may call has a rule." + System.lineSeparator());
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "explian",
                "explain",
                "validate",
                "suggest",
                "validate --preset",
                "validate --preset nope",
                "validate --preset openshell-0.0 --rules x",
                "suggest --descriptor-set /nowhere.pb",
                "validate --unknown x"
            })
    void badUsageExitsWithTwoAndSaysWhy(String line) {
        Result result = run(line.isEmpty() ? new String[0] : line.split(" "));
        assertThat(result.status).isEqualTo(2);
        assertThat(result.err).isNotEmpty();
        assertThat(result.out).isEmpty();
    }

    @Test
    void helpIsNoMistake() {
        assertThat(run("--help").status).isZero();
        assertThat(run("explain", "--help").out).contains("--descriptor-set");
    }
}
