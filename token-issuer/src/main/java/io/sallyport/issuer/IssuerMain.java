package io.sallyport.issuer;

import io.sallyport.base.Logging;
import io.sallyport.base.settings.InvalidSettingsException;
import io.sallyport.issuer.cli.Commands;
import io.sallyport.issuer.cli.Console;
import io.sallyport.issuer.cli.KeyTimes;
import io.sallyport.issuer.service.IdSource;
import java.io.IOException;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.io.Writer;
import java.lang.System.Logger;
import java.lang.System.Logger.Level;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.InstantSource;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/**
 * {@code token-issuer}: the server, and the operator's commands.
 *
 * <p>Exit codes: 0, it worked; 2, bad usage or settings; 1, anything else.
 */
public final class IssuerMain {
    private static final Logger log = System.getLogger(IssuerMain.class.getName());

    /** What looks like a JWT. Messages about bad usage repeat what was typed, and somebody may have typed a token. */
    private static final Pattern TOKEN = Pattern.compile("[A-Za-z0-9_-]{8,}\\.[A-Za-z0-9_-]{8,}\\.[A-Za-z0-9_-]*");

    private IssuerMain() {}

    public static void main(String[] arguments) {
        Logging.toStandardError();
        Console console = new Console(
                new PrintWriter(new OutputStreamWriter(System.out, StandardCharsets.UTF_8), true),
                new PrintWriter(new OutputStreamWriter(System.err, StandardCharsets.UTF_8), true),
                System.in,
                System.getenv());
        System.exit(run(console, arguments));
    }

    /** Runs one command and returns its exit code. */
    static int run(Console console, String... arguments) {
        SecureRandom random = new SecureRandom();
        CommandLine line = new CommandLine(new Root());
        line.addSubcommand(new Serve(console, random));
        line.addSubcommand(new Validate(console));
        Commands.addTo(line, console, IdSource.of(random)::next, IssuerMain::keyTimes, InstantSource.system());
        line.setOut(console.out());
        PrintWriter redacted = new PrintWriter(new Redacted(console.err()), true);
        line.setErr(redacted);
        line.setExecutionExceptionHandler((e, command, parsed) -> {
            redacted.println("failed: " + e);
            return CommandLine.ExitCode.SOFTWARE;
        });
        return line.execute(arguments);
    }

    private static KeyTimes keyTimes(Path config, Path directory) throws InvalidSettingsException {
        IssuerSettings settings = IssuerSettings.load(config);
        return new KeyTimes(
                directory.normalize().equals(settings.keys().assertion().normalize()),
                settings.keys().poll(),
                settings.keys().jwksMaxAge(),
                settings.refresh().retryGrace(),
                settings.tokens().maxLifetime(),
                settings.refresh().renewalWindow(),
                settings.tokens().leeway());
    }

    @Command(
            name = "token-issuer",
            mixinStandardHelpOptions = true,
            description = "Issues and refreshes sandbox tokens, keeps the sandbox records, publishes the keys.")
    private static final class Root implements Runnable {
        @Spec
        @Nullable CommandSpec spec;

        @Override
        public void run() {
            CommandSpec own = Objects.requireNonNull(spec);
            throw new ParameterException(
                    own.commandLine(),
                    "expected one of: " + String.join(", ", own.subcommands().keySet()));
        }
    }

    /** A command that begins with the settings. */
    private abstract static class WithSettings implements Callable<Integer> {
        final Console console;

        @Option(names = "--config", required = true, paramLabel = "FILE", description = "The settings (YAML).")
        Path config = Path.of("issuer.yaml");

        WithSettings(Console console) {
            this.console = console;
        }

        abstract void run(IssuerSettings settings) throws IOException;

        @Override
        public Integer call() {
            try {
                run(IssuerSettings.load(config));
                return CommandLine.ExitCode.OK;
            } catch (InvalidSettingsException e) {
                e.problems().forEach(console.err()::println);
                return CommandLine.ExitCode.USAGE;
            } catch (IOException e) {
                console.err().println(e.getMessage());
                return CommandLine.ExitCode.SOFTWARE;
            }
        }
    }

    @Command(name = "serve", description = "Runs the issuer until SIGTERM.")
    private static final class Serve extends WithSettings {
        private final SecureRandom random;

        Serve(Console console, SecureRandom random) {
            super(console);
            this.random = random;
        }

        @Override
        void run(IssuerSettings settings) throws IOException {
            Issuer issuer = Issuer.start(settings, InstantSource.system(), random, StoreHealth.Intervals.DEFAULT);
            CountDownLatch stopped = new CountDownLatch(1);
            Runtime.getRuntime()
                    .addShutdownHook(new Thread(
                            () -> {
                                issuer.close();
                                stopped.countDown();
                            },
                            "stop"));
            log.log(
                    Level.INFO,
                    "ready on envoy={0} feed={1} registry={2} http=http://{3}",
                    issuer.envoy(),
                    issuer.feed(),
                    issuer.registry(),
                    issuer.http());
            try {
                stopped.await();
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
            }
        }
    }

    @Command(name = "validate", description = "Reads the settings and the keys, and says everything that is wrong.")
    private static final class Validate extends WithSettings {
        Validate(Console console) {
            super(console);
        }

        @Override
        void run(IssuerSettings settings) throws IOException {
            try (Issuer.Keys keys = Issuer.Keys.open(settings.keys())) {
                console.out()
                        .println("ok: gateway " + settings.gateway().value() + ", tokens signed with key "
                                + keys.tokens().signingKeys().active().keyId());
            }
        }
    }

    /** Passes text on, without anything in it that looks like a token. */
    private static final class Redacted extends Writer {
        private final Writer target;
        private final StringBuilder line = new StringBuilder();

        Redacted(Writer target) {
            this.target = target;
        }

        @Override
        public void write(char[] text, int offset, int length) {
            line.append(text, offset, length);
        }

        @Override
        public void flush() throws IOException {
            target.write(TOKEN.matcher(line).replaceAll("(a token)"));
            line.setLength(0);
            target.flush();
        }

        @Override
        public void close() throws IOException {
            flush();
        }
    }
}
