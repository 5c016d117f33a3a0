package io.sallyport.e2e.stack;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.stream.Stream;

/** Where Envoy is: {@code $ENVOY}, the PATH, or what {@code bin/fetch-envoy} brings. */
public final class EnvoyBinary {
    private EnvoyBinary() {}

    /**
     * Finds it.
     *
     * @param root of the checkout
     * @throws StackException with the remedy, when there is none
     */
    public static Path find(Path root, Map<String, String> environment) {
        String named = environment.getOrDefault("ENVOY", "");
        if (!named.isEmpty()) {
            Path envoy = Path.of(named);
            if (!Files.isExecutable(envoy)) {
                throw new StackException("$ENVOY names " + envoy + ", which is not a program; correct or unset it");
            }
            return envoy.toAbsolutePath();
        }
        return Stream.of(environment.getOrDefault("PATH", "").split(File.pathSeparator))
                .filter(directory -> !directory.isEmpty())
                .map(directory -> Path.of(directory, "envoy").toAbsolutePath())
                .filter(Files::isExecutable)
                .findFirst()
                .orElseGet(() -> fetch(root));
    }

    private static Path fetch(Path root) {
        Path script = root.resolve("bin/fetch-envoy");
        try {
            Process process = new ProcessBuilder(script.toString())
                    .redirectError(ProcessBuilder.Redirect.INHERIT)
                    .start();
            process.getOutputStream().close();
            String printed = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
            if (process.waitFor() == 0 && Files.isExecutable(Path.of(printed))) {
                return Path.of(printed);
            }
            throw new StackException(script + " brought no Envoy; set ENVOY to an Envoy 1.40 of yours");
        } catch (IOException e) {
            throw new StackException("no Envoy: set ENVOY to an Envoy 1.40, or put one on the PATH", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new StackException("interrupted while fetching Envoy", e);
        }
    }
}
