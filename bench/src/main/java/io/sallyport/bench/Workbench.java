package io.sallyport.bench;

import io.envoyproxy.envoy.service.auth.v3.CheckRequest;
import io.grpc.ManagedChannel;
import io.grpc.Server;
import io.grpc.netty.NettyChannelBuilder;
import io.grpc.stub.StreamObserver;
import io.netty.channel.EventLoopGroup;
import io.sallyport.api.openshell00.OpenShellGrpc;
import io.sallyport.api.openshell00.sandbox.GetSandboxConfigRequest;
import io.sallyport.api.openshell00.sandbox.GetSandboxConfigResponse;
import io.sallyport.base.net.Endpoint;
import io.sallyport.base.net.GrpcChannels;
import io.sallyport.base.net.GrpcServers;
import io.sallyport.base.settings.InvalidSettingsException;
import io.sallyport.base.settings.Problems;
import io.sallyport.base.settings.Settings;
import io.sallyport.bench.peer.AlwaysContinueMain;
import io.sallyport.bench.peer.AlwaysOkMain;
import io.sallyport.bench.peer.ContinueFloorMain;
import io.sallyport.e2e.stack.Child;
import io.sallyport.e2e.stack.EnvoyBinary;
import io.sallyport.e2e.stack.Folders;
import io.sallyport.e2e.stack.Part;
import io.sallyport.e2e.stack.Ports;
import io.sallyport.e2e.stack.SallyportStack;
import io.sallyport.e2e.stack.StackException;
import io.sallyport.e2e.stack.StackOptions;
import io.sallyport.extauthz.EverySandboxLives;
import io.sallyport.identity.KeyDirectory;
import io.sallyport.policy.AccessPolicy;
import io.sallyport.policy.MethodRule;
import java.io.IOException;
import java.io.InputStream;
import java.net.URISyntaxException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.Deque;
import java.util.List;
import java.util.Objects;
import java.util.concurrent.ConcurrentLinkedDeque;
import java.util.concurrent.TimeUnit;
import java.util.function.UnaryOperator;
import java.util.jar.JarEntry;
import java.util.jar.JarFile;
import java.util.jar.JarOutputStream;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** A scratch directory with keys and settings, an issuer that knows everybody, and the processes to be measured. */
final class Workbench implements AutoCloseable {
    private static final Duration PATIENCE = Duration.ofSeconds(60);

    /** A program under measurement, and where it listens. */
    record Subject(String name, Child process, Endpoint endpoint) {}

    private final Path root;
    private final Path scratch;
    private final AccessPolicy policy;
    private final Questions questions;
    private final EventLoopGroup loops = GrpcServers.eventLoops("bench", 1);
    private final Deque<AutoCloseable> open = new ConcurrentLinkedDeque<>();
    // Ctrl-C and SIGTERM too leave neither processes nor keys behind.
    private final Thread closeAtExit = new Thread(this::clear, "clear the workbench");
    private int started;

    private Workbench(Path root, Path scratch, AccessPolicy policy) throws IOException {
        this.root = root;
        this.scratch = scratch;
        this.policy = policy;
        questions = new Questions(scratch.resolve("jwt"), policy.digest());
        Runtime.getRuntime().addShutdownHook(closeAtExit);
    }

    static Workbench open(Path root) throws IOException {
        Path scratch = Files.createTempDirectory("sallyport-bench-");
        KeyDirectory.generate(scratch.resolve("jwt"));
        KeyDirectory.generate(scratch.resolve("assertion"));
        AccessPolicy policy;
        try {
            policy = AccessPolicy.load(Settings.parse("bench", "policy: {preset: openshell-0.0}", new Problems())
                    .section("policy"));
        } catch (InvalidSettingsException e) {
            throw new IllegalStateException("the preset is whole", e);
        }
        Workbench workbench = new Workbench(root, scratch, policy);
        workbench.serveFeed();
        return workbench;
    }

    Questions questions() {
        return questions;
    }

    /** The rule of a method that there is. */
    MethodRule rule(String path) {
        return Objects.requireNonNull(policy.find(path), path);
    }

    /** A new connection, on an event loop that all of them share. */
    ManagedChannel connect(Endpoint endpoint) {
        NettyChannelBuilder builder = GrpcChannels.connectTo(endpoint, loops).directExecutor();
        ManagedChannel channel = builder.build();
        open.push(channel::shutdownNow);
        return channel;
    }

    /** A gateway that counts and drops. */
    StreamSink startSink() throws IOException {
        StreamSink sink = new StreamSink(loops, 0);
        open.push(sink);
        return sink;
    }

    /** Streams towards an Envoy. */
    StreamLoad streams(Subject envoy) {
        return new StreamLoad(loops, (Endpoint.Tcp) envoy.endpoint());
    }

    /** Questions about tokens that a stack's issuer could have signed. */
    Questions questions(SallyportStack stack) throws IOException {
        return new Questions(stack.tokenKeys(), policy.digest());
    }

    /** ext-authz, as it is packaged, in front of an issuer that knows everybody. */
    Subject startExtAuthz() throws IOException {
        return startExtAuthz(scratch.resolve("jwt"), scratch.resolve("assertion"), scratch.resolve("feed"));
    }

    /** One more ext-authz for the issuer of a stack. */
    Subject startExtAuthz(SallyportStack stack) throws IOException {
        return startExtAuthz(stack.tokenKeys(), stack.assertionKeys(), stack.socket("feed"));
    }

    private Subject startExtAuthz(Path tokenKeys, Path assertionKeys, Path feed) throws IOException {
        Endpoint endpoint = new Endpoint.Unix(scratch.resolve("ext-authz-" + ++started));
        Path settings = scratch.resolve("ext-authz-" + started + ".yaml");
        Files.writeString(settings, """
                gateway-id: local
                listen: %s
                policy: {preset: openshell-0.0}
                keys: {tokens: "%s", assertion: "%s"}
                issuer: "unix:%s"
                issuer-timeout: 5s
                audit: {file: "%s/audit.jsonl"}
                """.formatted(endpoint, tokenKeys, assertionKeys, feed, scratch));
        Path app = root.resolve("ext-authz/target/app");
        List<String> command = java(app.resolve("sallyport-ext-authz.aot"));
        command.addAll(List.of(
                "-jar", app.resolve("sallyport-ext-authz.jar").toString(), "serve", "--config", settings.toString()));
        return start("ext-authz", command, endpoint);
    }

    /** The peer that allows everything. */
    Subject startAlwaysOk() throws IOException, InterruptedException {
        byte[] question = questions.about("sandbox-0", questions.token("sandbox-0"));
        return startPeer(new Peer(
                "always-ok",
                AlwaysOkMain.class,
                endpoint -> new Load(connect(endpoint), Checks.METHOD, 1, Checks::isOk)
                        .runTimes(Checks.request(question), 2000)));
    }

    /** The peer that lets every piece of every stream go on. */
    Subject startAlwaysContinue() throws IOException, InterruptedException {
        return startProcessor("always-continue", AlwaysContinueMain.class);
    }

    /** What does the same without listening. */
    Subject startContinueFloor() throws IOException, InterruptedException {
        return startProcessor("continue-floor", ContinueFloorMain.class);
    }

    private Subject startProcessor(String name, Class<?> main) throws IOException, InterruptedException {
        return startPeer(new Peer(name, main, endpoint -> Pieces.send(connect(endpoint), 20, 500)));
    }

    /**
     * A program to be compared with: the same libraries and flags as ext-authz, and a cache made the same way.
     *
     * @param training what it is asked while its cache is made
     */
    private record Peer(String name, Class<?> main, Training training) {
        interface Training {
            void ask(Endpoint endpoint) throws InterruptedException;
        }
    }

    private Subject startPeer(Peer peer) throws IOException, InterruptedException {
        Path cache = root.resolve("bench/target/app/" + peer.name() + ".aot");
        if (!fits(peer, cache)) {
            writeJar(peer);
            train(peer, cache);
        }
        Endpoint endpoint = new Endpoint.Unix(scratch.resolve(peer.name() + "-" + ++started));
        List<String> command = java(cache);
        command.addAll(arguments(peer, endpoint));
        return start(peer.name(), command, endpoint);
    }

    private void train(Peer peer, Path cache) throws IOException, InterruptedException {
        Endpoint endpoint = new Endpoint.Unix(scratch.resolve("training-of-" + peer.name()));
        Files.deleteIfExists(cache);
        List<String> command = java(scratch.resolve("none"));
        command.add("-XX:AOTCacheOutput=" + cache);
        command.addAll(arguments(peer, endpoint));
        Subject trained = start(peer.name() + " in training", command, endpoint);
        peer.training().ask(endpoint);
        trained.process().terminate();
        if (!trained.process().awaitEnd(Duration.ofMinutes(2)) || !Files.exists(cache)) {
            throw new StackException("the JVM wrote no ahead-of-time cache for the peer");
        }
    }

    /** Envoy with one worker, configured by envoy-config, in front of a Check service; and a gateway behind it. */
    Endpoint startEnvoy(Endpoint extAuthz) throws IOException, InterruptedException {
        return startEnvoy(extAuthz, serveGateway(), Bootstrap::asGenerated).endpoint();
    }

    /**
     * Envoy with one worker, in front of ext-authz and with a gateway behind it.
     *
     * @param change what is made of the generated configuration
     */
    Subject startEnvoy(Endpoint extAuthz, Endpoint gateway, UnaryOperator<Bootstrap> change)
            throws IOException, InterruptedException {
        Endpoint.Tcp listen = new Endpoint.Tcp("127.0.0.1", Ports.choose(0));
        Path settings = scratch.resolve("envoy-config-" + ++started + ".yaml");
        Path bootstrap = scratch.resolve("envoy-" + started + ".yaml");
        Files.writeString(settings, """
                gateway-id: local
                listen: %s
                policy: {preset: openshell-0.0}
                upstreams: {ext-authz: "%s", issuer: "unix:%s/nobody", gateway: "%s"}
                limits: {authorization: 5s}
                """.formatted(listen, extAuthz, scratch, gateway));
        Path app = root.resolve("envoy-config/target/app");
        Process generate = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "@" + app.resolve("jvm.options"),
                        "-jar",
                        app.resolve("sallyport-envoy-config.jar").toString(),
                        "generate",
                        "--config",
                        settings.toString(),
                        "--output",
                        bootstrap.toString())
                .inheritIO()
                .start();
        if (generate.waitFor() != 0) {
            throw new StackException("envoy-config wrote no configuration");
        }
        Files.writeString(
                bootstrap,
                change.apply(Bootstrap.parse(Files.readString(bootstrap))).text());
        Child envoy = Child.start(
                "envoy",
                List.of(
                        EnvoyBinary.find(root).toString(),
                        "--config-path",
                        bootstrap.toString(),
                        "--concurrency",
                        "1",
                        "--disable-hot-restart",
                        "--log-level",
                        "info"),
                scratch.resolve("envoy-" + started + ".log"),
                "starting main dispatch loop");
        open.push(envoy);
        envoy.awaitReady(PATIENCE);
        return new Subject("envoy", envoy, listen);
    }

    /** A whole stack of its own; sandboxes may refresh as often as they like. */
    StackOptions stackOptions(String name) {
        return StackOptions.of(root, scratch.resolve(name), EnvoyBinary.find(root))
                // Everything shares two cores with its load, and begins cold.
                .with(Part.ENVOY, "limits.authorization", "5s")
                .with(Part.EXT_AUTHZ, "issuer-timeout", "5s")
                .with(Part.ISSUER, "limits.requests-per-minute", 1_000_000)
                .with(Part.ISSUER, "limits.burst", 1_000_000);
    }

    /** Stopped with everything else. */
    <T extends AutoCloseable> T closeAtEnd(T part) {
        open.push(part);
        return part;
    }

    /** Started, and stopped with everything else. */
    SallyportStack startStack(StackOptions options) {
        SallyportStack stack = SallyportStack.start(options, _ -> {});
        open.push(stack);
        return stack;
    }

    /** The issuer that keeps no lineage, on the database and with the keys of a stack. */
    void startPlainIssuer(Endpoint endpoint, SallyportStack stack) throws IOException {
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "@" + root.resolve("token-issuer/target/app/jvm.options"),
                "-cp",
                root.resolve("bench/target/app/sallyport-bench.jar") + ":"
                        + root.resolve("token-issuer/target/app/lib/*"),
                PlainIssuerMain.class.getName(),
                endpoint.toString(),
                stack.store().resolve("issuer.db").toString(),
                stack.tokenKeys().toString(),
                stack.assertionKeys().toString()));
        start("plain-issuer", command, endpoint);
    }

    /** The last refusals that ext-authz wrote down: what to look at when a measurement went wrong. */
    List<String> lastRefusals() throws IOException {
        Path audit = scratch.resolve("audit.jsonl");
        List<String> lines = Files.exists(audit) ? Files.readAllLines(audit) : List.of();
        return lines.subList(Math.max(0, lines.size() - 5), lines.size());
    }

    /** Stops a subject before the end of the measurement. */
    void stop(Subject subject) {
        subject.process().close();
    }

    private Subject start(String name, List<String> command, Endpoint endpoint) {
        Child child = Child.start(name, command, scratch.resolve(name + "-" + started + ".log"), "ready on");
        open.push(child);
        child.awaitReady(PATIENCE);
        return new Subject(name, child, endpoint);
    }

    private List<String> java(Path cache) {
        List<String> command = new ArrayList<>();
        command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
        command.add("@" + root.resolve("ext-authz/target/app/jvm.options"));
        if (Files.exists(cache)) {
            command.add("-XX:AOTCache=" + cache);
        }
        return command;
    }

    private List<String> arguments(Peer peer, Endpoint endpoint) throws IOException {
        String path = Stream.concat(Stream.of(jar(peer)), libraries().stream())
                .map(Path::toString)
                .collect(Collectors.joining(":"));
        return List.of("-cp", path, peer.main().getName(), endpoint.toString());
    }

    /**
     * Those of ext-authz rather than ours: the peer is to have no more than it has, but for Envoy's generated classes, which
     * it is made of.
     */
    private List<Path> libraries() throws IOException {
        try (Stream<Path> jars = Files.list(root.resolve("ext-authz/target/app/lib"))) {
            return Stream.concat(jars.sorted(), Stream.of(jarOf(CheckRequest.class)))
                    .toList();
        }
    }

    private static Path jarOf(Class<?> type) {
        try {
            return Path.of(
                    type.getProtectionDomain().getCodeSource().getLocation().toURI());
        } catch (URISyntaxException e) {
            throw new IllegalStateException("a class of no file", e);
        }
    }

    /** Whether the peer's cache is of these very jars: for others the JVM starts without, and the peer would be handicapped. */
    private boolean fits(Peer peer, Path cache) throws IOException {
        if (!Files.exists(cache) || !Files.exists(jar(peer))) {
            return false;
        }
        List<Path> jars = new ArrayList<>(libraries());
        jars.add(root.resolve("bench/target/app/sallyport-bench.jar"));
        for (Path jar : jars) {
            if (Files.getLastModifiedTime(jar).compareTo(Files.getLastModifiedTime(cache)) > 0) {
                return false;
            }
        }
        return true;
    }

    private Path jar(Peer peer) {
        return root.resolve("bench/target/app/" + peer.name() + ".jar");
    }

    /** Only the peers' own classes: our jar names our libraries in its manifest, and the peer would hold each one twice. */
    private void writeJar(Peer peer) throws IOException {
        String prefix = peer.main().getPackageName().replace('.', '/') + "/";
        try (JarFile ours = new JarFile(
                        root.resolve("bench/target/app/sallyport-bench.jar").toFile());
                JarOutputStream its = new JarOutputStream(Files.newOutputStream(jar(peer)))) {
            for (JarEntry entry : Collections.list(ours.entries())) {
                if (entry.getName().startsWith(prefix)) {
                    its.putNextEntry(new JarEntry(entry.getName()));
                    try (InputStream content = ours.getInputStream(entry)) {
                        content.transferTo(its);
                    }
                }
            }
        }
    }

    private void serveFeed() throws IOException {
        serve(GrpcServers.listenOn(new Endpoint.Unix(scratch.resolve("feed")), loops)
                .directExecutor()
                .addService(new EverySandboxLives())
                .build());
    }

    private Endpoint serveGateway() throws IOException {
        Server server = GrpcServers.listenOn(new Endpoint.Tcp("127.0.0.1", 0), loops)
                .directExecutor()
                .addService(new Gateway())
                .build();
        serve(server);
        return new Endpoint.Tcp("127.0.0.1", server.getPort());
    }

    private void serve(Server server) throws IOException {
        server.start();
        open.push(server::shutdownNow);
    }

    @Override
    public void close() {
        try {
            Runtime.getRuntime().removeShutdownHook(closeAtExit);
        } catch (IllegalStateException e) {
            // The JVM is already going down and clears up by itself.
            return;
        }
        clear();
    }

    private void clear() {
        for (AutoCloseable next = open.poll(); next != null; next = open.poll()) {
            try {
                next.close();
            } catch (Exception e) {
                System.err.println("while clearing up: " + e);
            }
        }
        var _ = loops.shutdownGracefully(0, 1, TimeUnit.SECONDS);
        try {
            Folders.delete(scratch);
        } catch (IOException e) {
            System.err.println("while clearing up: " + e);
        }
    }

    /** A gateway that costs as little as it can. */
    private static final class Gateway extends OpenShellGrpc.OpenShellImplBase {
        @Override
        public void getSandboxConfig(GetSandboxConfigRequest request, StreamObserver<GetSandboxConfigResponse> answer) {
            answer.onNext(GetSandboxConfigResponse.getDefaultInstance());
            answer.onCompleted();
        }
    }
}
