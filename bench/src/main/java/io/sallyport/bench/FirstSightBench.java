package io.sallyport.bench;

import io.sallyport.bench.Workbench.Subject;
import java.io.IOException;
import java.util.ArrayDeque;
import java.util.Locale;
import java.util.Queue;

/** Tokens that were never seen before, of sandboxes whose records are warm. */
final class FirstSightBench implements Bench {
    private static final int ROUNDS = 7;
    private static final int SANDBOXES = 50;
    private static final int IN_FLIGHT = 64;
    private static final int TOKENS_PER_SECOND = 12_000;
    private static final int WARM_UP_TOKENS = 60_000;

    @Override
    public String name() {
        return "first-sight";
    }

    @Override
    public String description() {
        return "distinct tokens verified a second, of " + SANDBOXES + " sandboxes with warm records";
    }

    @Override
    public String run(Workbench workbench, int rounds, int seconds) throws IOException, InterruptedException {
        int times = rounds == 0 ? ROUNDS : rounds;
        Subject ours = workbench.startExtAuthz();
        Load load = new Load(workbench.connect(ours.endpoint()), Checks.METHOD, IN_FLIGHT, Checks::isOk);
        load.run(questions(workbench, WARM_UP_TOKENS)::poll);
        Series series = new Series();
        for (int round = 0; round < times; round++) {
            // Signed and built beforehand: what is measured is only ext-authz and the transport.
            Queue<Load.Request> questions = questions(workbench, TOKENS_PER_SECOND * seconds);
            long before = Machine.cpuMicros(ours.process().pid());
            Load.Result result = load.run(questions::poll);
            double cpu = (double) (Machine.cpuMicros(ours.process().pid()) - before) / result.answers();
            series.add(result.perSecond());
            System.out.printf(
                    Locale.ROOT,
                    "round %d: %,.0f tokens/s, p50 %.0f us, p99 %.0f us, cpu of ext-authz %.1f us a token%n",
                    round + 1,
                    result.perSecond(),
                    result.p50(),
                    result.p99(),
                    cpu);
        }
        System.out.printf("first sight, tokens/s: %s%n", series.describe(0));
        return String.format(Locale.ROOT, "first-sight tokens_per_s=%.0f", series.median());
    }

    private static Queue<Load.Request> questions(Workbench workbench, int count) {
        Queue<Load.Request> questions = new ArrayDeque<>(count);
        for (int i = 0; i < count; i++) {
            String sandbox = "sandbox-" + i % SANDBOXES;
            questions.add(Checks.request(
                    workbench.questions().about(sandbox, workbench.questions().token(sandbox))));
        }
        return questions;
    }
}
