package io.sallyport.extauthz;

import com.google.protobuf.ByteString;
import io.grpc.CallOptions;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import io.grpc.MethodDescriptor.MethodType;
import io.grpc.Server;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.StreamObserver;
import io.netty.channel.EventLoopGroup;
import io.sallyport.base.Logging;
import io.sallyport.base.net.Endpoint;
import io.sallyport.base.net.GrpcChannels;
import io.sallyport.base.net.GrpcServers;
import io.sallyport.base.net.RawMarshallers;
import io.sallyport.base.settings.InvalidSettingsException;
import io.sallyport.extauthz.envoy.DynamicMetadata;
import io.sallyport.extauthz.envoy.Fields;
import io.sallyport.extauthz.guard.Announcement;
import io.sallyport.extauthz.guard.GuardService;
import io.sallyport.identity.Ed25519;
import io.sallyport.identity.GatewayId;
import io.sallyport.identity.KeyDirectory;
import io.sallyport.identity.Lineage;
import io.sallyport.identity.Principal;
import io.sallyport.identity.PrincipalHeader;
import io.sallyport.identity.SandboxClaims;
import io.sallyport.identity.SandboxId;
import io.sallyport.identity.SandboxTokenMinter;
import java.io.BufferedReader;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * Makes the ahead-of-time cache (JEP 483, JEP 514) that lets ext-authz start in half the time: {@code AotTraining
 * APP_DIRECTORY} starts the packaged program on scratch settings with {@code -XX:AOTCacheOutput}, asks it what Envoy
 * would ask, and stops it; the JVM then writes what it learned to {@code sallyport-ext-authz.aot} beside the jar.
 *
 * <p>The cache fits one JVM, one set of flags and these very jars. For anything else the JVM says so and starts without.
 */
public final class AotTraining {
    private static final String JAR = "sallyport-ext-authz.jar";
    private static final String CACHE = "sallyport-ext-authz.aot";
    private static final String SERVICE = "/openshell.v1.OpenShell/";
    private static final int TOKENS = 200;
    private static final MethodDescriptor<byte[], byte[]> CHECK =
            method(CheckMethod.SERVICE, "Check", MethodType.UNARY);
    private static final MethodDescriptor<byte[], byte[]> PROCESS =
            method(GuardService.SERVICE, "Process", MethodType.BIDI_STREAMING);

    private AotTraining() {}

    /** Runs the training; exit code 1 when no cache came of it. */
    public static void main(String[] arguments) throws IOException, InterruptedException {
        Logging.toStandardError();
        if (arguments.length != 1 || !Files.exists(Path.of(arguments[0], JAR))) {
            System.err.println("usage: AotTraining DIRECTORY, the one that holds " + JAR);
            System.exit(2);
        }
        Path app = Path.of(arguments[0]).toAbsolutePath();
        Path scratch = Files.createTempDirectory("sallyport-aot-");
        boolean done;
        try {
            done = train(app, scratch);
        } finally {
            delete(scratch);
        }
        System.exit(done ? 0 : 1);
    }

    private static boolean train(Path app, Path scratch) throws IOException, InterruptedException {
        Endpoint socket = new Endpoint.Unix(scratch.resolve("a"));
        Endpoint feed = new Endpoint.Unix(scratch.resolve("f"));
        Path settings = scratch.resolve("ext-authz.yaml");
        Files.writeString(settings, """
                gateway-id: local
                listen: %s
                policy: {preset: openshell-0.0}
                keys: {tokens: %3$s/jwt, assertion: %3$s/assertion}
                issuer: %2$s
                audit: {file: %3$s/audit.jsonl}
                """.formatted(socket, feed, scratch));
        KeyDirectory.generate(scratch.resolve("jwt"));
        KeyDirectory.generate(scratch.resolve("assertion"));
        String digest;
        try {
            digest = ExtAuthzSettings.load(settings).policy().digest();
        } catch (InvalidSettingsException e) {
            throw new IllegalStateException("the training's own settings are wrong", e);
        }

        EventLoopGroup loops = GrpcServers.eventLoops("training", 1);
        Server issuer = GrpcServers.listenOn(feed, loops)
                .directExecutor()
                .addService(new EverySandboxLives())
                .build()
                .start();
        Path cache = scratch.resolve(CACHE);
        Process trained = new ProcessBuilder(List.of(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "@" + app.resolve("jvm.options"),
                        "-XX:AOTCacheOutput=" + cache,
                        "-jar",
                        app.resolve(JAR).toString(),
                        "serve",
                        "--config",
                        settings.toString()))
                .redirectErrorStream(true)
                .start();
        try {
            BufferedReader output = trained.inputReader();
            for (String line = output.readLine(); line != null; line = output.readLine()) {
                if (line.contains("ready on")) {
                    break;
                }
            }
            Thread rest =
                    Thread.ofPlatform().daemon().start(() -> output.lines().forEach(_ -> {}));
            ManagedChannel channel =
                    GrpcChannels.connectTo(socket, loops).directExecutor().build();
            drive(channel, digest, scratch.resolve("jwt"));
            channel.shutdownNow();
            // SIGTERM, by the handle, which leaves the output open: the JVM writes the cache on its way out.
            trained.toHandle().destroy();
            if (!trained.waitFor(2, TimeUnit.MINUTES)) {
                return false;
            }
            rest.join();
        } finally {
            trained.destroyForcibly();
            issuer.shutdownNow();
        }
        if (!Files.exists(cache) || Files.size(cache) == 0) {
            System.err.println("the JVM wrote no cache; ext-authz starts without one, only slower");
            return false;
        }
        Files.move(cache, app.resolve(CACHE), StandardCopyOption.REPLACE_EXISTING);
        System.err.println("wrote " + app.resolve(CACHE));
        return true;
    }

    /** Everything that Envoy asks in a day: new and known tokens, each way of naming a sandbox, refusals, refreshes. */
    private static void drive(ManagedChannel channel, String digest, Path keys) throws IOException {
        SandboxTokenMinter minter =
                new SandboxTokenMinter(new GatewayId("local"), KeyDirectory.readSigning(keys), Ed25519.choose());
        for (int i = 0; i < TOKENS; i++) {
            // Each token on a connection of its own: with all the bad ones on one, that one would be refused
            // everything.
            int port = 40_000 + i;
            String id = "sandbox-" + i % 20;
            String token = token(minter, id, i);
            byte[] byId = message(1, id);
            for (int again = 0; again < 5; again++) {
                if (!ask(channel, port, digest, "GetSandboxConfig", "Bearer " + token, byId)) {
                    throw new IllegalStateException("refused what every sandbox may; nothing usual is learned so");
                }
            }
            ask(channel, port, digest, "GetSandboxConfig", "Bearer " + token, message(1, "another"));
            ask(channel, port, digest, "GetDraftPolicy", "Bearer " + token, byId);
            ask(channel, port, digest, "RefreshSandboxToken", "Bearer " + token, new byte[0]);
            ask(channel, port, digest, "GetSandbox", "Bearer " + token, byId);
            ask(channel, port, digest, "Health", "", new byte[0]);
            ask(channel, port, digest, "GetSandboxConfig", "Bearer " + token + "A", byId);
            ask(channel, port, digest, "GetSandboxConfig", "", byId);
            guard(channel, digest, id);
        }
    }

    /** A stream as Envoy hands it over: a whole message, one in two pieces, one that names another sandbox. */
    private static void guard(ManagedChannel channel, String digest, String id) {
        SandboxClaims token = claims(id, 0, "training");
        BlockingQueue<byte[]> answers = new LinkedBlockingQueue<>();
        CountDownLatch over = new CountDownLatch(1);
        StreamObserver<byte[]> envoy = ClientCalls.asyncBidiStreamingCall(
                channel.newCall(PROCESS, CallOptions.DEFAULT), new StreamObserver<>() {
                    @Override
                    public void onNext(byte[] answer) {
                        answers.add(answer);
                    }

                    @Override
                    public void onError(Throwable failure) {
                        over.countDown();
                    }

                    @Override
                    public void onCompleted() {
                        over.countDown();
                    }
                });
        String principal = PrincipalHeader.format(new Principal.Sandbox(token.sandbox(), token));
        DynamicMetadata said = Announcement.of(token, digest)
                .with("principal", principal)
                .with("sandbox_id", id)
                .with("method", SERVICE + "PushSandboxLogs");
        // A ProcessingRequest: request_headers, metadata_context, protocol_config (request_body_mode: STREAMED).
        envoy.onNext(Fields.NONE
                .with(2, Fields.NONE)
                .with(8, Fields.NONE.with(1, entry(Announcement.NAMESPACE, said.toFields())))
                .with(11, Fields.NONE.with(1, 1))
                .toByteArray());
        byte[] own = frame(message(1, id));
        int half = own.length / 2;
        for (byte[] piece : List.of(
                own,
                Arrays.copyOf(own, half),
                Arrays.copyOfRange(own, half, own.length),
                frame(message(1, "another")))) {
            // request_body, body
            envoy.onNext(Fields.NONE
                    .with(4, Fields.NONE.with(1, ByteString.copyFrom(piece)))
                    .toByteArray());
        }
        try {
            // The headers, three pieces, the end.
            for (int i = 0; i < 5; i++) {
                if (answers.poll(10, TimeUnit.SECONDS) == null) {
                    throw new IllegalStateException("the stream guard does not answer");
                }
            }
            envoy.onCompleted();
            if (!over.await(10, TimeUnit.SECONDS)) {
                throw new IllegalStateException("the stream guard does not end");
            }
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
        }
    }

    /** Whether it was allowed. */
    private static boolean ask(
            ManagedChannel channel, int port, String digest, String method, String authorization, byte[] message)
            throws IOException {
        byte[] body = frame(message);
        // An HttpRequest: method, headers, path, scheme, size, protocol, raw_body.
        Fields http = Fields.NONE
                .with(2, "POST")
                .with(3, entry("content-type", "application/grpc"))
                .with(3, entry("x-request-id", "training"))
                .with(3, entry("x-envoy-auth-partial-body", "false"))
                .with(4, SERVICE + method)
                .with(6, "http")
                .with(9, body.length)
                .with(10, "HTTP/2")
                .with(12, ByteString.copyFrom(body));
        if (!authorization.isEmpty()) {
            http = http.with(3, entry("authorization", authorization));
        }
        Fields socketAddress = Fields.NONE.with(2, "127.0.0.1").with(3, port);
        // An AttributeContext: source (a Peer: address, socket_address), request (http), context_extensions.
        Fields attributes = Fields.NONE
                .with(1, Fields.NONE.with(1, Fields.NONE.with(1, socketAddress)))
                .with(4, Fields.NONE.with(2, http))
                .with(10, entry(CheckCallReader.POLICY_EXTENSION, digest));
        byte[] question = Fields.NONE.with(1, attributes).toByteArray();
        // Whether the answer is an ok_response.
        return Fields.parse(ClientCalls.blockingUnaryCall(channel, CHECK, CallOptions.DEFAULT, question))
                .has(3);
    }

    /** Of a map. */
    private static Fields entry(String key, String value) {
        return Fields.NONE.with(1, key).with(2, value);
    }

    private static Fields entry(String key, Fields value) {
        return Fields.NONE.with(1, key).with(2, value);
    }

    private static MethodDescriptor<byte[], byte[]> method(String service, String name, MethodType type) {
        return MethodDescriptor.<byte[], byte[]>newBuilder()
                .setType(type)
                .setFullMethodName(MethodDescriptor.generateFullMethodName(service, name))
                .setRequestMarshaller(RawMarshallers.unread())
                .setResponseMarshaller(RawMarshallers.unread())
                .build();
    }

    private static String token(SandboxTokenMinter minter, String id, int number) {
        return minter.mint(claims(id, number, minter.keyId()));
    }

    private static SandboxClaims claims(String id, int number, String key) {
        Instant now = InstantSource.system().instant();
        return new SandboxClaims(
                new SandboxId(id),
                Optional.of("training-" + number),
                Optional.of(new Lineage("training", number)),
                now,
                now.plus(Duration.ofHours(1)),
                key);
    }

    private static byte[] frame(byte[] message) {
        return ByteBuffer.allocate(5 + message.length)
                .put((byte) 0)
                .putInt(message.length)
                .put(message)
                .array();
    }

    /** A message of one string field. */
    private static byte[] message(int field, String value) {
        byte[] text = value.getBytes(StandardCharsets.UTF_8);
        return ByteBuffer.allocate(2 + text.length)
                .put((byte) (field << 3 | 2))
                .put((byte) text.length)
                .put(text)
                .array();
    }

    private static void delete(Path directory) throws IOException {
        try (Stream<Path> files = Files.walk(directory)) {
            for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(file);
            }
        }
    }
}
