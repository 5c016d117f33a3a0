package io.sallyport.bench;

import io.grpc.ManagedChannel;
import io.sallyport.api.registry.v1.RevocationSubject;
import io.sallyport.api.registry.v1.RevokeRequest;
import io.sallyport.api.registry.v1.SandboxRegistryGrpc;
import io.sallyport.base.net.Endpoint;
import io.sallyport.bench.Workbench.Subject;
import io.sallyport.e2e.gateway.KnownSandbox;
import io.sallyport.e2e.stack.SallyportStack;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.UUID;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * How long after a revocation was acknowledged every ext-authz replica refuses, and what 100,000 live revocations cost
 * each of them in memory and on the hot path.
 */
final class RevocationBench implements Bench {
    private static final int REPLICAS = 3;
    private static final int ROUNDS = 100;
    private static final int LIVE = 100_000;
    private static final int REVOKERS = 64;
    private static final int IN_FLIGHT = 16;
    private static final int WARM_UP_CHECKS = 100_000;
    private static final Duration SETTLING = Duration.ofSeconds(5);
    private static final String SANDBOX = "sandbox-0";

    @Override
    public String name() {
        return "revocation";
    }

    @Override
    public String description() {
        return "from a revocation's acknowledgement to the last replica's refusal; what 100,000 live ones cost";
    }

    @Override
    public String run(Workbench workbench, int rounds, int seconds) throws IOException, InterruptedException {
        int times = rounds == 0 ? ROUNDS : rounds;
        SallyportStack stack = workbench.startStack(workbench.stackOptions("revocation"));
        SallyportStack without = workbench.startStack(workbench.stackOptions("without"));
        List<Subject> replicas = new ArrayList<>();
        for (int i = 0; i < REPLICAS; i++) {
            replicas.add(workbench.startExtAuthz(stack));
        }
        Subject unburdened = workbench.startExtAuthz(without);
        Questions questions = workbench.questions(stack);
        stack.admit(KnownSandbox.parse(SANDBOX));
        without.admit(KnownSandbox.parse(SANDBOX));

        Series latency = new Series();
        try (ExecutorService watchers = Executors.newFixedThreadPool(REPLICAS)) {
            List<Watcher> watching = replicas.stream()
                    .map(replica -> new Watcher(workbench.connect(replica.endpoint())))
                    .toList();
            for (int i = 0; i < times; i++) {
                measure(stack, questions, watchers, watching).forEach(latency::add);
            }
        }
        System.out.printf("acknowledged to refused, ms: %s%n", latency.describe(2));

        Pair pair = new Pair(
                side(workbench, replicas.getFirst(), questions),
                side(workbench, unburdened, workbench.questions(without)));
        pair.warmUp();
        long before = settledKib(replicas.getFirst());
        revokeMany(stack, workbench, LIVE);
        pair.warmUp();
        double mib = (settledKib(replicas.getFirst()) - before) / 1024.0;
        System.out.printf(Locale.ROOT, "%,d live revocations: %.1f MiB more resident%n", LIVE, mib);
        Series ratio = new Series();
        for (int round = 0; round < 5; round++) {
            ratio.add(pair.ratio(round, seconds));
        }
        System.out.printf("checks with them, as a ratio to checks without any: %s%n", ratio.describe(3));
        return String.format(
                Locale.ROOT,
                "revocation p50_ms=%.1f p99_ms=%.1f live=%d more_mib=%.1f check_ratio=%.3f",
                latency.median(),
                latency.percentile(99),
                LIVE,
                mib,
                ratio.median());
    }

    /** Revokes a token that every replica has just accepted; how long each of them then still says yes, in ms. */
    private static List<Double> measure(
            SallyportStack stack, Questions questions, ExecutorService watchers, List<Watcher> watching)
            throws InterruptedException {
        String id = UUID.randomUUID().toString();
        byte[] question = questions.about(SANDBOX, questions.token(SANDBOX, id));
        for (Watcher watcher : watching) {
            if (!watcher.allows(question)) {
                throw new Load.WrongAnswerException("a token is refused before it is revoked");
            }
        }
        stack.registry().revoke(token(id));
        long acknowledged = System.nanoTime();
        List<Double> millis = new ArrayList<>();
        List<Callable<Long>> ends = watching.stream()
                .<Callable<Long>>map(watcher -> () -> watcher.refusedAt(question))
                .toList();
        try {
            for (Future<Long> end : watchers.invokeAll(ends)) {
                millis.add(Math.max(0, end.get() - acknowledged) / 1e6);
            }
        } catch (ExecutionException e) {
            throw new Load.WrongAnswerException("a replica went on accepting: " + e.getCause());
        }
        return millis;
    }

    private static void revokeMany(SallyportStack stack, Workbench workbench, int count) throws InterruptedException {
        ManagedChannel channel = workbench.connect(new Endpoint.Unix(stack.registrySocket()));
        int[] left = {count};
        new Load(
                        channel,
                        SandboxRegistryGrpc.getRevokeMethod().getFullMethodName(),
                        REVOKERS,
                        answer -> answer.length > 0)
                .run(() -> left[0]-- > 0
                        ? new Load.Request(
                                RevokeRequest.newBuilder()
                                        .setSubject(token(UUID.randomUUID().toString()))
                                        .setReason("measured")
                                        .build()
                                        .toByteArray(),
                                new io.grpc.Metadata())
                        : null);
    }

    private static RevocationSubject token(String id) {
        return RevocationSubject.newBuilder().setTokenId(id).build();
    }

    private static long settledKib(Subject subject) throws IOException, InterruptedException {
        Thread.sleep(SETTLING);
        return Machine.residentKib(subject.process().pid());
    }

    private static Pair.Side side(Workbench workbench, Subject subject, Questions questions) {
        return new Pair.Side(
                new Load(workbench.connect(subject.endpoint()), Checks.METHOD, IN_FLIGHT, Checks.allOk()),
                Checks.request(questions.about(SANDBOX, questions.token(SANDBOX))));
    }

    /** The burdened and the unburdened replica, measured in turn. */
    private record Pair(Side burdened, Side unburdened) {
        record Side(Load load, Load.Request request) {
            double perSecond(int seconds) throws InterruptedException {
                return load.run(request, seconds).perSecond();
            }
        }

        void warmUp() throws InterruptedException {
            burdened.load().runTimes(burdened.request(), WARM_UP_CHECKS);
            unburdened.load().runTimes(unburdened.request(), WARM_UP_CHECKS);
        }

        double ratio(int round, int seconds) throws InterruptedException {
            if (round % 2 == 0) {
                double mine = burdened.perSecond(seconds);
                return mine / unburdened.perSecond(seconds);
            }
            double its = unburdened.perSecond(seconds);
            return burdened.perSecond(seconds) / its;
        }
    }

    /** Asks one replica. */
    private static final class Watcher {
        private static final Duration PATIENCE = Duration.ofSeconds(10);
        private static final Duration PAUSE = Duration.ofMillis(1);
        private final ManagedChannel channel;

        Watcher(ManagedChannel channel) {
            this.channel = channel;
        }

        boolean allows(byte[] question) {
            return Checks.ask(channel, question);
        }

        long refusedAt(byte[] question) throws InterruptedException {
            long end = System.nanoTime() + PATIENCE.toNanos();
            while (allows(question)) {
                if (System.nanoTime() > end) {
                    throw new Load.WrongAnswerException("still accepted after " + PATIENCE);
                }
                Thread.sleep(PAUSE);
            }
            return System.nanoTime();
        }
    }
}
