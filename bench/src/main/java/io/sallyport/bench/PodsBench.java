package io.sallyport.bench;

import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.sallyport.api.openshell00.OpenShellGrpc;
import io.sallyport.base.net.Endpoint;
import io.sallyport.e2e.gateway.KnownSandbox;
import io.sallyport.e2e.stack.Part;
import io.sallyport.e2e.stack.SallyportStack;
import io.sallyport.kubernetes.ApiServer;
import io.sallyport.kubernetes.ResignedTokens;
import io.sallyport.kubernetes.TestSandboxes;
import java.io.IOException;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Date;
import java.util.List;
import java.util.Locale;

/**
 * How long pods take to begin, in peace and under a flood of tokens that look good and are not; and what the API server sees of
 * the flood. Everything is real, the API server too.
 */
final class PodsBench implements Bench {
    private static final int ROUNDS = 5;
    private static final int PODS = 100;
    private static final int AT_A_TIME = 2;
    private static final int WARM_UP_SECONDS = 3;

    /** What one honest pod costs the API server: a TokenReview, the pod, its Sandbox. */
    private static final int QUESTIONS = 3;

    private static final String METHOD =
            OpenShellGrpc.getIssueSandboxTokenMethod().getFullMethodName();

    @Override
    public String name() {
        return "pods";
    }

    @Override
    public String description() {
        return "how long pods take to begin, and under a flood of forged and of expired tokens; what the API server sees of it";
    }

    @Override
    public String run(Workbench workbench, int rounds, int seconds) throws IOException, InterruptedException {
        ApiServer server = workbench.closeAtEnd(ApiServer.start());
        TestSandboxes sandboxes = TestSandboxes.prepare(server);
        SallyportStack stack = workbench.startStack(workbench
                .stackOptions("pods")
                .with(Part.EXT_AUTHZ, "kubernetes.timeout", "5s")
                .with(Part.EXT_AUTHZ, "kubernetes.namespaces", List.of(sandboxes.namespace()))
                .with(Part.EXT_AUTHZ, "kubernetes.accounts", List.of(TestSandboxes.ACCOUNT))
                .with(
                        Part.EXT_AUTHZ,
                        "kubernetes.kubeconfig",
                        sandboxes.grant(server, "ext-authz").toString()));
        List<String> honest = new ArrayList<>();
        for (int i = 0; i < PODS; i++) {
            String id = "pod-" + i;
            stack.registry().register(new KnownSandbox(id, "default", id));
            honest.add(sandboxes.token(sandboxes.pod(id, id)));
        }
        Endpoint envoy = new Endpoint.Tcp("127.0.0.1", stack.port());
        Pods pods = new Pods(workbench.connect(envoy), honest);
        Tokens bad = new Tokens(server, honest.getFirst());
        pods.begin(WARM_UP_SECONDS);

        Series calm = new Series();
        Series flooded = new Series();
        Series ratio = new Series();
        Series calls = new Series();
        int times = rounds == 0 ? ROUNDS : rounds;
        for (int round = 0; round < times; round++) {
            // Who is first changes, so that neither always meets the machine as the other left it.
            double inPeace = round % 2 == 0 ? pods.begin(seconds).p99() / 1000 : 0;
            try (Flood flood = new Flood(envoy, METHOD, bad.make(Flood.PER_SECOND * (seconds + 1)))) {
                long before = server.requests();
                flood.start();
                Load.Result result = pods.begin(seconds);
                int sent = flood.stop();
                calls.add(server.requests() - before - (double) QUESTIONS * result.answers());
                flooded.add(result.p99() / 1000);
                System.out.printf(
                        Locale.ROOT,
                        "round %d: %d bad tokens, %d pods meanwhile, %.0f calls of the API server for the bad ones%n",
                        round + 1,
                        sent,
                        result.answers(),
                        server.requests() - before - (double) QUESTIONS * result.answers());
            }
            if (round % 2 != 0) {
                inPeace = pods.begin(seconds).p99() / 1000;
            }
            calm.add(inPeace);
            ratio.add(flooded.last() / inPeace);
        }
        System.out.printf("p99 in peace, ms: %s%n", calm.describe(1));
        System.out.printf("p99 under the flood, ms: %s%n", flooded.describe(1));
        System.out.printf("ratio: %s%n", ratio.describe(2));
        return String.format(
                Locale.ROOT,
                "pods calm_p99_ms=%.1f flooded_p99_ms=%.1f p99_ratio=%.2f api_calls_per_flood=%.0f bad_per_s=%d",
                calm.median(),
                flooded.median(),
                ratio.median(),
                calls.median(),
                Flood.PER_SECOND);
    }

    /** Pods that begin one after the other, some at a time; each as often as its turn comes. */
    private static final class Pods {
        private final Load load;
        private final List<Load.Request> requests;
        private int next;

        Pods(ManagedChannel channel, List<String> tokens) {
            load = new Load(channel, METHOD, AT_A_TIME, answer -> answer.length > 0);
            requests = tokens.stream().map(PodsBench::request).toList();
        }

        Load.Result begin(int seconds) throws InterruptedException {
            long end = System.nanoTime() + Duration.ofSeconds(seconds).toNanos();
            return load.run(() -> System.nanoTime() < end ? requests.get(next++ % requests.size()) : null);
        }
    }

    /** Each of them another one, half of them forged and half of them expired. */
    private static final class Tokens {
        private final ResignedTokens forger = ResignedTokens.asAForger();
        private final ResignedTokens cluster;
        private final String example;
        private int made;

        Tokens(ApiServer server, String example) {
            cluster = ResignedTokens.asTheCluster(server);
            this.example = example;
        }

        List<Load.Request> make(int count) {
            Date longAgo = Date.from(Instant.now().minus(Duration.ofMinutes(10)));
            List<Load.Request> tokens = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                String id = "bad-" + made++;
                tokens.add(request(
                        i % 2 == 0
                                ? forger.change(example, claims -> claims.jwtID(id))
                                : cluster.change(
                                        example, claims -> claims.jwtID(id).expirationTime(longAgo))));
            }
            return tokens;
        }
    }

    private static Load.Request request(String token) {
        Metadata bearer = new Metadata();
        bearer.put(Refreshers.AUTHORIZATION, "Bearer " + token);
        return new Load.Request(new byte[0], bearer);
    }
}
