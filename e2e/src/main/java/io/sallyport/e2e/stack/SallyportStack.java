package io.sallyport.e2e.stack;

import io.sallyport.base.net.Endpoint;
import io.sallyport.e2e.gateway.GatewayMode;
import io.sallyport.e2e.gateway.KnownSandbox;
import io.sallyport.e2e.gateway.ReferenceGatewayMain;
import io.sallyport.identity.KeyDirectory;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Consumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Issuer, ext-authz, reference gateway and Envoy, running as child processes until {@link #close} or the end of this JVM.
 *
 * <p>Not thread-safe where it starts and stops parts; everything else may be asked from anywhere.
 */
public final class SallyportStack implements AutoCloseable {
    private static final Duration START = Duration.ofSeconds(60);
    private static final Pattern GATEWAY_READY =
            Pattern.compile("ready on (127\\.0\\.0\\.1:\\d+), control on (127\\.0\\.0\\.1:\\d+)");
    private static final Pattern PORT_TAKEN = Pattern.compile("(?i)address (already )?in use|cannot bind");

    private final StackOptions options;
    private final Layout layout;
    private final int port;
    private final int gatewayPort;
    private final int httpPort;
    private final Map<Part, Child> children = new EnumMap<>(Part.class);
    private final Registry registry;
    private final ProcessFile processes;
    private final Thread stopAtExit = new Thread(this::stopChildren, "stop the stack");
    private volatile @Nullable GatewayView gateway;

    /** Guarded by {@link #children}. */
    private boolean stopped;

    private SallyportStack(StackOptions options, Layout layout) {
        this.options = options;
        this.layout = layout;
        port = Ports.choose(options.port());
        gatewayPort = Ports.choose(options.gatewayPort());
        httpPort = Ports.choose(options.httpPort());
        registry = new Registry(new Endpoint.Unix(layout.socket("registry")));
        processes = ProcessFile.in(options.state());
        Runtime.getRuntime().addShutdownHook(stopAtExit);
    }

    /**
     * Starts everything and waits until it is ready.
     *
     * @param progress told in a few words what is being done
     * @throws StackException naming the part that did not start, with the last lines of its log; nothing is left running
     */
    public static SallyportStack start(StackOptions options, Consumer<String> progress) {
        // First, so that a port which our own forgotten Envoy still holds does not count as somebody else's.
        ProcessFile.in(options.state()).stopLeftovers();
        Ports.requireFree(options);
        for (int attempt = 1; ; attempt++) {
            SallyportStack stack = new SallyportStack(options, Layout.prepare(options.state()));
            try {
                stack.startParts(progress);
                return stack;
            } catch (RuntimeException e) {
                stack.close();
                // Somebody took an ephemeral port between our choosing it and the program's binding it.
                if (attempt == 3
                        || !PORT_TAKEN.matcher(String.valueOf(e.getMessage())).find()) {
                    throw e;
                }
            }
        }
    }

    /** Starts the parts side by side; Envoy's settings are made meanwhile. */
    private void startParts(Consumer<String> progress) {
        makeKeys();
        try (ExecutorService tasks = Executors.newVirtualThreadPerTaskExecutor()) {
            progress.accept("starting the token issuer, ext-authz and the reference gateway");
            List<Part> servers = Stream.of(Part.ISSUER, Part.EXT_AUTHZ, Part.GATEWAY)
                    .filter(options.parts()::contains)
                    .toList();
            servers.forEach(this::launch);
            CompletableFuture<?> envoy = options.parts().contains(Part.ENVOY)
                    ? CompletableFuture.runAsync(this::generateEnvoyConfiguration, tasks)
                            .thenRun(() -> progress.accept("starting Envoy"))
                            .thenRun(() -> start(Part.ENVOY))
                    : CompletableFuture.completedFuture(null);
            servers.forEach(this::awaitReady);
            envoy.join();
        } catch (CompletionException e) {
            throw e.getCause() instanceof StackException known ? known : e;
        }
    }

    /** Where clients call: {@code 127.0.0.1:PORT} of Envoy. */
    public String endpoint() {
        return "127.0.0.1:" + port;
    }

    /** Envoy's port on loopback. */
    public int port() {
        return port;
    }

    /** The address of the issuer's public keys. */
    public String jwksUrl() {
        return "http://127.0.0.1:" + httpPort + "/.well-known/jwks.json";
    }

    /** The gateway's own port, for calls that go around Envoy. */
    public int gatewayPort() {
        return gatewayPort;
    }

    public Path registrySocket() {
        return layout.socket("registry");
    }

    /** A socket of a part, such as {@code issuer}, {@code feed}, {@code registry} or {@code ext-authz}. */
    public Path socket(String name) {
        return layout.socket(name);
    }

    public StackOptions options() {
        return options;
    }

    /** The directory whose active key signs tokens. */
    public Path tokenKeys() {
        return layout.tokenKeys();
    }

    /** The directory whose active key signs assertions. */
    public Path assertionKeys() {
        return layout.assertionKeys();
    }

    /** The audit log of ext-authz or the issuer. */
    public Path auditLog(Part part) {
        return layout.audit().resolve(part.spelling() + "-audit.jsonl");
    }

    /** The program log of a part. */
    public Path log(Part part) {
        return layout.log(part);
    }

    /** The file of settings of a part, as it was last started. */
    public Path settingsFile(Part part) {
        return layout.settings().resolve((part == Part.ENVOY ? "envoy-config" : part.spelling()) + ".yaml");
    }

    /** The folder of the database. */
    public Path store() {
        return layout.store();
    }

    public Registry registry() {
        return registry;
    }

    /** What the gateway saw. */
    public GatewayView gateway() {
        GatewayView view = gateway;
        if (view == null) {
            throw new IllegalStateException("the gateway has not been started");
        }
        return view;
    }

    /** Registers a sandbox with the issuer and with the gateway, and mints a bootstrap token for it. */
    public String admit(KnownSandbox sandbox) {
        registry.register(sandbox);
        gateway().know(sandbox);
        return registry.mint(sandbox.id());
    }

    /** Process id of a part, for measurements. */
    public long pid(Part part) {
        return child(part).pid();
    }

    public boolean isRunning(Part part) {
        return child(part).isAlive();
    }

    /** SIGKILL. */
    public void kill(Part part) {
        child(part).kill();
    }

    /** SIGSTOP: the part is there and does nothing. */
    public void suspend(Part part) {
        child(part).suspend();
    }

    /** SIGCONT. */
    public void resume(Part part) {
        child(part).resume();
    }

    /** SIGTERM, and waits for the end. */
    public void stop(Part part) {
        child(part).close();
    }

    /** Starts a part again, on the same addresses, and waits until it is ready. */
    public void start(Part part) {
        startWithoutWaiting(part);
        awaitReady(part);
    }

    /** Starts a part again, on the same addresses, and does not wait until it is ready. */
    public void startWithoutWaiting(Part part) {
        Child old = children.get(part);
        if (old != null) {
            old.close();
        }
        launch(part);
    }

    /** Whether a part has said that it is ready since it was started last. */
    public boolean isReady(Part part) {
        return child(part).isReady();
    }

    /** Waits until a part ends that nobody asked to end, and says which and what it said last. */
    public String awaitEndOfAnyPart() {
        List<Child> running;
        synchronized (children) {
            running = List.copyOf(children.values());
        }
        CompletableFuture<?>[] ends = running.stream().map(Child::onExit).toArray(CompletableFuture<?>[]::new);
        CompletableFuture.anyOf(ends).join();
        return running.stream()
                .filter(child -> !child.isAlive())
                .map(child -> child.name() + " has ended" + child.lastLines())
                .collect(Collectors.joining("\n"));
    }

    /**
     * Runs one of our programs to its end.
     *
     * @return the end of its output
     * @throws StackException with the end of its output, when the exit code is not the expected one
     */
    public List<String> runProgram(String module, int expected, List<String> arguments) {
        Path log = layout.logs().resolve(module + "-" + arguments.getFirst() + ".log");
        List<String> command = new ArrayList<>(java());
        // It ends before the best compiler would be done.
        command.add("-XX:TieredStopAtLevel=1");
        command.addAll(app(module));
        command.addAll(arguments);
        try (Child child = Child.start(module, command, log, "\n")) {
            int code = child.awaitExit(START);
            if (code != expected) {
                throw new StackException(
                        module + " " + String.join(" ", arguments) + " ended with code " + code + child.lastLines());
            }
            return child.tail();
        }
    }

    @Override
    public void close() {
        stopChildren();
        try {
            Runtime.getRuntime().removeShutdownHook(stopAtExit);
        } catch (IllegalStateException e) {
            // The JVM is already going down and runs the hook itself.
            return;
        }
        registry.close();
    }

    private void stopChildren() {
        synchronized (children) {
            stopped = true;
            children.values().forEach(Child::terminate);
            for (Part part : Part.values()) {
                Child child = children.get(part);
                if (child != null) {
                    child.close();
                }
            }
        }
        try {
            processes.delete();
            if (layout.socketsAreTemporary()) {
                Folders.delete(layout.sockets());
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private Child child(Part part) {
        synchronized (children) {
            Child child = children.get(part);
            if (child == null) {
                throw new IllegalStateException(part + " has not been started");
            }
            return child;
        }
    }

    private void launch(Part part) {
        List<String> command = switch (part) {
            case ENVOY -> envoyCommand();
            case EXT_AUTHZ -> serverCommand(part, extAuthzSettings());
            case ISSUER -> serverCommand(part, issuerSettings());
            case GATEWAY -> gatewayCommand();
        };
        synchronized (children) {
            if (stopped) {
                // Whoever is still starting parts while the JVM goes down must not leave one behind.
                throw new StackException("the stack has been stopped; " + part.spelling() + " is not started any more");
            }
            children.put(
                    part,
                    Child.start(
                            part.spelling(), command, options.environment(part), layout.log(part), part.readyMark()));
            processes.write(children.values());
        }
    }

    private void awaitReady(Part part) {
        String line = child(part).awaitReady(START);
        if (part == Part.ENVOY) {
            // It says so a moment before it listens.
            Ports.awaitListening(port);
        }
        if (part == Part.GATEWAY) {
            Matcher matcher = GATEWAY_READY.matcher(line);
            if (!matcher.find()) {
                throw new StackException("the gateway's ready line is not understood: " + line);
            }
            gateway = new GatewayView(matcher.group(2));
        }
    }

    private List<String> envoyCommand() {
        return List.of(
                options.envoy().toString(),
                "--config-path",
                layout.settings().resolve("envoy.yaml").toString(),
                "--concurrency",
                "1",
                "--disable-hot-restart",
                "--log-level",
                "info");
    }

    private List<String> serverCommand(Part part, Map<String, Object> settings) {
        Path file = settingsFile(part);
        writeSettings(file, settings, options.overrides(part));
        List<String> command = new ArrayList<>(java());
        command.addAll(options.jvmFlags());
        command.addAll(app(part.spelling()));
        command.addAll(List.of("serve", "--config", file.toString()));
        return command;
    }

    private List<String> gatewayCommand() {
        List<String> command = new ArrayList<>(java());
        command.addAll(List.of(
                // Read by nobody but the next start, which looks for children that were left behind.
                "-Dsallyport.state=" + layout.state() + "/",
                "-XX:+UseSerialGC",
                "-XX:TieredStopAtLevel=1",
                "--enable-native-access=ALL-UNNAMED",
                "--sun-misc-unsafe-memory-access=allow",
                "-cp",
                System.getProperty("java.class.path"),
                ReferenceGatewayMain.class.getName(),
                "--api",
                options.generation().api(),
                "--mode",
                options.mode().spelling(),
                "--port",
                Integer.toString(gatewayPort),
                "--gateway-id",
                options.gatewayId()));
        if (options.mode() == GatewayMode.UNCHANGED) {
            command.addAll(List.of("--key", layout.gatewayKey().toString()));
        }
        for (KnownSandbox sandbox : options.sandboxes()) {
            command.addAll(List.of("--sandbox", sandbox.spelling()));
        }
        return command;
    }

    private void generateEnvoyConfiguration() {
        Path file = settingsFile(Part.ENVOY);
        Map<String, Object> settings = new LinkedHashMap<>();
        settings.put("gateway-id", options.gatewayId());
        settings.put("listen", endpoint());
        settings.put("policy.preset", options.generation().preset());
        settings.put("upstreams.ext-authz", unix("ext-authz"));
        settings.put("upstreams.issuer", unix("issuer"));
        settings.put("upstreams.gateway", "127.0.0.1:" + gatewayPort);
        settings.put("admin", "off");
        writeSettings(file, settings, options.overrides(Part.ENVOY));
        runProgram(
                "envoy-config",
                0,
                List.of(
                        "generate",
                        "--config",
                        file.toString(),
                        "--output",
                        layout.settings().resolve("envoy.yaml").toString()));
    }

    private Map<String, Object> extAuthzSettings() {
        Map<String, Object> settings = new LinkedHashMap<>();
        settings.put("gateway-id", options.gatewayId());
        settings.put("listen", unix("ext-authz"));
        settings.put("policy.preset", options.generation().preset());
        settings.put("keys.tokens", layout.tokenKeys().toString());
        settings.put("keys.assertion", layout.assertionKeys().toString());
        settings.put("issuer", unix("feed"));
        settings.put("audit.file", auditLog(Part.EXT_AUTHZ).toString());
        return settings;
    }

    private Map<String, Object> issuerSettings() {
        Map<String, Object> settings = new LinkedHashMap<>();
        settings.put("gateway-id", options.gatewayId());
        settings.put("listen.envoy", unix("issuer"));
        settings.put("listen.feed", unix("feed"));
        settings.put("listen.registry", unix("registry"));
        settings.put("listen.http", "127.0.0.1:" + httpPort);
        settings.put("store.sqlite", layout.store().resolve("issuer.db").toString());
        settings.put("keys.tokens", layout.tokenKeys().toString());
        settings.put("keys.assertion", layout.assertionKeys().toString());
        settings.put("audit.file", auditLog(Part.ISSUER).toString());
        return settings;
    }

    private String unix(String name) {
        return "unix:" + layout.socket(name);
    }

    private static void writeSettings(Path file, Map<String, Object> settings, Map<String, Object> overrides) {
        try {
            Files.writeString(file, Yaml.write(settings, overrides));
        } catch (IOException e) {
            throw new StackException("cannot write " + file, e);
        }
    }

    private static List<String> java() {
        return List.of(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    }

    private List<String> app(String module) {
        Path app = options.root().resolve(module).resolve("target/app");
        Path jar = app.resolve("sallyport-" + module + ".jar");
        if (!Files.isRegularFile(jar)) {
            throw new StackException(module + " is not built (" + jar + " is missing); run ./mvnw package -DskipTests");
        }
        List<String> command = new ArrayList<>(List.of("@" + app.resolve("jvm.options")));
        // As bin/sallyport does: with the ahead-of-time cache where bin/aot-cache has made one.
        Path cache = app.resolve("sallyport-" + module + ".aot");
        if (Files.isRegularFile(cache)) {
            command.add("-XX:AOTCache=" + cache);
        }
        command.addAll(List.of("-jar", jar.toString()));
        return command;
    }

    private void makeKeys() {
        try {
            if (!Files.exists(layout.tokenKeys())) {
                KeyDirectory.generate(layout.tokenKeys());
            }
            if (!Files.exists(layout.assertionKeys())) {
                KeyDirectory.generate(layout.assertionKeys());
            }
            Path active = layout.tokenKeys()
                    .resolve(KeyDirectory.readSigning(layout.tokenKeys()).keyId());
            Files.createDirectories(layout.gatewayKey());
            for (String file : List.of("public.pem", "kid")) {
                Files.copy(
                        active.resolve(file), layout.gatewayKey().resolve(file), StandardCopyOption.REPLACE_EXISTING);
            }
        } catch (IOException e) {
            throw new StackException("the keys in " + layout.keys() + " cannot be made or read: " + e.getMessage(), e);
        }
    }
}
