package io.sallyport.bench;

import io.sallyport.bench.Workbench.Subject;
import java.io.IOException;
import java.time.Duration;
import java.util.Locale;

/** How long ext-authz takes to be ready, and what is resident after 200,000 checks, beside an always-OK server. */
final class FootprintBench implements Bench {
    private static final int ROUNDS = 5;
    private static final int CHECKS = 200_000;
    private static final Duration SETTLING = Duration.ofSeconds(4);
    private static final int IN_FLIGHT = 16;
    private static final String SANDBOX = "sandbox-0";

    @Override
    public String name() {
        return "footprint";
    }

    @Override
    public String description() {
        return "from exec to ready, and resident memory after 200,000 checks beside an always-OK server";
    }

    @Override
    public String run(Workbench workbench, int rounds, int seconds) throws IOException, InterruptedException {
        int times = rounds == 0 ? ROUNDS : rounds;
        Load.Request question = Checks.request(
                workbench.questions().about(SANDBOX, workbench.questions().token(SANDBOX)));
        workbench.stop(workbench.startAlwaysOk()); // makes its cache, if there is none yet
        Series ready = new Series();
        Series peerReady = new Series();
        Series resident = new Series();
        Series ratio = new Series();
        for (int round = 0; round < times; round++) {
            long began = System.nanoTime();
            Subject ours = workbench.startExtAuthz();
            ready.add((System.nanoTime() - began) / 1e6);
            double mine = afterChecks(workbench, ours, question);

            began = System.nanoTime();
            Subject peer = workbench.startAlwaysOk();
            peerReady.add((System.nanoTime() - began) / 1e6);
            double its = afterChecks(workbench, peer, question);
            resident.add(mine);
            ratio.add(mine / its);
            System.out.printf(Locale.ROOT, "round %d: ext-authz %.1f MiB, always-ok %.1f MiB%n", round + 1, mine, its);
        }
        System.out.printf("ready, ms: ext-authz %s, always-ok %s%n", ready.describe(0), peerReady.describe(0));
        System.out.printf("resident after %,d checks, MiB: %s%n", CHECKS, resident.describe(1));
        System.out.printf("resident, ratio to always-ok: %s%n", ratio.describe(3));
        return String.format(
                Locale.ROOT,
                "footprint ready_ms=%.0f rss_mib=%.1f rss_ratio=%.3f",
                ready.median(),
                resident.median(),
                ratio.median());
    }

    /** MiB after the checks; the subject is stopped. */
    private static double afterChecks(Workbench workbench, Subject subject, Load.Request question)
            throws IOException, InterruptedException {
        new Load(workbench.connect(subject.endpoint()), Checks.METHOD, IN_FLIGHT, Checks.allOk())
                .runTimes(question, CHECKS);
        // The compilers are still at it when the last check is answered; what they hold is not what the service holds.
        Thread.sleep(SETTLING);
        double mib = Machine.residentKib(subject.process().pid()) / 1024.0;
        workbench.stop(subject);
        return mib;
    }
}
