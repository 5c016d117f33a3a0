package io.sallyport.bench;

import io.sallyport.base.net.Endpoint;
import io.sallyport.e2e.stack.Part;
import io.sallyport.e2e.stack.SallyportStack;
import io.sallyport.e2e.stack.StackOptions;
import java.io.IOException;
import java.util.Collections;
import java.util.List;
import java.util.Locale;

/**
 * Refreshes through Envoy, ext-authz and the issuer on SQLite.
 *
 * <p>Beside it the same with a disk that is not waited for, and the same with an issuer that keeps no lineage: it looks
 * the sandbox up, signs, and writes nothing.
 */
final class RefreshBench implements Bench {
    private static final int ROUNDS = 3;
    private static final List<Integer> CALLERS = List.of(1, 16, 64);
    private static final int MOST_CALLERS = Collections.max(CALLERS);
    private static final int WARM_UP_SECONDS = 5;

    /** One way to refresh. */
    private record Way(String name, Refreshers refreshers) {}

    @Override
    public String name() {
        return "refresh";
    }

    @Override
    public String description() {
        return "refreshes a second through everything, beside an issuer without lineage and one that does not sync";
    }

    @Override
    public String run(Workbench workbench, int rounds, int seconds) throws IOException, InterruptedException {
        int times = rounds == 0 ? ROUNDS : rounds;
        List<Way> ways = ways(workbench);
        for (Way way : ways) {
            way.refreshers().refresh(MOST_CALLERS, WARM_UP_SECONDS);
        }
        StringBuilder line = new StringBuilder("refresh");
        for (int callers : CALLERS) {
            List<Figures> figures = ways.stream().map(_ -> new Figures()).toList();
            for (int round = 0; round < times; round++) {
                for (int i = 0; i < ways.size(); i++) {
                    // Who is first changes, so that none always meets the machine as the same other left it.
                    int turn = (i + round) % ways.size();
                    figures.get(turn).add(ways.get(turn).refreshers().refresh(callers, seconds));
                }
            }
            for (int i = 0; i < ways.size(); i++) {
                System.out.printf("%d callers, %-8s %s%n", callers, ways.get(i).name(), figures.get(i));
            }
            line.append(inOneLine(callers, figures));
        }
        return line.toString();
    }

    private static List<Way> ways(Workbench workbench) throws IOException {
        SallyportStack lineage = workbench.startStack(workbench.stackOptions("lineage"));
        SallyportStack noSync =
                workbench.startStack(workbench.stackOptions("no-sync").with(Part.ISSUER, "store.unsafe-no-sync", true));
        StackOptions plainOptions = workbench.stackOptions("plain");
        Endpoint plainIssuer = new Endpoint.Unix(plainOptions.state().resolve("plain.sock"));
        SallyportStack plain =
                workbench.startStack(plainOptions.with(Part.ENVOY, "upstreams.issuer", plainIssuer.toString()));
        workbench.startPlainIssuer(plainIssuer, plain);
        return List.of(
                new Way("lineage", Refreshers.of(workbench, lineage, MOST_CALLERS)),
                new Way("no-sync", Refreshers.of(workbench, noSync, MOST_CALLERS)),
                new Way("plain", Refreshers.of(workbench, plain, MOST_CALLERS)));
    }

    private static String inOneLine(int callers, List<Figures> figures) {
        Figures lineage = figures.getFirst();
        return String.format(
                Locale.ROOT,
                " per_s_%1$d=%2$.0f p50_ms_%1$d=%3$.2f p99_ms_%1$d=%4$.2f vs_no_sync_%1$d=%5$.3f vs_plain_%1$d=%6$.3f",
                callers,
                lineage.perSecond.median(),
                lineage.p50.median(),
                lineage.p99.median(),
                lineage.perSecond.median() / figures.get(1).perSecond.median(),
                lineage.perSecond.median() / figures.get(2).perSecond.median());
    }

    /** What the rounds of one way showed. */
    private static final class Figures {
        final Series perSecond = new Series();
        final Series p50 = new Series();
        final Series p99 = new Series();

        void add(Load.Result result) {
            perSecond.add(result.perSecond());
            p50.add(result.p50() / 1000);
            p99.add(result.p99() / 1000);
        }

        @Override
        public String toString() {
            return "%s/s, p50 %s ms, p99 %s ms".formatted(perSecond.describe(0), p50.describe(2), p99.describe(2));
        }
    }
}
