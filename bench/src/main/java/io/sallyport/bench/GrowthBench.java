package io.sallyport.bench;

import io.sallyport.e2e.stack.Part;
import io.sallyport.e2e.stack.SallyportStack;
import java.io.IOException;
import java.nio.file.Path;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Refreshes, and the memory of ext-authz, with 1,000, 100,000 and 1,000,000 sandboxes in the store. */
final class GrowthBench implements Bench {
    private static final List<Integer> SIZES = List.of(1_000, 100_000, 1_000_000);
    private static final int ROUNDS = 5;
    private static final int CALLERS = 16;
    private static final int WARM_UP_SECONDS = 5;

    /** A store of one size, and those that refresh on it. */
    private static final class Stage {
        final int size;
        final SallyportStack stack;
        final Refreshers refreshers;
        final Series p50 = new Series();
        final Series p99 = new Series();
        final Series perSecond = new Series();

        Stage(Workbench workbench, int size) {
            this.size = size;
            stack = workbench.startStack(workbench.stackOptions("of-" + size));
            stack.stop(Part.ISSUER);
            fill(stack.store().resolve("issuer.db"), size);
            stack.start(Part.ISSUER);
            refreshers = Refreshers.of(workbench, stack, CALLERS);
        }

        void refresh(int seconds) throws InterruptedException {
            Load.Result result = refreshers.refresh(CALLERS, seconds);
            p50.add(result.p50() / 1000);
            p99.add(result.p99() / 1000);
            perSecond.add(result.perSecond());
        }

        double residentMib() throws IOException {
            return Machine.residentKib(stack.pid(Part.EXT_AUTHZ)) / 1024.0;
        }
    }

    @Override
    public String name() {
        return "growth";
    }

    @Override
    public String description() {
        return "refreshes and the memory of ext-authz with 1,000, 100,000 and 1,000,000 sandboxes in the store";
    }

    @Override
    public String run(Workbench workbench, int rounds, int seconds) throws IOException, InterruptedException {
        int times = rounds == 0 ? ROUNDS : rounds;
        List<Stage> stages = new ArrayList<>();
        for (int size : SIZES) {
            stages.add(new Stage(workbench, size));
            stages.getLast().refreshers.refresh(CALLERS, WARM_UP_SECONDS);
        }
        for (int round = 0; round < times; round++) {
            for (int i = 0; i < stages.size(); i++) {
                // Who is first changes, so that none always meets the machine as the same other left it.
                stages.get((i + round) % stages.size()).refresh(seconds);
            }
        }
        StringBuilder line = new StringBuilder("growth");
        for (Stage stage : stages) {
            System.out.printf(
                    Locale.ROOT,
                    "%,d sandboxes: %s/s, p50 %s ms, p99 %s ms, ext-authz %.1f MiB%n",
                    stage.size,
                    stage.perSecond.describe(0),
                    stage.p50.describe(2),
                    stage.p99.describe(2),
                    stage.residentMib());
            line.append(String.format(
                    Locale.ROOT,
                    " p99_ms_%1$d=%2$.2f p99_ratio_%1$d=%3$.2f ext_authz_mib_%1$d=%4$.1f",
                    stage.size,
                    stage.p99.median(),
                    stage.p99.median() / stages.getFirst().p99.median(),
                    stage.residentMib()));
        }
        return line.toString();
    }

    /** Active sandboxes with a lineage each, put into the file while no issuer runs. */
    private static void fill(Path database, int count) {
        String numbers =
                "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < " + count + ")";
        try (Connection connection = DriverManager.getConnection("jdbc:sqlite:" + database);
                Statement statement = connection.createStatement()) {
            connection.setAutoCommit(false);
            statement.execute(
                    "INSERT INTO sandboxes (id, workspace, name, state, source, created) " + numbers
                            + " SELECT 'filler-' || n, 'default', 'filler-' || n, 'active', 'registry', 1700000000000 FROM numbers");
            statement.execute(
                    "INSERT INTO lineages (id, sandbox, generation, opened, advanced) " + numbers
                            + " SELECT lower(hex(randomblob(16))), 'filler-' || n, 3, 1700000000000, 1900000000000 FROM numbers");
            connection.commit();
        } catch (SQLException e) {
            throw new IllegalStateException("the store cannot be filled", e);
        }
    }
}
