package io.sallyport.policy;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Assumptions;

/** The descriptor sets inside the published Python package, fetched and unpacked for a test. */
final class PublishedDescriptors {
    private PublishedDescriptors() {}

    /**
     * Writes the descriptor set of a version into a directory.
     *
     * <p>Skips the test when the package cannot be had, except with {@code CI=true}: there it fails.
     */
    static Path of(String version, Path directory) throws IOException, InterruptedException {
        Path module = module();
        Result wheel = run(List.of(module.resolve("../bin/fetch-openshell").toString(), version));
        if (wheel.status != 0) {
            if ("true".equals(System.getenv("CI"))) {
                throw new AssertionError("openshell " + version + " cannot be had: " + wheel.output);
            }
            Assumptions.abort("openshell " + version + " cannot be had: " + wheel.output);
        }
        Path target = directory.resolve("openshell-" + version + ".pb");
        Result descriptors = run(List.of(
                "python3",
                module.resolve("src/test/python/descriptor_set.py").toString(),
                wheel.output.strip(),
                target.toString()));
        if (descriptors.status != 0) {
            throw new AssertionError("no descriptors from " + wheel.output.strip() + ": " + descriptors.output);
        }
        return target;
    }

    /** This module's folder, whatever folder the tests run in. */
    private static Path module() {
        for (Path at = Path.of("").toAbsolutePath(); at != null; at = at.getParent()) {
            if (Files.exists(at.resolve("policy/src/test/python/descriptor_set.py"))) {
                return at.resolve("policy");
            }
        }
        throw new AssertionError("run the tests inside the checkout");
    }

    private record Result(int status, String output) {}

    private static Result run(List<String> command) throws IOException, InterruptedException {
        Path errors = Files.createTempFile("published", ".txt");
        try {
            Process process =
                    new ProcessBuilder(command).redirectError(errors.toFile()).start();
            process.getOutputStream().close();
            String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            if (!process.waitFor(2, TimeUnit.MINUTES)) {
                process.destroyForcibly();
                return new Result(1, command + " did not end");
            }
            return process.exitValue() == 0
                    ? new Result(0, output)
                    : new Result(process.exitValue(), Files.readString(errors));
        } finally {
            Files.delete(errors);
        }
    }
}
