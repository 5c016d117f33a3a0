package io.sallyport.issuer;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import io.fabric8.kubernetes.client.KubernetesClientException;
import io.grpc.ManagedChannel;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.netty.channel.EventLoopGroup;
import io.sallyport.api.openshell01.IssueSandboxTokenRequest;
import io.sallyport.api.registry.v1.ListSandboxesRequest;
import io.sallyport.api.registry.v1.ListSandboxesResponse;
import io.sallyport.api.registry.v1.Sandbox;
import io.sallyport.api.registry.v1.SandboxRegistryGrpc;
import io.sallyport.api.registry.v1.SandboxRegistryGrpc.SandboxRegistryBlockingStub;
import io.sallyport.api.registry.v1.SandboxState;
import io.sallyport.base.net.Endpoint;
import io.sallyport.base.net.GrpcChannels;
import io.sallyport.base.net.GrpcServers;
import io.sallyport.issuer.store.SandboxStore;
import io.sallyport.kubernetes.ApiServer;
import io.sallyport.kubernetes.TcpProxy;
import io.sallyport.kubernetes.TestSandboxes;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Thousands of Sandboxes come, change and go while the issuer is killed, the watch is cut and the API server dies. */
class MirrorStormTest {
    private static final int SANDBOXES = 5_000;
    private static final int HANDS = 16;
    private static final String ID = "openshell.ai/sandbox-id";
    private static final String NAME = "openshell.ai/sandbox-name";
    private static final String ISSUE = "/openshell.v1.OpenShell/IssueSandboxToken";
    private static final Duration LATER = Duration.ofDays(365);

    @TempDir
    private Path directory;

    /** What becomes of the sandbox of a number. */
    private enum Fate {
        STAYS,
        IS_DELETED,
        GETS_ANOTHER_ID,
        GETS_ANOTHER_NAME,
        IS_MADE_AGAIN;

        static Fate of(int number) {
            return values()[number % values().length];
        }
    }

    @Test
    void storeAndClusterAgreeAfterwardsAndEveryDeletedOneIsRefused() throws Exception {
        RunningIssuer.generateKeys(directory);
        Path settings = RunningIssuer.writeSettings(directory, directory.resolve("issuer.db"));
        try (ApiServer server = ApiServer.start();
                TcpProxy proxy = TcpProxy.to(server.port());
                ExecutorService hands = Executors.newFixedThreadPool(HANDS);
                Cutter cutter = Cutter.of(proxy)) {
            TestSandboxes sandboxes = TestSandboxes.prepare(server);
            MirrorTest.mirroring(
                    settings, sandboxes.grant(server, "token-issuer", proxy.port()), sandboxes.namespace());

            int half = SANDBOXES / 2;
            try (IssuerProcess _ = start(settings)) {
                forAll(hands, 0, half, number -> sandboxes.sandbox("box-" + number, labels(number)));
            }
            try (IssuerProcess _ = start(settings)) {
                server.kill();
                server.startAgain();
                forAll(hands, half, SANDBOXES, number -> sandboxes.sandbox("box-" + number, labels(number)));
                awaitRecords();
                forAll(hands, 0, half, number -> change(sandboxes, number));
            }
            forAll(hands, half, SANDBOXES, number -> change(sandboxes, number));
            try (IssuerProcess _ = start(settings)) {
                forAll(hands, 0, SANDBOXES, number -> end(sandboxes, number));
            }

            cutter.stop();

            try (RunningIssuer issuer = RunningIssuer.over(directory, settings)) {
                // Names of the deleted rest, and the processes before this one had another clock.
                issuer.clock().advance(LATER);
                MirrorTest.await("all are recorded", () -> {
                    issuer.clock().advance(SandboxStore.SHORTEST_NAME_REST);
                    return agrees(issuer);
                });
                MirrorTest.await("it knows", () -> {
                    String health = MirrorTest.healthz(issuer);
                    return health.startsWith("degraded\nmirror: " + SANDBOXES / 5 + " Sandboxes are refused")
                            && health.contains("never comes back");
                });
                Set<String> deleted = new TreeSet<>();
                list(issuer.registry()).forEach((id, sandbox) -> {
                    if (sandbox.getState() == SandboxState.SANDBOX_STATE_DELETED) {
                        deleted.add(id);
                    }
                });
                assertThat(deleted).hasSize(SANDBOXES / 5 * 3);
                for (String id : deleted) {
                    assertRefused(issuer, id);
                }
            }
        }
    }

    private IssuerProcess start(Path settings) throws Exception {
        IssuerProcess process = IssuerProcess.start(settings, directory);
        process.awaitReady();
        return process;
    }

    /** Whose first life nobody saw, would have a second one. */
    private void awaitRecords() throws Exception {
        EventLoopGroup loops = GrpcServers.eventLoops("test-client", 1);
        ManagedChannel channel = GrpcChannels.connectTo(
                        new Endpoint.Unix(directory.resolve("run/registry.sock")), loops)
                .build();
        try {
            MirrorTest.await(
                    "all are recorded",
                    () -> list(SandboxRegistryGrpc.newBlockingStub(channel)).size() == SANDBOXES);
        } finally {
            channel.shutdownNow();
            var _ = loops.shutdownGracefully(0, 1, TimeUnit.SECONDS);
        }
    }

    /** Cuts all connections to the API server now and then. */
    private record Cutter(Thread thread) implements AutoCloseable {
        static Cutter of(TcpProxy proxy) {
            return new Cutter(Thread.ofVirtual().start(() -> {
                try {
                    while (true) {
                        Thread.sleep(700);
                        proxy.cut();
                    }
                } catch (InterruptedException e) {
                    Thread.currentThread().interrupt();
                }
            }));
        }

        void stop() {
            thread.interrupt();
        }

        @Override
        public void close() {
            stop();
        }
    }

    private static void forAll(ExecutorService hands, int from, int to, IntConsumer work) throws Exception {
        List<Future<?>> all = new ArrayList<>();
        for (int hand = 0; hand < HANDS; hand++) {
            int first = from + hand;
            all.add(hands.submit(() -> {
                for (int number = first; number < to; number += HANDS) {
                    persist(work, number);
                }
            }));
        }
        for (Future<?> each : all) {
            each.get(5, TimeUnit.MINUTES);
        }
    }

    /** Connections from before the API server died fail once. */
    private static void persist(IntConsumer work, int number) {
        for (int tries = 1; ; tries++) {
            try {
                work.accept(number);
                return;
            } catch (KubernetesClientException e) {
                boolean wasDone = tries > 1 && e.getCode() == 409;
                if (wasDone) {
                    return;
                }
                if (e.getCode() != 0 || tries == 10) {
                    throw e;
                }
            }
        }
    }

    private static Map<String, String> labels(int number) {
        return Map.of(ID, "id-" + number, NAME, "name-" + number);
    }

    private static void change(TestSandboxes sandboxes, int number) {
        switch (Fate.of(number)) {
            case GETS_ANOTHER_ID -> sandboxes.relabel("box-" + number, ID, "second-" + number);
            case GETS_ANOTHER_NAME -> sandboxes.relabel("box-" + number, NAME, "other-" + number);
            case IS_MADE_AGAIN -> sandboxes.deleteSandbox("box-" + number);
            case STAYS, IS_DELETED -> {}
        }
    }

    private static void end(TestSandboxes sandboxes, int number) {
        switch (Fate.of(number)) {
            case IS_DELETED -> sandboxes.deleteSandbox("box-" + number);
            case IS_MADE_AGAIN -> sandboxes.sandbox("box-" + number, labels(number));
            case STAYS, GETS_ANOTHER_ID, GETS_ANOTHER_NAME -> {}
        }
    }

    /** Whether every sandbox is what its fate says, by its id and its name. */
    private static boolean agrees(RunningIssuer issuer) {
        Map<String, Sandbox> all = list(issuer.registry());
        for (int number = 0; number < SANDBOXES; number++) {
            Sandbox first = all.get("id-" + number);
            boolean right = switch (Fate.of(number)) {
                case STAYS -> lives(first, "name-" + number);
                case GETS_ANOTHER_NAME -> lives(first, "other-" + number);
                case IS_DELETED, IS_MADE_AGAIN -> isDeleted(first);
                case GETS_ANOTHER_ID -> isDeleted(first) && lives(all.get("second-" + number), "name-" + number);
            };
            if (!right) {
                return false;
            }
        }
        return all.size() == SANDBOXES + SANDBOXES / 5;
    }

    private static boolean lives(@Nullable Sandbox sandbox, String name) {
        return sandbox != null
                && sandbox.getState() == SandboxState.SANDBOX_STATE_ACTIVE
                && sandbox.getName().equals(name);
    }

    private static boolean isDeleted(@Nullable Sandbox sandbox) {
        return sandbox != null && sandbox.getState() == SandboxState.SANDBOX_STATE_DELETED;
    }

    private static Map<String, Sandbox> list(SandboxRegistryBlockingStub registry) {
        Map<String, Sandbox> all = new HashMap<>();
        String next = "";
        do {
            ListSandboxesResponse page = registry.listSandboxes(ListSandboxesRequest.newBuilder()
                    .setPageSize(1000)
                    .setIncludeDeleted(true)
                    .setPageToken(next)
                    .build());
            page.getSandboxesList().forEach(sandbox -> all.put(sandbox.getId(), sandbox));
            next = page.getNextPageToken();
        } while (!next.isEmpty());
        return all;
    }

    private static void assertRefused(RunningIssuer issuer, String id) {
        assertThat(catchThrowableOfType(StatusRuntimeException.class, () -> {
                            var _ = issuer.tokens(issuer.podAssertion(id, ISSUE))
                                    .issueSandboxToken(IssueSandboxTokenRequest.getDefaultInstance());
                        })
                        .getStatus()
                        .getCode())
                .as(id)
                .isEqualTo(Status.Code.UNAUTHENTICATED);
    }
}
