package io.sallyport.issuer;

import static org.assertj.core.api.Assertions.assertThat;

import io.grpc.ManagedChannel;
import io.netty.channel.EventLoopGroup;
import io.sallyport.api.registry.v1.DeleteSandboxRequest;
import io.sallyport.api.registry.v1.RegisterSandboxRequest;
import io.sallyport.api.registry.v1.SandboxRegistryGrpc;
import io.sallyport.api.registry.v1.SandboxRegistryGrpc.SandboxRegistryBlockingStub;
import io.sallyport.base.net.Endpoint;
import io.sallyport.base.net.GrpcChannels;
import io.sallyport.base.net.GrpcServers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * What SIGKILL cannot show, since the kernel keeps its page cache: that the write-ahead log is synced to the disk before
 * an operation is acknowledged. The system calls of a real issuer are traced, and the last test shows that the proof
 * would fail if nothing were synced.
 */
class SyncTraceTest {
    private static final int OPERATIONS = 20;
    private static final String STRACE = "/usr/bin/strace";

    @TempDir
    private Path directory;

    @Test
    void everyAcknowledgementComesAfterASyncOfTheLog() throws Exception {
        assertThat(Acknowledgements.of(trace("{sqlite: %s}")).unsynced()).isEmpty();
    }

    @Test
    void theProofFailsWhereNothingIsSynced() throws Exception {
        // The first answer comes after the syncs of the start.
        assertThat(Acknowledgements.of(trace("{sqlite: %s, unsafe-no-sync: true}"))
                        .unsynced())
                .hasSizeGreaterThanOrEqualTo(2 * OPERATIONS - 1);
    }

    /** Registers and deletes, one after the other; what the issuer asked of the kernel meanwhile. */
    private List<String> trace(String store) throws Exception {
        boolean there = Files.isExecutable(Path.of(STRACE));
        if (!there && "true".equals(System.getenv("CI"))) {
            throw new AssertionError(STRACE + " is missing: apt-get install strace");
        }
        Assumptions.assumeTrue(there, STRACE + " is missing (apt-get install strace)");
        RunningIssuer.generateKeys(directory);
        Path database = directory.resolve("issuer.db");
        Path settings = RunningIssuer.writeSettings(directory, database);
        Files.writeString(
                settings,
                Files.readString(settings).replaceFirst("(?m)^store: .*$", "store: " + store.formatted(database)));
        Path trace = directory.resolve("trace");
        try (IssuerProcess issuer = IssuerProcess.start(
                settings,
                directory,
                STRACE,
                "-f",
                "-y",
                "-s",
                "512",
                "-o",
                trace.toString(),
                "-e",
                "trace=fsync,fdatasync,write,writev,sendmsg,sendto")) {
            issuer.awaitReady();
            EventLoopGroup eventLoops = GrpcServers.eventLoops("test-client", 1);
            ManagedChannel channel = GrpcChannels.connectTo(
                            new Endpoint.Unix(directory.resolve("run/registry.sock")), eventLoops)
                    .build();
            SandboxRegistryBlockingStub registry = SandboxRegistryGrpc.newBlockingStub(channel);
            for (int i = 0; i < OPERATIONS; i++) {
                String id = Acknowledgements.MARK + i;
                registry.registerSandbox(
                        RegisterSandboxRequest.newBuilder().setId(id).build());
                registry.deleteSandbox(
                        DeleteSandboxRequest.newBuilder().setId(id).build());
            }
            channel.shutdownNow();
            eventLoops.shutdownGracefully(0, 1, TimeUnit.SECONDS).awaitUninterruptibly();
            // The tracer ends after what it traces, and has written everything down by then.
            issuer.process().descendants().forEach(ProcessHandle::destroy);
            assertThat(issuer.process().waitFor(30, TimeUnit.SECONDS)).isTrue();
        }
        return Files.readAllLines(trace);
    }

    /**
     * Answers, in order, and whether the log was synced since the answer before.
     *
     * @param unsynced answers before which it was not
     */
    private record Acknowledgements(List<String> unsynced) {
        static final String MARK = "sync-probe-";

        /** {@code PID call(FD<what it is>, …}; one call may come in two lines, begun and resumed. */
        private static final Pattern CALL = Pattern.compile("(\\d+) +(\\w+)\\(\\d+<([^>]*)>(.*)");

        private static final Pattern RESUMED = Pattern.compile("(\\d+) +<\\.\\.\\. (\\w+) resumed>.*= 0");
        private static final Pattern ANSWER = Pattern.compile(MARK + "\\d+");

        static Acknowledgements of(List<String> trace) {
            List<String> unsynced = new ArrayList<>();
            Map<String, String> begun = new HashMap<>();
            boolean synced = false;
            int answers = 0;
            for (String line : trace) {
                Matcher resumed = RESUMED.matcher(line);
                if (resumed.matches()) {
                    String file = begun.remove(resumed.group(1));
                    synced |= file != null && file.endsWith("-wal");
                    continue;
                }
                Matcher call = CALL.matcher(line);
                if (!call.matches()) {
                    continue;
                }
                String file = call.group(3);
                if (call.group(2).endsWith("sync")) {
                    if (line.endsWith("<unfinished ...>")) {
                        begun.put(call.group(1), file);
                    } else {
                        synced |= file.endsWith("-wal") && line.endsWith("= 0");
                    }
                    continue;
                }
                Matcher answer = ANSWER.matcher(call.group(4));
                if (file.startsWith("UNIX") || file.startsWith("socket:")) {
                    if (answer.find()) {
                        answers++;
                        if (!synced) {
                            unsynced.add(answer.group());
                        }
                        synced = false;
                    }
                }
            }
            assertThat(answers).as("answers seen in the trace").isEqualTo(2 * OPERATIONS);
            return new Acknowledgements(unsynced);
        }
    }
}
