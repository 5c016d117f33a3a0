package io.sallyport.bench;

import io.grpc.Metadata;
import io.sallyport.base.net.Endpoint;
import io.sallyport.bench.Workbench.Subject;
import java.io.IOException;
import java.util.Locale;

/** Check on a cached token with a small body, beside a server that always says OK: directly, and behind Envoy. */
final class CheckBench implements Bench {
    private static final int ROUNDS = 7;
    private static final int IN_FLIGHT = 16;
    // Counted, not timed: what the compiler has to see is calls, however slow the machine is at the moment.
    private static final int WARM_UP_CHECKS = 200_000;
    private static final int WARM_UP_CALLS = 20_000;
    private static final String SANDBOX = "sandbox-0";

    @Override
    public String name() {
        return "check";
    }

    @Override
    public String description() {
        return "Check on a cached token, as a ratio to an always-OK server: on its socket, and behind Envoy";
    }

    @Override
    public String run(Workbench workbench, int rounds, int seconds) throws IOException, InterruptedException {
        int times = rounds == 0 ? ROUNDS : rounds;
        Subject ours = workbench.startExtAuthz();
        Subject peer = workbench.startAlwaysOk();
        String token = workbench.questions().token(SANDBOX);

        Load.Request question = Checks.request(workbench.questions().about(SANDBOX, token));
        System.out.printf("a question has %d bytes, %d are in flight%n", question.size(), IN_FLIGHT);
        Pair direct = new Pair(
                "direct",
                new Pair.Side(
                        ours, new Load(workbench.connect(ours.endpoint()), Checks.METHOD, IN_FLIGHT, Checks.allOk())),
                new Pair.Side(
                        peer, new Load(workbench.connect(peer.endpoint()), Checks.METHOD, IN_FLIGHT, Checks.allOk())),
                question);
        direct.measure(WARM_UP_CHECKS, times, seconds);

        Endpoint envoyOfOurs = workbench.startEnvoy(ours.endpoint());
        Endpoint envoyOfPeer = workbench.startEnvoy(peer.endpoint());
        Metadata bearer = new Metadata();
        bearer.put(Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER), "Bearer " + token);
        bearer.put(Metadata.Key.of("x-sandbox-id", Metadata.ASCII_STRING_MARSHALLER), SANDBOX);
        Pair envoy = new Pair(
                "envoy",
                new Pair.Side(ours, new Load(workbench.connect(envoyOfOurs), Questions.METHOD, IN_FLIGHT, _ -> true)),
                new Pair.Side(peer, new Load(workbench.connect(envoyOfPeer), Questions.METHOD, IN_FLIGHT, _ -> true)),
                new Load.Request(Questions.message(SANDBOX), bearer));
        envoy.measure(WARM_UP_CALLS, times, seconds);
        return String.format(
                Locale.ROOT,
                "check direct_ratio=%.3f direct_p99_ratio=%.3f envoy_ratio=%.3f",
                direct.throughput.median(),
                direct.p99.median(),
                envoy.throughput.median());
    }

    /** Ours and the peer, measured in turn. */
    private static final class Pair {
        final Series throughput = new Series();
        final Series p99 = new Series();
        private final Series cpu = new Series();
        private final String name;
        private final Side ours;
        private final Side peer;
        private final Load.Request request;

        /** A server, and the way to it. */
        record Side(Subject subject, Load load) {}

        /** What a stretch showed, and how much processor time of the server an answer took. */
        private record Stretch(Load.Result result, double cpuMicros) {
            @Override
            public String toString() {
                return String.format(
                        Locale.ROOT,
                        "%,.0f/s p50 %.0f us p99 %.0f us, cpu %.1f us",
                        result.perSecond(),
                        result.p50(),
                        result.p99(),
                        cpuMicros);
            }
        }

        Pair(String name, Side ours, Side peer, Load.Request request) {
            this.name = name;
            this.ours = ours;
            this.peer = peer;
            this.request = request;
        }

        void measure(int warmUp, int rounds, int seconds) throws IOException, InterruptedException {
            ours.load().runTimes(request, warmUp);
            peer.load().runTimes(request, warmUp);
            for (int round = 0; round < rounds; round++) {
                // Who is first changes, so that neither always meets the machine as the other left it.
                Stretch first = measure(round % 2 == 0 ? ours : peer, seconds);
                Stretch second = measure(round % 2 == 0 ? peer : ours, seconds);
                Stretch mine = round % 2 == 0 ? first : second;
                Stretch its = round % 2 == 0 ? second : first;
                double ratio = mine.result().perSecond() / its.result().perSecond();
                throughput.add(ratio);
                p99.add(mine.result().p99() / its.result().p99());
                cpu.add(mine.cpuMicros() / its.cpuMicros());
                System.out.printf(
                        Locale.ROOT,
                        "%s round %d: ext-authz %s | always-ok %s | ratio %.3f%n",
                        name,
                        round + 1,
                        mine,
                        its,
                        ratio);
            }
            System.out.printf("%s throughput ratio %s%n", name, throughput.describe(3));
            System.out.printf("%s p99 ratio %s%n", name, p99.describe(3));
            System.out.printf("%s ratio of the servers' processor time for a check %s%n", name, cpu.describe(3));
        }

        private Stretch measure(Side side, int seconds) throws IOException, InterruptedException {
            long pid = side.subject().process().pid();
            long before = Machine.cpuMicros(pid);
            Load.Result result = side.load().run(request, seconds);
            return new Stretch(result, (double) (Machine.cpuMicros(pid) - before) / result.answers());
        }
    }
}
