package io.sallyport.e2e.support;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Assumptions;

/** Programs that tests run and wait for. */
public final class Tools {
    private Tools() {}

    /** Whether a missing tool fails a test instead of skipping it. */
    public static boolean nothingMayBeMissing() {
        return "true".equals(System.getenv("CI"));
    }

    /** Runs a script that fetches something and prints where it is; what cannot be fetched skips the test, but not in CI. */
    public static String fetch(Path script, String... arguments) {
        String[] command = new String[arguments.length + 1];
        command[0] = script.toString();
        System.arraycopy(arguments, 0, command, 1, arguments.length);
        try {
            return run(Map.of(), command).getLast();
        } catch (AssertionError | IOException e) {
            if (nothingMayBeMissing()) {
                throw new AssertionError(script + " brought nothing", e);
            }
            return Assumptions.abort(script + " brought nothing: " + e.getMessage());
        }
    }

    /** Runs a program and returns the lines of its standard output; it must end with 0. */
    public static List<String> run(Map<String, String> environment, String... command) throws IOException {
        ProcessBuilder builder = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT);
        builder.environment().putAll(environment);
        Process process = builder.start();
        process.getOutputStream().close();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        try {
            assertThat(process.waitFor())
                    .as("%s printed: %s", command[0], output)
                    .isZero();
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new AssertionError("interrupted", e);
        } finally {
            process.destroyForcibly();
        }
        return output.lines().toList();
    }
}
