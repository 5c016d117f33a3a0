package io.sallyport.issuer;

import static org.assertj.core.api.Assertions.assertThat;

import io.sallyport.identity.KeyDirectory;
import io.sallyport.issuer.RunningIssuer.Printed;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The commands that rotate keys, as an operator types them. */
class KeyCommandsTest {
    @TempDir
    private Path directory;

    private String jwt;
    private String first;

    @BeforeEach
    void generate() throws Exception {
        RunningIssuer.generateKeys(directory);
        jwt = directory.resolve("keys/jwt").toString();
        first = KeyDirectory.readSigning(Path.of(jwt)).keyId();
    }

    private static Printed keys(String... arguments) {
        return RunningIssuer.run(
                Map.of(),
                InputStream.nullInputStream(),
                Stream.concat(Stream.of("keys"), Arrays.stream(arguments)).toArray(String[]::new));
    }

    private static String kid(Printed printed) {
        assertThat(printed.exitCode()).as(printed.err()).isZero();
        return printed.out().replaceFirst("(?s)kid=(\\S+) .*", "$1");
    }

    @Test
    void aWholeRotation() throws Exception {
        assertThat(keys("status", jwt).out()).isEqualTo("kid=" + first + " phase=active\n");

        String second = kid(keys("rotate", jwt, "prepare"));

        assertThat(keys("status", jwt).out())
                .contains("kid=" + first + " phase=active\n")
                .containsPattern("kid=" + second + " phase=prepared since=\\S+ next=activate from=\\d\\S+\n");
        Printed early = keys("rotate", jwt, "activate");
        assertThat(early.exitCode()).isEqualTo(1);
        assertThat(early.err()).contains("too early", "in 1m", "--force");

        assertThat(keys("rotate", jwt, "activate", "--poll", "0s", "--jwks-max-age", "0s")
                        .out())
                .isEqualTo("kid=" + second + " phase=active\n");
        assertThat(keys("rotate", jwt, "retire").err()).contains("too early", "in 2m");
        assertThat(keys("rotate", jwt, "retire", "--poll", "0s", "--retry-grace", "0s")
                        .out())
                .isEqualTo("kid=" + first + " phase=retired\n");
        Printed forced = keys("rotate", jwt, "remove", first, "--force");
        assertThat(forced.exitCode()).isZero();
        assertThat(forced.err()).startsWith("WARNING: before its time");
        assertThat(KeyDirectory.readPublic(Path.of(jwt)).keyIds()).containsExactly(second);
    }

    @Test
    void theTimesComeFromTheSettings() throws Exception {
        Path settings = RunningIssuer.writeSettings(directory, directory.resolve("issuer.db"));
        Files.writeString(
                settings,
                Files.readString(settings)
                        .replace("keys/assertion}", "keys/assertion, poll: 30m, jwks-max-age: 2h}")
                        .replace("leeway: 60s", "leeway: 5m"));
        String assertion = directory.resolve("keys/assertion").toString();
        for (String keys : new String[] {jwt, assertion}) {
            assertThat(keys("rotate", keys, "prepare").exitCode()).isZero();
        }

        String config = settings.toString();
        Printed tooWide = keys("rotate", jwt, "activate", "--config", config);
        assertThat(tooWide.err()).contains("keys.poll");

        Files.writeString(settings, Files.readString(settings).replace("poll: 30m", "poll: 10m"));
        assertThat(keys("rotate", jwt, "activate", "--config", config).err()).contains("in 2h 10m");
        assertThat(keys("rotate", assertion, "activate", "--config", config).err())
                .as("nobody keeps these for two hours")
                .contains("in 10m 0s");
        assertThat(keys("rotate", assertion, "activate", "--assertion", "--poll", "0s")
                        .exitCode())
                .isZero();
        assertThat(keys("rotate", assertion, "remove", "--config", config).err())
                .contains("in 21m"); // 10 m, an assertion's longest life of 1 m, twice the leeway
    }

    @Test
    void taintAndExport() throws Exception {
        Printed tainted = keys("rotate", jwt, "taint", first, "--reason", "seen in a chat");
        assertThat(tainted.exitCode()).as(tainted.err()).isZero();
        String second = KeyDirectory.readSigning(Path.of(jwt)).keyId();
        assertThat(tainted.out()).isEqualTo("kid=" + first + " phase=tainted\nkid=" + second + " phase=active\n");
        assertThat(tainted.err()).startsWith("WARNING: key " + second + " signs from now on");

        String out = directory.resolve("open").toString();
        assertThat(keys("export", jwt, out, "--public-only").out()).isEqualTo(out + " (public halves only)\n");
        assertThat(KeyDirectory.readPublic(Path.of(out)).keyIds()).containsExactly(second);
    }

    @Test
    void badUsage() {
        assertThat(keys("rotate", jwt, "Prepare").exitCode()).isEqualTo(2);
        assertThat(keys("rotate", jwt, "publish").err())
                .contains("expected one of: prepare, activate, retire, remove, taint");
        assertThat(keys("rotate", jwt).exitCode()).isEqualTo(2);
        assertThat(keys("rotate", jwt, "retire", "--retry-grace", "soon").err()).contains("expected a duration");
        assertThat(keys("rotate", jwt, "taint", first).err()).contains("--reason TEXT");
        assertThat(keys("rotate", jwt, "taint", "--reason", "which?").err()).contains("taint KID");
        assertThat(keys("rotate", jwt, "prepare", "my-name").err()).contains("leave out my-name");
        assertThat(keys("status", directory.resolve("none").toString()).exitCode())
                .isEqualTo(1);
    }
}
