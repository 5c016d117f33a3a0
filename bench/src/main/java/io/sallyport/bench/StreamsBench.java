package io.sallyport.bench;

import io.netty.channel.Channel;
import io.sallyport.api.openshell00.PushSandboxLogsRequest;
import io.sallyport.api.openshell00.RelayFrame;
import io.sallyport.api.openshell00.SandboxLogLine;
import io.sallyport.base.net.Endpoint;
import io.sallyport.bench.StreamLoad.Caller;
import io.sallyport.bench.StreamLoad.Kind;
import io.sallyport.bench.Workbench.Subject;
import java.io.IOException;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * What guarding streams costs: the same generated configuration of Envoy with the guard, without one, with an ordinary
 * processor that lets everything go on, and with one that does nothing else, the floor; and what a stream costs that only is
 * there.
 */
final class StreamsBench implements Bench {
    private static final int ROUNDS = 7;
    private static final int STREAMS = 4;
    // Counted, not timed: what the compiler has to see is pieces, however slow the machine is at the moment.
    private static final long WARM_UP_BYTES = 1536L << 20;
    private static final long WARM_UP_PIECES = 300_000;
    /** Of a batch of logs. */
    static final int LINES = 100;

    /** Letters of each of its lines. */
    static final int LINE = 100;

    /** Letters of the one line that makes a small message, of 200 bytes. */
    static final int SMALL_LINE = 125;

    /** Small messages that a client has ready at once: as many as fit into a frame of 16 KiB. */
    private static final int PACKED = 80;

    /** Messages of logs that a client of tonic's writes at once when it has them: the first 32 KiB or more. */
    private static final int JOINED = 3;

    private static final int CHUNK = 16 * 1024;

    private static final int IDLE_SANDBOXES = 20;
    private static final int IDLE_STREAMS_EACH = 50;
    private static final Duration PATIENCE = Duration.ofSeconds(60);
    private static final Duration SETTLING = Duration.ofSeconds(5);
    private static final Duration COMPILING = Duration.ofSeconds(3);

    private static final String PUSH = "/openshell.v1.OpenShell/PushSandboxLogs";
    private static final String SANDBOX = "sandbox-0";

    @Override
    public String name() {
        return "streams";
    }

    @Override
    public String description() {
        return "guarded streams beside unguarded ones and processors that let all go on; what 1,000 idle ones cost";
    }

    /** An Envoy, and who guards its streams, if anybody does. */
    private record Way(String name, Subject envoy, StreamLoad load, List<Subject> working) {}

    @Override
    public String run(Workbench workbench, int rounds, int seconds) throws IOException, InterruptedException {
        int times = rounds == 0 ? ROUNDS : rounds;
        Subject extAuthz = workbench.startExtAuthz();
        Subject peer = workbench.startAlwaysContinue();
        Subject idler = workbench.startContinueFloor();
        StreamSink sink = workbench.startSink();
        Way guarded = way(
                "guarded",
                workbench,
                workbench.startEnvoy(extAuthz.endpoint(), sink.endpoint(), Bootstrap::asGenerated),
                extAuthz);
        Way bare = way(
                "bare", workbench, workbench.startEnvoy(extAuthz.endpoint(), sink.endpoint(), Bootstrap::withoutGuard));
        Way continued = guardedBy("continued", workbench, extAuthz, peer, sink);
        Way floor = guardedBy("floor", workbench, extAuthz, idler, sink);

        Caller caller = new Caller(SANDBOX, workbench.questions().token(SANDBOX));
        byte[] log = logs(SANDBOX, LINES, LINE);
        byte[] small = logs(SANDBOX, 1, SMALL_LINE);
        List<Way> all = List.of(guarded, bare, continued, floor);
        Comparison logs = new Comparison("logs", Kind.of(PUSH, log, 1), all);
        Comparison joined = new Comparison("joined", Kind.of(PUSH, log, JOINED), List.of(guarded, bare, floor));
        Comparison smalls = new Comparison("small", Kind.of(PUSH, small, 1), all);
        Comparison packed = new Comparison("packed", Kind.of(PUSH, small, PACKED), all);
        Comparison relay = new Comparison(
                "relay",
                Kind.of(
                        StreamSink.ECHO,
                        RelayFrame.newBuilder()
                                .setData(com.google.protobuf.ByteString.copyFrom(new byte[CHUNK]))
                                .build()
                                .toByteArray(),
                        1),
                List.of(guarded, bare));
        System.out.printf(
                "%d streams; a message of logs has %,d bytes, a small one %d%n", STREAMS, log.length, small.length);
        List<Caller> callers = IntStream.range(0, STREAMS).mapToObj(_ -> caller).toList();
        for (Comparison comparison : List.of(logs, joined, smalls, packed, relay)) {
            comparison.measure(callers, times, seconds);
        }
        Idle idle = idle(workbench, extAuthz, guarded, sink);
        return String.format(
                Locale.ROOT,
                "streams logs_ratio=%.3f logs_vs_continue=%.3f small_vs_continue=%.3f relay_ratio=%.3f"
                        + " packed_vs_continue=%.3f logs_vs_floor=%.3f small_vs_floor=%.3f packed_vs_floor=%.3f"
                        + " logs_bound=%.3f joined_ratio=%.3f joined_bound=%.3f"
                        + " idle_heap_kib=%.1f idle_rss_kib=%.1f",
                logs.rateTo(bare),
                logs.rateTo(continued),
                smalls.rateTo(continued),
                relay.rateTo(bare),
                packed.rateTo(continued),
                logs.rateTo(floor),
                smalls.rateTo(floor),
                packed.rateTo(floor),
                logs.bound.median(),
                joined.rateTo(bare),
                joined.bound.median(),
                idle.heapKib(),
                idle.residentKib());
    }

    private static Way way(String name, Workbench workbench, Subject envoy, Subject... working) {
        return new Way(name, envoy, workbench.streams(envoy), List.of(working));
    }

    /** ext-authz decides who gets in; what comes afterwards somebody else is asked about. */
    private static Way guardedBy(String name, Workbench workbench, Subject extAuthz, Subject guard, StreamSink sink)
            throws IOException, InterruptedException {
        Subject envoy = workbench.startEnvoy(
                extAuthz.endpoint(),
                sink.endpoint(),
                generated -> generated.withGuardAt((Endpoint.Unix) guard.endpoint()));
        return way(name, workbench, envoy, guard);
    }

    /** A message of log lines as a supervisor writes them. */
    static byte[] logs(String sandbox, int lines, int text) {
        PushSandboxLogsRequest.Builder request =
                PushSandboxLogsRequest.newBuilder().setSandboxId(sandbox);
        for (int i = 0; i < lines; i++) {
            request.addLogs(SandboxLogLine.newBuilder()
                    .setSandboxId(sandbox)
                    .setLevel("INFO")
                    .setTarget("openshell_supervisor::proxy")
                    .setMessage("x".repeat(text))
                    .setSource("supervisor"));
        }
        return request.build().toByteArray();
    }

    /** The same load on several ways, measured in turn: first ours, then the one without a guard, the floor last. */
    private static final class Comparison {
        /** What no guard's ratio to none can be over once Envoy is what everything waits for. */
        final Series bound = new Series();

        private final Map<Way, Series> rates = new LinkedHashMap<>();
        private final Map<Way, Series> cpus = new LinkedHashMap<>();
        private final String name;
        private final Kind kind;
        private final List<Way> ways;

        Comparison(String name, Kind kind, List<Way> ways) {
            this.name = name;
            this.kind = kind;
            this.ways = ways;
            ways.forEach(way -> {
                rates.put(way, new Series());
                cpus.put(way, new Series());
            });
        }

        /** How fast our way is beside another one. */
        double rateTo(Way other) {
            return series(rates, other).median();
        }

        private static Series series(Map<Way, Series> of, Way way) {
            return Objects.requireNonNull(of.get(way));
        }

        void measure(List<Caller> callers, int rounds, int seconds) throws IOException, InterruptedException {
            int warmUp = (int)
                    Math.min(kind.atOnce() > 1 ? Long.MAX_VALUE : WARM_UP_PIECES, WARM_UP_BYTES / kind.framed().length);
            for (int half = 0; half < 2; half++) {
                for (Way way : ways) {
                    way.load().runTimes(kind, callers, warmUp / 2 / callers.size());
                }
                // What the compilers have been asked for meanwhile is not to be a part of what is measured, for nobody.
                Thread.sleep(COMPILING);
            }
            for (int round = 0; round < rounds; round++) {
                Stretch[] stretches = new Stretch[ways.size()];
                for (int i = 0; i < ways.size(); i++) {
                    // Who is first changes, so that nobody always meets the machine as the same other left it.
                    int turn = (round + i) % ways.size();
                    stretches[turn] = stretch(ways.get(turn), callers, seconds);
                }
                for (int i = 1; i < stretches.length; i++) {
                    Way other = ways.get(i);
                    series(rates, other)
                            .add(stretches[0].result().megabytes()
                                    / stretches[i].result().megabytes());
                    series(cpus, other).add(stretches[0].micros() / stretches[i].micros());
                }
                bound.add(stretches[1].envoyMicros() / stretches[stretches.length - 1].envoyMicros());
                System.out.printf(
                        "%s round %d: %s%n",
                        name,
                        round + 1,
                        Arrays.stream(stretches).map(Stretch::toString).collect(Collectors.joining(" | ")));
            }
            for (Way other : ways.subList(1, ways.size())) {
                System.out.printf(
                        "%s, ratio to %s %s, of processor time of Envoy and guard %s%n",
                        name,
                        other.name(),
                        series(rates, other).describe(3),
                        series(cpus, other).describe(3));
            }
            if (ways.size() > 2) {
                System.out.printf(
                        "%s, ratio of Envoy's processor time bare to that with a processor that does nothing %s%n",
                        name, bound.describe(3));
            }
        }

        private Stretch stretch(Way way, List<Caller> callers, int seconds) throws IOException, InterruptedException {
            List<Long> pids = new ArrayList<>(List.of(way.envoy().process().pid()));
            way.working().forEach(subject -> pids.add(subject.process().pid()));
            long[] before = cpu(pids);
            StreamLoad.Result result = way.load().run(kind, callers, Duration.ofSeconds(seconds));
            long[] after = cpu(pids);
            return new Stretch(
                    way.name(),
                    result,
                    (double) (after[0] - before[0]) / result.messages(),
                    pids.size() > 1 ? (double) (after[1] - before[1]) / result.messages() : 0);
        }

        private static long[] cpu(List<Long> pids) throws IOException {
            long[] micros = new long[pids.size()];
            for (int i = 0; i < micros.length; i++) {
                micros[i] = Machine.cpuMicros(pids.get(i));
            }
            return micros;
        }

        /** What a stretch showed, and how much processor time a message took of Envoy and of who guards. */
        private record Stretch(String name, StreamLoad.Result result, double envoyMicros, double guardMicros) {
            double micros() {
                return envoyMicros + guardMicros;
            }

            @Override
            public String toString() {
                return String.format(
                        Locale.ROOT,
                        "%s %.1f MB/s %,.0f/s, cpu of envoy %.1f us, of the guard %.1f us",
                        name,
                        result.megabytes(),
                        result.perSecond(),
                        envoyMicros,
                        guardMicros);
            }
        }
    }

    /** What an open stream costs ext-authz on which nothing happens, in KiB. */
    private record Idle(double heapKib, double residentKib) {}

    /** Waits until so many messages have come through: each stream is open then, and pinned. */
    private static void await(StreamSink sink, long messages) throws InterruptedException {
        long end = System.nanoTime() + PATIENCE.toNanos();
        while (sink.messages() < messages) {
            if (System.nanoTime() > end) {
                throw new Load.WrongAnswerException((messages - sink.messages()) + " idle streams did not open");
            }
            Thread.sleep(20);
        }
    }

    private static Idle idle(Workbench workbench, Subject extAuthz, Way guarded, StreamSink sink)
            throws IOException, InterruptedException {
        int count = IDLE_SANDBOXES * IDLE_STREAMS_EACH;
        List<List<Caller>> connections = new ArrayList<>();
        for (int i = 0; i < IDLE_SANDBOXES; i++) {
            String sandbox = "idle-" + i;
            String token = workbench.questions().token(sandbox);
            connections.add(IntStream.range(0, IDLE_STREAMS_EACH)
                    .mapToObj(_ -> new Caller(sandbox, token))
                    .toList());
        }
        long pid = extAuthz.process().pid();
        Thread.sleep(SETTLING);
        long heap = Machine.liveHeapBytes(pid);
        long resident = Machine.residentKib(pid);
        long seen = sink.messages();
        List<Channel> held = new ArrayList<>();
        try {
            for (List<Caller> callers : connections) {
                byte[] message = logs(callers.getFirst().sandbox(), 1, LINE);
                held.add(guarded.load().hold(Kind.of(PUSH, message, 1), callers));
                seen += callers.size();
                await(sink, seen);
            }
            Thread.sleep(SETTLING);
            double heapKib = (Machine.liveHeapBytes(pid) - heap) / 1024.0 / count;
            double residentKib = (double) (Machine.residentKib(pid) - resident) / count;
            System.out.printf(
                    Locale.ROOT,
                    "%,d idle streams, each: %.1f KiB of heap, %.1f KiB resident%n",
                    count,
                    heapKib,
                    residentKib);
            return new Idle(heapKib, residentKib);
        } finally {
            held.forEach(channel -> channel.close().awaitUninterruptibly());
        }
    }
}
