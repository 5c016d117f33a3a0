package io.sallyport.envoyconfig;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Assumptions;

/** The real Envoy: {@code bin/find-envoy} knows where. */
final class EnvoyBinary {
    private EnvoyBinary() {}

    /** Skips the test where no Envoy can be had, but never in CI. */
    static Path find() {
        Path script = repository().resolve("bin/find-envoy");
        try {
            Process process = new ProcessBuilder(script.toString()).start();
            String found = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
            String complaint = new String(process.getErrorStream().readAllBytes(), StandardCharsets.UTF_8).strip();
            if (process.waitFor() == 0) {
                return Path.of(found);
            }
            if ("true".equals(System.getenv("CI"))) {
                throw new AssertionError("CI needs an Envoy: " + complaint);
            }
            return Assumptions.abort("no Envoy: " + complaint);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new IllegalStateException(e);
        }
    }

    static Path repository() {
        Path directory = Path.of("").toAbsolutePath();
        while (!Files.exists(directory.resolve("bin/find-envoy"))) {
            Path parent = directory.getParent();
            if (parent == null) {
                throw new IllegalStateException("bin/find-envoy is in no directory above the tests");
            }
            directory = parent;
        }
        return directory;
    }
}
