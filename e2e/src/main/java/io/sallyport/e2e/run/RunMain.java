package io.sallyport.e2e.run;

import io.grpc.Status;
import io.sallyport.base.Logging;
import io.sallyport.e2e.Generation;
import io.sallyport.e2e.gateway.KnownSandbox;
import io.sallyport.e2e.stack.Checkout;
import io.sallyport.e2e.stack.EnvoyBinary;
import io.sallyport.e2e.stack.SallyportStack;
import io.sallyport.e2e.stack.StackException;
import io.sallyport.e2e.stack.StackOptions;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.time.InstantSource;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

/**
 * The program behind {@code ./run}.
 *
 * <p>Exit codes: 0 when every line was as expected, 1 otherwise, 2 bad usage.
 */
@Command(
        name = "./run",
        sortOptions = false,
        mixinStandardHelpOptions = true,
        description = "Starts Sallyport before a reference gateway, registers two sandboxes, and walks through what"
                + " passes and what does not.")
public final class RunMain implements Callable<Integer> {
    @Option(names = "--once", description = "End after the walk-through; the exit code says whether all was right.")
    private boolean once;

    @Option(
            names = "--preset",
            paramLabel = "NAME",
            defaultValue = "openshell-0.0",
            description = "The gateway's API: openshell-0.0 (default) or openshell-0.1.")
    private Generation preset = Generation.V0_0;

    @Option(
            names = "--port",
            paramLabel = "N",
            converter = PortConverter.class,
            defaultValue = "8080",
            description = "Where Envoy listens on 127.0.0.1 (default: 8080; 0: any).")
    private int port;

    @Option(
            names = "--http-port",
            paramLabel = "N",
            converter = PortConverter.class,
            defaultValue = "8081",
            description = "Where the issuer serves its public keys on 127.0.0.1 (default: 8081; 0: any).")
    private int httpPort;

    @Option(
            names = "--gateway-port",
            paramLabel = "N",
            converter = PortConverter.class,
            defaultValue = "0",
            description = "Where the reference gateway listens on 127.0.0.1 (default: any).")
    private int gatewayPort;

    @Option(
            names = "--state",
            paramLabel = "DIR",
            description = "Where keys, database, sockets and logs are kept, from the checkout (default: .sallyport).")
    private @Nullable Path givenState;

    private final InstantSource clock = InstantSource.system();
    private final long started = System.nanoTime();
    private final PrintStream out;

    private RunMain(PrintStream out) {
        this.out = out;
    }

    /** The program. */
    public static void main(String[] args) {
        Logging.toStandardError();
        // The table is what there is to see; what is merely of interest stands in the parts' own logs.
        java.util.logging.Logger.getLogger("").setLevel(java.util.logging.Level.WARNING);
        PrintStream out =
                new PrintStream(new java.io.FileOutputStream(java.io.FileDescriptor.out), true, StandardCharsets.UTF_8);
        int code = new CommandLine(new RunMain(out))
                .registerConverter(Generation.class, Generation::parse)
                .setParameterExceptionHandler(RunMain::badUsage)
                .setExecutionExceptionHandler(RunMain.failed(goingDown()))
                .execute(args);
        System.exit(code);
    }

    private static int badUsage(ParameterException e, String[] args) {
        e.getCommandLine().getErr().println(e.getMessage() + "\nsee ./run --help");
        return 2;
    }

    /** Counted down when this program has been told to stop. */
    private static CountDownLatch goingDown() {
        CountDownLatch told = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(told::countDown, "told to stop"));
        return told;
    }

    private static CommandLine.IExecutionExceptionHandler failed(CountDownLatch goingDown) {
        return (e, command, result) -> {
            // A terminal's Ctrl-C goes to the parts as well: that they end then is no failure to report.
            if (goingDown.await(500, TimeUnit.MILLISECONDS)) {
                return 1;
            }
            if (e instanceof StackException) {
                command.getErr().println("\n" + e.getMessage());
                return 1;
            }
            throw e;
        };
    }

    /** A port, or 0. */
    static final class PortConverter implements CommandLine.ITypeConverter<Integer> {
        @Override
        public Integer convert(String text) {
            if (text.matches("\\d{1,5}") && Integer.parseInt(text) <= 65_535) {
                return Integer.parseInt(text);
            }
            throw new CommandLine.TypeConversionException("expected a port, 0 to 65535, found \"" + text + '"');
        }
    }

    @Override
    public Integer call() throws IOException {
        Path root = Checkout.find(Path.of(""));
        Path state = givenState == null
                ? root.resolve(".sallyport")
                : givenState.toAbsolutePath().normalize();
        try (StateLock _ = StateLock.take(state)) {
            // That of an earlier run names ports where nobody listens any more.
            Files.deleteIfExists(runEnv(state));
            step("looking for Envoy");
            StackOptions options = StackOptions.of(root, state, EnvoyBinary.find(root))
                    .withGeneration(preset)
                    .withPorts(port, gatewayPort, httpPort);
            try (SallyportStack stack = SallyportStack.start(options, this::step)) {
                return walk(stack, state);
            }
        }
    }

    private int walk(SallyportStack stack, Path state) throws IOException {
        String guest = "guest-"
                + DateTimeFormatter.ofPattern("yyyyMMdd-HHmmss-SSS", Locale.ROOT)
                        .withZone(ZoneOffset.UTC)
                        .format(clock.instant());
        Path tokens = tokenFolder(state);
        step("registering alpha, beta and a guest, and writing their token files");
        inParallel(Stream.of("alpha", "beta", guest)
                .map(id -> (Runnable) () -> create(stack, id, tokens))
                .toList());
        step("calling through Envoy at " + stack.endpoint() + " (" + preset + ")");
        out.println();
        int unexpected;
        try (Client client = Client.to(stack.endpoint())) {
            awaitAnswers(client, read(tokens, guest));
            WrongTokens wrong = new WrongTokens(stack.options().gatewayId(), stack.tokenKeys(), clock);
            unexpected = new WalkThrough(stack, client, wrong, out)
                    .run(
                            read(tokens, "alpha"),
                            read(tokens, "beta"),
                            guest,
                            read(tokens, guest),
                            () -> operator(stack, "sandbox", "revoke", guest, "--reason", "the walk-through"),
                            () -> operator(stack, "sandbox", "delete", guest));
        }
        writeRunEnv(stack, state, tokens);
        out.println();
        step(unexpected == 0 ? "every line as expected" : unexpected + " lines NOT as expected (✗)");
        if (!once) {
            stayUp(stack, state);
        }
        return unexpected == 0 ? 0 : 1;
    }

    /** ext-authz that was up before the issuer says UNAVAILABLE until it has found it. */
    private void awaitAnswers(Client client, String token) {
        Instant end = clock.instant().plusSeconds(10);
        Status status;
        do {
            status = client.call(Requests.GET_CONFIG, Requests.config(preset, "nobody"), token)
                    .status();
        } while (status.getCode() == Status.Code.UNAVAILABLE && clock.instant().isBefore(end));
    }

    private void stayUp(SallyportStack stack, Path state) {
        out.println();
        out.println("  Up at " + stack.endpoint() + ". Try, in another terminal: . " + quote(runEnv(state)));
        out.println("  Logs: " + state.resolve("logs") + "; audit: " + state.resolve("audit")
                + ". Ctrl-C stops all of it.");
        throw new StackException(stack.awaitEndOfAnyPart());
    }

    /** As an operator would: the issuer's own command, which writes the token file itself and prints none of it. */
    private static void create(SallyportStack stack, String id, Path tokens) {
        stack.gateway().know(KnownSandbox.parse(id));
        operator(
                stack,
                "sandbox",
                "create",
                id,
                "--token-file",
                tokenFile(tokens, id).toString());
    }

    private static void operator(SallyportStack stack, String... command) {
        stack.runProgram(
                "token-issuer",
                0,
                Stream.concat(Stream.of(command), Stream.of("--registry", "unix:" + stack.registrySocket()))
                        .toList());
    }

    private static void inParallel(List<Runnable> tasks) {
        try (ExecutorService threads = Executors.newVirtualThreadPerTaskExecutor()) {
            CompletableFuture.allOf(tasks.stream()
                            .map(task -> CompletableFuture.runAsync(task, threads))
                            .toArray(CompletableFuture<?>[]::new))
                    .join();
        } catch (CompletionException e) {
            throw e.getCause() instanceof StackException known ? known : e;
        }
    }

    private static Path tokenFolder(Path state) throws IOException {
        Path tokens = state.resolve("tokens");
        if (!Files.isDirectory(tokens)) {
            Files.createDirectory(
                    tokens, PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rwx------")));
        }
        return tokens;
    }

    private static Path tokenFile(Path tokens, String id) {
        return tokens.resolve(id + ".token");
    }

    private static String read(Path tokens, String id) throws IOException {
        return Files.readString(tokenFile(tokens, id), StandardCharsets.US_ASCII)
                .strip();
    }

    private static void writeRunEnv(SallyportStack stack, Path state, Path tokens) throws IOException {
        List<String> lines = List.of(
                "SALLYPORT_ENDPOINT=http://" + stack.endpoint(),
                "SALLYPORT_JWKS_URL=" + stack.jwksUrl(),
                "SALLYPORT_REGISTRY_SOCKET=" + quote(stack.registrySocket()),
                "SALLYPORT_GATEWAY_ID=" + stack.options().gatewayId(),
                "ALPHA_ID=alpha",
                "ALPHA_TOKEN_FILE=" + quote(tokenFile(tokens, "alpha")),
                "BETA_ID=beta",
                "BETA_TOKEN_FILE=" + quote(tokenFile(tokens, "beta")));
        // Whole or not at all: a script may be waiting for it.
        Path written = Files.write(state.resolve("run.env.new"), lines);
        Files.move(written, runEnv(state), StandardCopyOption.REPLACE_EXISTING, StandardCopyOption.ATOMIC_MOVE);
    }

    private static Path runEnv(Path state) {
        return state.resolve("run.env");
    }

    /** For a shell; plain where nothing in the path is special to it. */
    private static String quote(Path path) {
        String text = path.toString();
        return text.matches("[A-Za-z0-9/._+-]+") ? text : "'" + text.replace("'", "'\\''") + "'";
    }

    private void step(String what) {
        out.println(String.format(Locale.ROOT, "%5.1f s  %s", (System.nanoTime() - started) / 1e9, what));
    }
}
