package io.sallyport.policy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.ByteString;
import com.google.protobuf.DescriptorProtos.FileDescriptorSet;
import com.google.protobuf.UnknownFieldSet;
import io.sallyport.base.settings.InvalidSettingsException;
import io.sallyport.base.settings.Problems;
import io.sallyport.base.settings.Settings;
import io.sallyport.policy.MethodRule.Access;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class AccessPolicyTest {
    @TempDir
    private Path directory = Path.of("");

    private String section(TestGateway gateway, String rules) {
        return "{rules: " + write("rules.yaml", rules) + ", descriptor-set: " + gateway.write(directory) + "}";
    }

    private Path write(String name, String text) {
        try {
            return Files.writeString(directory.resolve(name), text);
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    private static TestGateway sandboxMethod() {
        return new TestGateway().method("A", "sandbox");
    }

    /** A rule for test.Gateway/A, and a part of what must be said about it. */
    record Mistake(String rule, String said) {
        @Override
        public String toString() {
            return rule;
        }
    }

    static Stream<Mistake> mistakes() {
        return Stream.of(
                new Mistake(
                        "{sandbox: {id: sandbox_idd}}", "has no field \"sandbox_idd\"; did you mean \"sandbox_id\"?"),
                new Mistake("{sandbox: {id: inner.id}}", "test.Inner has no field \"id\"; it has note, sandbox_id"),
                new Mistake("{sandbox: {id: \"\"}}", "expected either id or name"),
                new Mistake("{sandbox: {id: inner.}}", "has no field \"\""),
                new Mistake("{sandbox: {id: sandbox_id.x}}", "there is nothing below \"sandbox_id\""),
                new Mistake("{sandbox: {id: items.sandbox_id}}", "may come often"),
                new Mistake("{sandbox: {id: tags}}", "may come often"),
                new Mistake("{sandbox: {id: labels.value}}", "may come often"),
                new Mistake("{sandbox: {id: count}}", "is no string but int32"),
                new Mistake("{sandbox: {id: raw}}", "is no string but bytes"),
                new Mistake("{sandbox: {id: inner}}", "is no string but message"),
                new Mistake("{sandbox: {id: sandbox_id, name: name}}", "expected either id or name"),
                new Mistake("{sandbox: {id: sandbox_id, workspace: workspace}}", "belongs to a name"),
                new Mistake("{sandbox: {name: name}}", "a name means little without its workspace"),
                new Mistake("{sandbox: {name: name, workspace: name}}", "already stands under name"),
                new Mistake(
                        "{sandbox: {name: name, workspace: workspace, id: \"\", sandbox: x}}",
                        "sandbox.sandbox: unknown key"),
                new Mistake("{sandbox: {by-id: sandbox_id}}", "sandbox.by-id: unknown key"),
                new Mistake("{sandbox: sandbox_id}", "perhaps {sandbox: {id: sandbox_id}, agree: [items.sandbox_id"),
                new Mistake("{}", "sandbox: is missing; perhaps"),
                new Mistake("", "sandbox: is missing; perhaps"),
                new Mistake("{sandbox: none}", "needs a written reason"),
                new Mistake("{sandbox: none, reason: \"  \"}", "needs a written reason"),
                new Mistake("{sandbox: none, reason: \"TODO: why\"}", "needs a written reason"),
                new Mistake("{sandbox: {id: sandbox_id}, reason: because}", "is only for \"sandbox: none\""),
                new Mistake("{sandbox: {id: sandbox_id}, agree: sandbox_id}", "expected a list"),
                new Mistake("{sandbox: {id: sandbox_id}, agree: [sandbox_id]}", "already stands under id"),
                new Mistake("{sandbox: {id: sandbox_id}, agree: [tags, tags]}", "already stands under agree"),
                new Mistake("{sandbox: {id: sandbox_id}, agree: [labels.value]}", "goes through a map"),
                new Mistake("{sandbox: {id: sandbox_id}, agree: [numbers]}", "is no string but repeated int32"),
                new Mistake(
                        "{sandbox: {id: sandbox_id}, require: {flag: \"maybe\"}}", "expected true, false or absent"),
                new Mistake("{sandbox: {id: sandbox_id}, require: {flag: \"0\"}}", "expected true, false or absent"),
                new Mistake("{sandbox: {id: sandbox_id}, require: {count: many}}", "expected a whole number"),
                new Mistake(
                        "{sandbox: {id: sandbox_id}, require: {count: 2147483648}}",
                        "expected -2147483648 to 2147483647"),
                new Mistake("{sandbox: {id: sandbox_id}, require: {color: GREEN}}", "expected one of NONE, RED"),
                new Mistake("{sandbox: {id: sandbox_id}, require: {raw: x}}", "expected present or absent for bytes"),
                new Mistake(
                        "{sandbox: {id: sandbox_id}, require: {inner: x}}", "expected present or absent for message"),
                new Mistake(
                        "{sandbox: {id: sandbox_id}, require: {tags: x}}",
                        "expected present or absent for a repeated field"),
                new Mistake(
                        "{sandbox: {id: sandbox_id}, require: {name: present}}",
                        "needs a field that decoders can tell from a default"),
                new Mistake(
                        "{sandbox: {id: sandbox_id}, require: {items.note: absent}}",
                        "goes through a field that may come often"),
                new Mistake(
                        "{sandbox: {id: sandbox_id}, require: {sandbox_id: x}}", "already says which sandbox is meant"),
                new Mistake("{sandbox: {id: sandbox_id}, require: {flags: \"true\"}}", "did you mean \"flag\"?"),
                new Mistake("{sandbox: {id: sandbox_id}, require: [flag]}", "expected a mapping"),
                new Mistake("{sandbox: {id: sandbox_id}, callers: user}", "may only narrow"),
                new Mistake(
                        "{sandbox: {id: sandbox_id}, callers: everybody}",
                        "expected nobody or sandbox or service-account"),
                new Mistake("{sandbox: {id: sandbox_id}, served-by: somebody}", "expected one of gateway, issuer"),
                new Mistake("{sandbox: {id: sandbox_id}, empty: skip}", "is for methods whose client streams"),
                new Mistake("{sandbox: {id: sandbox_id}, body-limit: 1TiB}", "expected a size"),
                new Mistake("{sandbox: {id: sandbox_id}, body-limit: 1GiB}", "expected 5 to"),
                new Mistake("{sandbox: {id: sandbox_id}, max-duration: forever}", "expected a duration"),
                new Mistake("{sandbox: {id: sandbox_id}, body-limits: 1KiB}", "did you mean \"body-limit\"?"),
                new Mistake(
                        "{sandbox: {name: by_name, workspace: workspace}}",
                        "add it under require as \"everywhere: absent\""),
                new Mistake("{sandbox: {id: hello.sandbox_id}}", "add it under require as \"other: absent\""));
    }

    @ParameterizedTest
    @MethodSource("mistakes")
    void saysWhatIsWrongAndWhatWouldBeRight(Mistake mistake) {
        assertThat(Policies.problems(section(sandboxMethod(), "methods:\n  test.Gateway/A: " + mistake.rule)))
                .isNotEmpty()
                .allSatisfy(problem -> assertThat(problem).contains("rules.yaml:2", "test.Gateway/A"))
                .anySatisfy(problem -> assertThat(problem).contains(mistake.said));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{sandbox: {id: sandbox_id}}",
                "{sandbox: {id: inner.sandbox_id}, agree: [items.sandbox_id, tags]}",
                "{sandbox: {name: by_name, workspace: workspace}, require: {everywhere: absent}}",
                "{sandbox: {id: hello.sandbox_id}, require: {other: absent}}",
                "{sandbox: {id: hello.sandbox_id}, agree: [other.sandbox_id]}",
                "{sandbox: {id: self.self.sandbox_id}}",
                "{sandbox: none, reason: it asks for nothing}",
                "{callers: nobody}",
                "{sandbox: none, reason: bootstrap, callers: service-account, served-by: issuer}",
                "{sandbox: {id: sandbox_id}, require: {maybe: present, numbers: absent, color: RED, zigzag: -3}}"
            })
    void takesARuleThatFits(String rule) {
        assertThat(Policies.problems(section(sandboxMethod(), "methods:\n  test.Gateway/A: " + rule)))
                .isEmpty();
    }

    @Test
    void namesEveryMistakeAtOnce() {
        TestGateway gateway =
                sandboxMethod().method("B", "dual").method("C", "bearer").method("D", "operator");
        assertThat(Policies.problems(section(gateway, """
                        default: {body-limit: 1KiB}
                        methods:
                          test.Gateway/A: {sandbox: {id: nope}}
                          test.Gateway/C: {sandbox: {id: sandbox_id}}
                          test.Gateway/D: {sandbox: none, reason: x}
                          test.Gateway/Bee: {sandbox: {id: sandbox_id}}
                          Whatever: {}
                        """)))
                .hasSize(7)
                .anySatisfy(problem ->
                        assertThat(problem).contains("rules.yaml:1 default: unknown key; did you mean \"defaults\"?"))
                .anySatisfy(problem -> assertThat(problem).contains("rules.yaml:3", "has no field \"nope\""))
                .anySatisfy(problem -> assertThat(problem).contains("rules.yaml:4", "its auth_mode is bearer"))
                .anySatisfy(problem -> assertThat(problem).contains("rules.yaml:5", "its auth_mode is operator"))
                .anySatisfy(problem -> assertThat(problem)
                        .contains("rules.yaml:6", "no such method", "did you mean \"test.Gateway/B\"?"))
                .anySatisfy(
                        problem -> assertThat(problem).contains("rules.yaml:7", "write it as package.Service/Method"))
                .anySatisfy(
                        problem -> assertThat(problem)
                                .contains(
                                        "test.Gateway/B: sandboxes may call it (auth_mode dual) and there is no rule for it; perhaps"));
    }

    /** A declared mode, what {@code callers} says, and what comes of it; "refused" when it would widen. */
    @ParameterizedTest
    @CsvSource({
        "sandbox, , SANDBOX",
        "sandbox, sandbox, SANDBOX",
        "sandbox, service-account, SERVICE_ACCOUNT",
        "sandbox, nobody, CLOSED",
        "sandbox, user, refused",
        "dual, , DUAL",
        "dual, sandbox, SANDBOX",
        "dual, user, USER",
        "dual, nobody, CLOSED",
        "dual, service-account, refused",
        "bearer, , USER",
        "bearer, user, USER",
        "bearer, nobody, CLOSED",
        "bearer, sandbox, refused",
        "bearer, service-account, refused",
        "unauthenticated, , UNAUTHENTICATED",
        "unauthenticated, user, USER",
        "unauthenticated, nobody, CLOSED",
        "unauthenticated, sandbox, refused",
        "operator, , CLOSED",
        "operator, nobody, CLOSED",
        "operator, user, refused",
        "peer, sandbox, refused",
        "Sandbox, , CLOSED",
        "'sandbox ', , CLOSED",
        "'', , CLOSED",
        "'', sandbox, refused"
    })
    void callersMayOnlyNarrow(String mode, String callers, String access) throws InvalidSettingsException {
        boolean held = List.of("SANDBOX", "SERVICE_ACCOUNT", "DUAL").contains(access);
        String rule = (held ? "sandbox: {id: sandbox_id}" : "body-limit: 1KiB")
                + (callers == null ? "" : ", callers: " + callers);
        String section = section(new TestGateway().method("A", mode), "methods:\n  test.Gateway/A: {" + rule + "}");
        if (access.equals("refused")) {
            assertThat(Policies.problems(section)).anyMatch(problem -> problem.contains("may only narrow"));
        } else {
            assertThat(Policies.method(Policies.load(section), "/test.Gateway/A")
                            .access())
                    .isEqualTo(Access.valueOf(access));
        }
    }

    /** Options that could be read in two ways close the method. */
    static Stream<UnknownFieldSet.Field> unclearOptions() {
        return Stream.of(
                TestGateway.option("bearer", "sandbox"),
                TestGateway.option("sandbox", "sandbox"),
                UnknownFieldSet.Field.newBuilder()
                        .addLengthDelimited(ByteString.copyFrom(Wire.EMPTY
                                .text(1, "bearer")
                                .text(1, "unauthenticated")
                                .bytes()))
                        .build(),
                UnknownFieldSet.Field.newBuilder()
                        .addLengthDelimited(
                                ByteString.copyFrom(Wire.EMPTY.number(1, 5).bytes()))
                        .build(),
                UnknownFieldSet.Field.newBuilder()
                        .addLengthDelimited(ByteString.copyFrom(new byte[] {10, 9, 'b'}))
                        .build(),
                UnknownFieldSet.Field.newBuilder().addVarint(1).build(),
                UnknownFieldSet.Field.newBuilder()
                        .mergeFrom(TestGateway.option("bearer"))
                        .addVarint(1)
                        .build());
    }

    @ParameterizedTest
    @MethodSource("unclearOptions")
    void anUnclearModeIsClosed(UnknownFieldSet.Field option) {
        Problems problems = new Problems();
        DescriptorSet set = DescriptorSet.parse(
                "set", new TestGateway().method("A", "bearer").descriptorSet("B", option), problems);
        assertThat(problems.list()).isEmpty();
        assertThat(set.methods().values())
                .extracting(DescriptorSet.Method::access)
                .containsExactly(Access.USER, Access.CLOSED);
    }

    @Test
    void aFileExtendsAPresetAndReplacesWholeRules() throws InvalidSettingsException {
        String section = "rules: " + write("rules.yaml", """
                        extends: openshell-0.0
                        defaults: {max-duration: 5s}
                        methods:
                          openshell.v1.OpenShell/GetSandboxConfig: {sandbox: {id: sandbox_id}, body-limit: 1KiB}
                          openshell.v1.OpenShell/SubmitPolicyAnalysis: {sandbox: {name: name, workspace: workspace}}
                          openshell.v1.OpenShell/GetCurrentUser: {callers: nobody}
                        """);
        AccessPolicy policy = Policies.load(section);
        String service = "/openshell.v1.OpenShell/";
        MethodRule config = Policies.method(policy, service + "GetSandboxConfig");
        assertThat(config.bodyLimit()).isEqualTo(1024);
        assertThat(config.maxDuration()).isEqualTo(Duration.ofSeconds(5));
        MethodRule analysis = Policies.method(policy, service + "SubmitPolicyAnalysis");
        assertThat(analysis.messages().words().agreeing()).isEmpty();
        assertThat(analysis.bodyLimit()).isEqualTo(64 << 10);
        assertThat(Policies.method(policy, service + "GetCurrentUser").access()).isEqualTo(Access.CLOSED);
        MethodRule logs = Policies.method(policy, service + "PushSandboxLogs");
        assertThat(logs.messages().words().agreeing()).containsExactly("logs.sandbox_id");
        assertThat(logs.messages().skipsEmpty()).isTrue();
        assertThat(policy.digest())
                .isNotEqualTo(Policies.preset("openshell-0.0").digest());
    }

    @Test
    void problemsOfTheExtendedPresetNameThePreset() {
        Path rules = write("rules.yaml", "extends: openshell-0.0\n");
        Path set = sandboxMethod().write(directory);
        assertThat(Policies.problems("{rules: " + rules + ", descriptor-set: " + set + "}"))
                .anyMatch(problem -> problem.startsWith("preset openshell-0.0:")
                        && problem.contains("GetSandboxConfig: there is no such method"))
                .anyMatch(problem -> problem.contains("test.Gateway/A: sandboxes may call it"));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            value = {
                "{} | give a preset (openshell-0.0, openshell-0.1) or rules: FILE",
                "{preset: openshell-0.2} | there is no preset \"openshell-0.2\"",
                "{preset: openshell-0.0, rules: x.yaml} | not both",
                "{preset: ../openshell-0.0} | there is no preset",
                "{rules: /nowhere/rules.yaml, descriptor-set: x} | /nowhere/rules.yaml: cannot be read",
                "{preset: openshell-0.0, descriptor-set: /nowhere/x.pb} | /nowhere/x.pb: cannot be read",
            })
    void asksForFilesThatAreThere(String section, String said) {
        assertThat(Policies.problems(section)).anyMatch(problem -> problem.contains(said));
    }

    @Test
    void rulesOfNoPresetNeedADescriptorSet() {
        assertThat(Policies.problems("rules: " + write("rules.yaml", "methods: {}")))
                .singleElement()
                .asString()
                .contains("need the gateway's descriptor set");
    }

    @Test
    void anUnknownPresetToExtendIsNamed() {
        assertThat(Policies.problems("rules: " + write("rules.yaml", "extends: openshell-9")))
                .singleElement()
                .asString()
                .contains("rules.yaml extends: there is no preset \"openshell-9\"");
    }

    @Test
    void garbageIsNoDescriptorSet() throws IOException {
        Path file = Files.write(directory.resolve("x.pb"), new byte[] {1, 2, 3});
        Path empty = Files.write(directory.resolve("empty.pb"), new byte[0]);
        assertThat(Policies.problems("{preset: openshell-0.0, descriptor-set: " + file + "}"))
                .anyMatch(problem -> problem.contains("x.pb: not a descriptor set"));
        assertThat(Policies.problems("{preset: openshell-0.0, descriptor-set: " + empty + "}"))
                .anyMatch(problem -> problem.contains("empty.pb: an empty descriptor set"));
    }

    @Test
    void aSetWithoutItsImportsIsNoDescriptorSet() {
        FileDescriptorSet.Builder set = FileDescriptorSet.newBuilder();
        set.addFileBuilder().setName("a.proto").addDependency("b.proto");
        set.addFileBuilder().setName("c.proto").addDependency("c.proto");
        set.addFileBuilder().setName("d.proto").addDependency("google/protobuf/struct.proto");
        Problems problems = new Problems();
        DescriptorSet.parse("set", set.build().toByteArray(), problems);
        assertThat(problems.list())
                .containsExactly(
                        "set: imports b.proto, which is not in it; write it with --include_imports",
                        "set: c.proto imports itself");
    }

    @Test
    void theDigestCoversEveryPartAndWhereItEnds() throws InvalidSettingsException {
        Path set = sandboxMethod().write(directory);
        String rules = "methods:\n  test.Gateway/A: {sandbox: {id: sandbox_id}}\n";
        String first = digest(set, rules);
        assertThat(digest(set, rules)).isEqualTo(first);
        assertThat(digest(set, rules + "# a comment\n")).isNotEqualTo(first);
        new TestGateway().method("A", "sandbox").method("B", "bearer").write(directory);
        assertThat(digest(set, rules)).isNotEqualTo(first);

        PolicyFiles.Text ab = new PolicyFiles.Text(new PolicyFiles.Blob("x", new byte[] {'a', 'b'}));
        PolicyFiles.Text a = new PolicyFiles.Text(new PolicyFiles.Blob("x", new byte[] {'a'}));
        PolicyFiles.Text b = new PolicyFiles.Text(new PolicyFiles.Blob("x", new byte[] {'b'}));
        PolicyFiles.Blob none = new PolicyFiles.Blob("x", new byte[0]);
        assertThat(new PolicyFiles(none, List.of(ab)).digest())
                .isNotEqualTo(new PolicyFiles(none, List.of(a, b)).digest())
                .isNotEqualTo(new PolicyFiles(a.blob(), List.of(b)).digest());
    }

    private String digest(Path set, String rules) throws InvalidSettingsException {
        return Policies.load("{rules: " + write("rules.yaml", rules) + ", descriptor-set: " + set + "}")
                .digest();
    }

    @Test
    void loadNamesTheMistakesOfTheWholeFileAndReadLeavesThemToTheCaller() {
        Problems problems = new Problems();
        Settings settings = Settings.parse("s.yaml", "policy: {preset: nope}\nport: many\n", problems);
        settings.integer("port", 1, 1, 9);
        assertThat(AccessPolicy.read(settings.section("policy"))).isEmpty();
        assertThat(problems.list()).hasSize(2);
        assertThatThrownBy(() -> AccessPolicy.load(settings.section("policy")))
                .isInstanceOf(InvalidSettingsException.class)
                .hasMessageContaining("port")
                .hasMessageContaining("policy.preset");
    }

    @Test
    void everyMethodHasARuleAndTheyComeInOrder() throws InvalidSettingsException {
        TestGateway gateway =
                new TestGateway().method("Z", "bearer").method("B", "").method("A", "unauthenticated");
        AccessPolicy policy = Policies.load(section(gateway, "methods: {}"));
        assertThat(policy.rules())
                .extracting(MethodRule::path)
                .containsExactly("/test.Gateway/A", "/test.Gateway/B", "/test.Gateway/Z");
        assertThat(policy.find("/test.Gateway/z")).isNull();
        assertThat(policy.find("test.Gateway/Z")).isNull();
        assertThat(policy.find("/test.Gateway/Z?x")).isNull();
    }
}
