package io.sallyport.envoyconfig;

import io.envoyproxy.envoy.config.bootstrap.v3.Bootstrap;
import io.sallyport.base.Logging;
import io.sallyport.base.settings.InvalidSettingsException;
import java.io.IOException;
import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.Set;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.ExitCode;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.ParentCommand;
import picocli.CommandLine.Spec;

/** The program: {@code generate} prints an Envoy bootstrap, {@code validate} only says whether it could. */
@Command(
        name = "envoy-config",
        description = "Writes the Envoy configuration that follows from the access policy and the settings.",
        mixinStandardHelpOptions = true,
        subcommands = {EnvoyConfigMain.Generate.class, EnvoyConfigMain.Validate.class})
public final class EnvoyConfigMain implements Runnable {
    /** The configuration holds no secret, and Envoy often runs as another user. */
    private static final FileAttribute<Set<PosixFilePermission>> READABLE_BY_ALL =
            PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-r--r--"));

    @Spec
    @SuppressWarnings("NullAway.Init") // picocli sets it
    private CommandSpec spec;

    private final PrintStream out;

    private EnvoyConfigMain(PrintStream out) {
        this.out = out;
    }

    public static void main(String[] args) {
        Logging.toStandardError();
        System.exit(run(new PrintStream(System.out, true, StandardCharsets.UTF_8), System.err, args));
    }

    /**
     * Runs one command.
     *
     * @return 0; 2 for a wrong call or wrong settings, which stand on standard error, one a line; 1 otherwise
     */
    static int run(PrintStream out, PrintStream err, String... args) {
        return new CommandLine(new EnvoyConfigMain(out))
                .setOut(new PrintWriter(out, true, StandardCharsets.UTF_8))
                .setErr(new PrintWriter(err, true, StandardCharsets.UTF_8))
                .setExecutionExceptionHandler((failure, commandLine, parsed) -> {
                    if (failure instanceof InvalidSettingsException invalid) {
                        invalid.problems().forEach(commandLine.getErr()::println);
                        return ExitCode.USAGE;
                    }
                    commandLine.getErr().println("envoy-config failed: " + failure);
                    return ExitCode.SOFTWARE;
                })
                .execute(args);
    }

    @Command(name = "generate", description = "Prints the configuration, or writes it to a file.")
    static final class Generate implements Callable<Integer> {
        @ParentCommand
        @SuppressWarnings("NullAway.Init") // picocli sets it
        private EnvoyConfigMain program;

        @Option(
                names = "--config",
                required = true,
                paramLabel = "FILE",
                description = "The settings, such as envoy-config.yaml.")
        @Nullable Path config;

        @Option(
                names = "--output",
                paramLabel = "FILE",
                description = "Where to write it, whole or not at all; standard output by default.")
        @Nullable Path output;

        @Override
        public Integer call() throws InvalidSettingsException, IOException {
            EnvoyConfigSettings settings = EnvoyConfigSettings.load(required(config));
            Bootstrap bootstrap = EnvoyBootstrap.of(settings);
            String yaml = BootstrapYaml.print(
                    bootstrap, settings.gatewayId(), settings.policy().digest());
            if (output == null) {
                program.out.print(yaml);
                program.out.flush();
            } else {
                writeWhole(output.toAbsolutePath(), yaml);
            }
            return ExitCode.OK;
        }
    }

    @Command(name = "validate", description = "Checks settings and policy, and says every mistake.")
    static final class Validate implements Callable<Integer> {
        @Option(
                names = "--config",
                required = true,
                paramLabel = "FILE",
                description = "The settings, such as envoy-config.yaml.")
        @Nullable Path config;

        @Override
        public Integer call() throws InvalidSettingsException {
            EnvoyConfigSettings settings = EnvoyConfigSettings.load(required(config));
            BootstrapYaml.print(
                    EnvoyBootstrap.of(settings),
                    settings.gatewayId(),
                    settings.policy().digest());
            return ExitCode.OK;
        }
    }

    /** Without a command there is nothing to do, which is a wrong call. */
    @Override
    public void run() {
        throw new ParameterException(spec.commandLine(), "say what to do: generate or validate");
    }

    private static Path required(@Nullable Path file) {
        if (file == null) {
            throw new IllegalStateException("--config is required");
        }
        return file;
    }

    private static void writeWhole(Path file, String text) throws IOException {
        Path part = Files.createTempFile(file.getParent(), "." + file.getFileName(), ".part", READABLE_BY_ALL);
        try {
            Files.writeString(part, text);
            Files.move(part, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
        } finally {
            Files.deleteIfExists(part);
        }
    }
}
