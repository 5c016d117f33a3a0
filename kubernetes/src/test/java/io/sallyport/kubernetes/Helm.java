package io.sallyport.kubernetes;

import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/** The real helm, from {@code bin/fetch-helm}, for the chart {@code helm/sallyport}. */
final class Helm {
    private final Path program;
    private final Map<String, String> environment;

    /**
     * What came of a call.
     *
     * @param out what it wrote, errors too
     */
    record Result(int code, String out) {
        /** What a call that must have gone well wrote. */
        String success() {
            if (code != 0) {
                throw new AssertionError("helm ended with " + code + ": " + out);
            }
            return out;
        }
    }

    private Helm(Path program, Map<String, String> environment) {
        this.program = program;
        this.environment = Map.copyOf(environment);
    }

    /** One that knows no cluster: it renders and refuses. */
    static Helm find() throws IOException, InterruptedException {
        return new Helm(ApiServer.programs("HELM", "fetch-helm"), Map.of("HOME", "/nonexistent"));
    }

    /** The same one, before a cluster; what it remembers of that goes into a folder. */
    Helm at(Path kubeconfig, Path home) {
        return new Helm(program, Map.of("HOME", home.toString(), "KUBECONFIG", kubeconfig.toString()));
    }

    /**
     * What a release is made of, in the order in which helm makes it: YAML, an object each.
     *
     * @param values YAML
     */
    List<String> template(String release, String namespace, String values) throws IOException, InterruptedException {
        String rendered = run(values, "template", release, chart(), "--namespace", namespace)
                .success();
        return Arrays.stream(rendered.split("(?m)^---$"))
                .filter(document -> document.contains("\nkind: "))
                .toList();
    }

    /** The folder of the chart. */
    static String chart() throws IOException {
        return ApiServer.checkout().resolve("helm/sallyport").toString();
    }

    /**
     * Runs helm.
     *
     * @param values YAML
     */
    Result run(String values, String... arguments) throws IOException, InterruptedException {
        List<String> command = new ArrayList<>(List.of(program.toString()));
        command.addAll(List.of(arguments));
        command.addAll(List.of("--values", "-"));
        return execute(command, values);
    }

    /** Runs helm where there are no values. */
    Result run(List<String> arguments) throws IOException, InterruptedException {
        return execute(
                Stream.concat(Stream.of(program.toString()), arguments.stream()).toList(), "");
    }

    private Result execute(List<String> command, String input) throws IOException, InterruptedException {
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        // Nothing of whoever runs the tests gets in: no plugins, and no cluster of theirs.
        builder.environment().clear();
        builder.environment().putAll(environment);
        Process process = builder.start();
        try (OutputStream in = process.getOutputStream()) {
            in.write(input.getBytes(StandardCharsets.UTF_8));
        }
        String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        return new Result(process.waitFor(), out);
    }
}
