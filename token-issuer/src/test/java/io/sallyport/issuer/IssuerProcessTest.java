package io.sallyport.issuer;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.ManagedChannel;
import io.grpc.StatusRuntimeException;
import io.netty.channel.EventLoopGroup;
import io.sallyport.api.registry.v1.GetSandboxRequest;
import io.sallyport.api.registry.v1.MintBootstrapTokenRequest;
import io.sallyport.api.registry.v1.RegisterSandboxRequest;
import io.sallyport.api.registry.v1.SandboxRegistryGrpc;
import io.sallyport.base.net.Endpoint;
import io.sallyport.base.net.GrpcChannels;
import io.sallyport.base.net.GrpcServers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The issuer as a process of its own: its ready line, its end by SIGTERM, its end by SIGKILL. */
class IssuerProcessTest {
    @TempDir
    private Path directory;

    @Test
    void sigtermStopsItGracefully() throws Exception {
        RunningIssuer.generateKeys(directory);
        Path settings = RunningIssuer.writeSettings(directory, directory.resolve("issuer.db"));
        Path classes = directory.resolve("classes");
        try (IssuerProcess issuer =
                IssuerProcess.start(settings, directory, "env", "JAVA_TOOL_OPTIONS=-Xlog:class+load:file=" + classes)) {
            Process process = issuer.process();
            issuer.awaitReady();
            assertThat(issuer.said())
                    .contains("INFO IssuerMain: ready on envoy=unix:" + directory + "/run/issuer.sock");
            assertThat(PosixFilePermissions.toString(
                            Files.getPosixFilePermissions(directory.resolve("run/registry.sock"))))
                    .isEqualTo("rw-------");

            process.destroy();

            assertThat(process.waitFor(20, TimeUnit.SECONDS)).isTrue();
            assertThat(directory.resolve("run")).isEmptyDirectory();
            assertThat(classes)
                    .content()
                    .as("what is loaded without records: kubernetes")
                    .contains("io.sallyport.issuer.Issuer ")
                    .doesNotContain("io.fabric8.", "io.sallyport.issuer.mirror.");
            assertThat(directory.resolve("issuer.db-wal"))
                    .as("folded into the file by the last close")
                    .doesNotExist();
        }
    }

    @Test
    void whatWasAcknowledgedOutlivesASigkill() throws Exception {
        RunningIssuer.generateKeys(directory);
        Path settings = RunningIssuer.writeSettings(directory, directory.resolve("issuer.db"));
        Queue<String> acknowledged = new ConcurrentLinkedQueue<>();
        try (IssuerProcess issuer = IssuerProcess.start(settings, directory)) {
            Process process = issuer.process();
            issuer.awaitReady();
            CountDownLatch enough = new CountDownLatch(100);
            List<Thread> callers = new ArrayList<>();
            EventLoopGroup eventLoops = GrpcServers.eventLoops("test-client", 1);
            ManagedChannel channel = GrpcChannels.connectTo(
                            new Endpoint.Unix(directory.resolve("run/registry.sock")), eventLoops)
                    .build();
            for (int i = 0; i < 4; i++) {
                String prefix = "s" + i + "-";
                callers.add(Thread.ofPlatform().start(() -> registerAndMint(channel, prefix, acknowledged, enough)));
            }
            assertThat(enough.await(60, TimeUnit.SECONDS)).isTrue();

            process.destroyForcibly();

            assertThat(process.waitFor(20, TimeUnit.SECONDS)).isTrue();
            for (Thread caller : callers) {
                caller.join();
            }
            channel.shutdownNow();
            var _ = eventLoops.shutdownGracefully(0, 1, TimeUnit.SECONDS);
        }
        assertThat(directory.resolve("run/registry.sock")).as("left behind").exists();
        try (RunningIssuer again = RunningIssuer.over(directory, settings)) {
            assertThat(acknowledged).hasSizeGreaterThanOrEqualTo(100);
            for (String id : acknowledged) {
                assertThat(again.registry()
                                .getSandbox(
                                        GetSandboxRequest.newBuilder().setId(id).build())
                                .getId())
                        .isEqualTo(id);
            }
        }
    }

    private static void registerAndMint(
            ManagedChannel channel, String prefix, Queue<String> acknowledged, CountDownLatch enough) {
        var registry = SandboxRegistryGrpc.newBlockingStub(channel);
        try {
            for (int i = 0; i < 100_000; i++) {
                String id = prefix + i;
                var _ = registry.registerSandbox(
                        RegisterSandboxRequest.newBuilder().setId(id).build());
                acknowledged.add(id);
                var _ = registry.mintBootstrapToken(
                        MintBootstrapTokenRequest.newBuilder().setId(id).build());
                enough.countDown();
            }
        } catch (StatusRuntimeException e) {
            // The process is gone: what the test waits for.
        }
    }
}
