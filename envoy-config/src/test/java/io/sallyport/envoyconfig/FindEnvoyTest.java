package io.sallyport.envoyconfig;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(30)
class FindEnvoyTest {
    @TempDir
    private Path directory = Path.of("");

    private record Found(int code, String out, String err) {}

    /** Runs {@code bin/find-envoy} with an Envoy of that version, given in the environment or on the PATH. */
    private Found find(boolean given, String version) throws IOException, InterruptedException {
        Path envoy = Files.writeString(directory.resolve("envoy"), """
                #!/bin/sh
                echo
                echo "envoy  version: 0123abcd/%s/Clean/RELEASE/BoringSSL"
                sleep 0.2
                echo
                """.formatted(version));
        Files.setPosixFilePermissions(envoy, PosixFilePermissions.fromString("rwx------"));
        ProcessBuilder command = new ProcessBuilder(
                EnvoyBinary.repository().resolve("bin/find-envoy").toString());
        command.environment().remove("ENVOY");
        if (given) {
            command.environment().put("ENVOY", envoy.toString());
        } else {
            command.environment().merge("PATH", directory.toString(), (path, first) -> first + ":" + path);
        }
        Process process = command.start();
        process.getOutputStream().close();
        String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
        String err = new String(process.getErrorStream().readAllBytes(), StandardCharsets.UTF_8);
        return new Found(process.waitFor(), out, err);
    }

    /** Envoy prints a line more after the one with its version, and may be slow to. */
    @Test
    void anEnvoyOfTheVersionIsTakenWithoutAWord() throws Exception {
        Found expected = new Found(0, directory.resolve("envoy").toString(), "");
        assertThat(find(false, "1.40.7")).isEqualTo(expected);
        assertThat(find(true, "1.40.7")).isEqualTo(expected);
    }

    @Test
    void anotherVersionIsTakenOnlyWhenToldTo() throws Exception {
        Found told = find(true, "1.4.0");
        assertThat(told.code()).isZero();
        assertThat(told.out()).isEqualTo(directory.resolve("envoy").toString());
        assertThat(told.err()).contains("not an Envoy 1.40");
    }
}
