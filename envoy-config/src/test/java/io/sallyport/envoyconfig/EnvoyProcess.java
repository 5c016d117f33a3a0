package io.sallyport.envoyconfig;

import io.netty.channel.EventLoopGroup;
import io.netty.handler.ssl.SslContext;
import java.io.IOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/** A real Envoy with a generated configuration, up until it is closed. */
final class EnvoyProcess implements AutoCloseable {
    private static final Duration START = Duration.ofSeconds(30);

    private final Process process;
    private final Path log;
    private final int port;
    private final EnvoyConfigSettings settings;

    private EnvoyProcess(Process process, Path log, int port, EnvoyConfigSettings settings) {
        this.process = process;
        this.log = log;
        this.port = port;
        this.settings = settings;
    }

    /** Starts Envoy on a free port of loopback and waits until it accepts connections. */
    static EnvoyProcess start(Path directory, SettingsText text, EventLoopGroup group, @Nullable SslContext tls)
            throws Exception {
        Path envoy = EnvoyBinary.find();
        int port = freePort();
        EnvoyConfigSettings settings = text.with("listen", "127.0.0.1:" + port).load(directory);
        Path configuration = Files.writeString(
                directory.resolve("envoy.yaml"),
                BootstrapYaml.print(
                        EnvoyBootstrap.of(settings),
                        settings.gatewayId(),
                        settings.policy().digest()));
        Path log = directory.resolve("envoy.log");
        Process process = new ProcessBuilder(
                        envoy.toString(),
                        "-c",
                        configuration.toString(),
                        "--concurrency",
                        "1",
                        "--disable-hot-restart",
                        "--log-level",
                        "warning")
                .redirectErrorStream(true)
                .redirectOutput(log.toFile())
                .start();
        EnvoyProcess started = new EnvoyProcess(process, log, port, settings);
        started.awaitListening(group, tls);
        return started;
    }

    int port() {
        return port;
    }

    EnvoyConfigSettings settings() {
        return settings;
    }

    /** Resident memory, in bytes. */
    long residentBytes() throws IOException {
        return Files.readAllLines(Path.of("/proc/" + process.pid() + "/status")).stream()
                .filter(line -> line.startsWith("VmRSS:"))
                .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) * 1024)
                .findFirst()
                .orElseThrow();
    }

    boolean isAlive() {
        return process.isAlive();
    }

    static int freePort() throws IOException {
        try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.ofLiteral("127.0.0.1"))) {
            return socket.getLocalPort();
        }
    }

    private void awaitListening(EventLoopGroup group, @Nullable SslContext tls) throws Exception {
        long deadline = System.nanoTime() + START.toNanos();
        while (true) {
            try (RawHttp2 connection = RawHttp2.connect(group, port, tls)) {
                if (connection.isOpen()) {
                    return;
                }
            } catch (Exception e) {
                if (!process.isAlive() || System.nanoTime() > deadline) {
                    close();
                    throw new IllegalStateException("Envoy did not start: " + Files.readString(log), e);
                }
                process.waitFor(20, TimeUnit.MILLISECONDS);
            }
        }
    }

    @Override
    public void close() {
        process.destroy();
        try {
            if (!process.waitFor(5, TimeUnit.SECONDS)) {
                process.destroyForcibly().waitFor();
            }
        } catch (InterruptedException e) {
            process.destroyForcibly();
            Thread.currentThread().interrupt();
        }
    }
}
