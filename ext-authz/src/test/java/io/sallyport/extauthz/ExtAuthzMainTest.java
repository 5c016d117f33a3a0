package io.sallyport.extauthz;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class ExtAuthzMainTest {
    @TempDir
    Path directory;

    private final ByteArrayOutputStream err = new ByteArrayOutputStream();

    @ParameterizedTest
    @ValueSource(strings = {"", "serve", "serve --config", "serve --conf x", "start --config x", "serve --config x y"})
    void wrongArgumentsAreAnsweredWithTheRightOnes(String arguments) {
        assertThat(run(arguments.isEmpty() ? new String[0] : arguments.split(" ")))
                .isEqualTo(2);
        assertThat(err.toString(StandardCharsets.UTF_8)).contains("usage: ext-authz serve|validate --config FILE");
    }

    @Test
    void goodSettingsAreGood() throws IOException {
        new TestIdentity(directory, Clock.systemUTC());
        assertThat(validate("""
                gateway-id: local
                listen: unix:%1$s/a.sock
                policy: {preset: openshell-0.1}
                keys: {tokens: %1$s/jwt, assertion: %1$s/assertion}
                issuer: unix:%1$s/f.sock
                issuer-timeout: 500ms
                max-staleness: 5m
                when-stale: serve
                tokens: {max-lifetime: 24h, leeway: 60s, allow-no-expiry: false, renewal-window: 24h}
                metrics: 127.0.0.1:0
                user-methods: gateway
                developer-user: dora
                strip-credentials: false
                max-failed-credentials: 1000
                audit: {file: %1$s/audit.jsonl}
                """)).as(err.toString(StandardCharsets.UTF_8)).isZero();
    }

    @Test
    void everyMistakeIsSaidAtOnce() throws IOException {
        assertThat(validate("""
                gateway-id: "a b"
                listen: 0.0.0.0:9000
                policy: {preset: openshell-9}
                keys: {tokens: %1$s/none}
                issuer-timeout: 10m
                max-staleness: 1s
                when-stale: hope
                metrics: 0.0.0.0:9100
                tokens: {max-lifetime: soon}
                user-methods: open
                developer-user: ""
                strip-credential: true
                audit: {}
                """)).isEqualTo(2);
        assertThat(err.toString(StandardCharsets.UTF_8).lines())
                .anyMatch(line -> line.contains("gateway-id"))
                .anyMatch(line -> line.contains("listen") && line.contains("loopback"))
                .anyMatch(line -> line.contains("policy.preset"))
                .anyMatch(line -> line.contains("keys.tokens"))
                .anyMatch(line -> line.contains("keys.assertion") && line.contains("missing"))
                .anyMatch(line -> line.contains("issuer:") && line.contains("missing"))
                .anyMatch(line -> line.contains("issuer-timeout"))
                .anyMatch(line -> line.contains("max-staleness"))
                .anyMatch(line -> line.contains("when-stale"))
                .anyMatch(line -> line.contains("metrics") && line.contains("loopback"))
                .anyMatch(line -> line.contains("tokens.max-lifetime"))
                .anyMatch(line -> line.contains("user-methods"))
                .anyMatch(line -> line.contains("strip-credential") && line.contains("did you mean"))
                .anyMatch(line -> line.contains("audit.file") && line.contains("missing"));
    }

    @Test
    void holesInThePolicyAreMistakesToo() throws IOException {
        new TestIdentity(directory, Clock.systemUTC());
        Files.writeString(directory.resolve("rules.yaml"), "methods: {}\n");
        Files.copy(
                java.util.Objects.requireNonNull(
                        ExtAuthzMainTest.class.getResourceAsStream("/io/sallyport/api/openshell-0.0.pb")),
                directory.resolve("d.pb"));
        assertThat(validate("""
                gateway-id: local
                listen: unix:%1$s/a.sock
                policy: {rules: %1$s/rules.yaml, descriptor-set: %1$s/d.pb}
                keys: {tokens: %1$s/jwt, assertion: %1$s/assertion}
                issuer: unix:%1$s/f.sock
                audit: {file: %1$s/audit.jsonl}
                """)).isEqualTo(2);
        assertThat(err.toString(StandardCharsets.UTF_8).lines())
                .anyMatch(line -> line.contains("GetSandboxConfig"))
                .anyMatch(line -> line.contains("GetDraftPolicy"))
                .hasSizeGreaterThan(10);
    }

    @Test
    void aMissingFileIsAMistake() {
        assertThat(run("validate", "--config", directory.resolve("none.yaml").toString()))
                .isEqualTo(2);
        assertThat(err.toString(StandardCharsets.UTF_8)).contains("none.yaml");
    }

    private int validate(String yaml) throws IOException {
        Path file = directory.resolve("ext-authz.yaml");
        Files.writeString(file, yaml.formatted(directory));
        return run("validate", "--config", file.toString());
    }

    private int run(String... arguments) {
        return ExtAuthzMain.run(arguments, new PrintStream(err, true, StandardCharsets.UTF_8));
    }
}
