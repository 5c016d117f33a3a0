package io.sallyport.e2e.stack;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;

/** Where Envoy is: {@code bin/find-envoy} knows, and fetches one when there is none. */
public final class EnvoyBinary {
    private EnvoyBinary() {}

    /**
     * Finds it.
     *
     * @param root of the checkout
     * @throws StackException with the remedy, when there is none
     */
    public static Path find(Path root) {
        Path script = root.resolve("bin/find-envoy");
        try {
            Process process = new ProcessBuilder(script.toString())
                    .redirectError(ProcessBuilder.Redirect.INHERIT)
                    .start();
            process.getOutputStream().close();
            String printed = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
            if (process.waitFor() == 0 && Files.isExecutable(Path.of(printed))) {
                return Path.of(printed).toAbsolutePath();
            }
            throw new StackException(
                    script + " found no Envoy (it says why above); set ENVOY to the path of an Envoy 1.40");
        } catch (IOException e) {
            throw new StackException(script + " cannot be run; set ENVOY to the path of an Envoy 1.40", e);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new StackException("interrupted while looking for Envoy", e);
        }
    }
}
