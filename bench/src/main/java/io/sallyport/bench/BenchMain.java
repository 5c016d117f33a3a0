package io.sallyport.bench;

import io.sallyport.base.Logging;
import io.sallyport.e2e.stack.Checkout;
import io.sallyport.e2e.stack.StackException;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code bench/run [NAME]}: measures one thing; without a name, says what there is to measure. */
@Command(
        name = "bench/run",
        mixinStandardHelpOptions = true,
        description = "Measures one thing; its last line is for scripts. Without a name: what there is to measure.")
public final class BenchMain implements Callable<Integer> {
    @Parameters(arity = "0..1", paramLabel = "NAME", description = "what to measure")
    private @Nullable String name;

    @Option(names = "--rounds", paramLabel = "N", description = "interleaved rounds; 0: what suits the measurement")
    private int rounds;

    @Option(
            names = "--seconds",
            paramLabel = "S",
            description = "length of a measured stretch (default: ${DEFAULT-VALUE})")
    private int seconds = 3;

    /** What can be measured. */
    private static List<Bench> all() {
        return List.of(
                new CheckBench(),
                new FirstSightBench(),
                new FootprintBench(),
                new RefreshBench(),
                new RevocationBench(),
                new PodsBench(),
                new ScanBench(),
                new StreamsBench(),
                new GrowthBench());
    }

    /** Runs it. */
    public static void main(String[] arguments) {
        Logging.toStandardError();
        System.exit(new CommandLine(new BenchMain()).execute(arguments));
    }

    @Override
    public Integer call() throws IOException, InterruptedException {
        if (name == null) {
            all().forEach(bench -> System.out.printf("%-12s %s%n", bench.name(), bench.description()));
            return 0;
        }
        Bench chosen = all().stream()
                .filter(bench -> bench.name().equals(name))
                .findFirst()
                .orElse(null);
        if (chosen == null) {
            System.err.println("there is no measurement \"" + name + "\"; bench/run without a name lists them");
            return 2;
        }
        if (rounds < 0 || seconds < 1) {
            System.err.println("--rounds is 0 or more, --seconds 1 or more");
            return 2;
        }
        Path root = Checkout.find(Path.of(""));
        System.out.println(Machine.describe());
        try (Workbench workbench = Workbench.open(root)) {
            try {
                System.out.println(chosen.run(workbench, rounds, seconds));
                return 0;
            } catch (Load.WrongAnswerException e) {
                System.err.println(e.getMessage() + "; the last refusals of ext-authz:");
                workbench.lastRefusals().forEach(System.err::println);
                return 1;
            }
        } catch (StackException e) {
            System.err.println(e.getMessage());
            return 1;
        }
    }
}
