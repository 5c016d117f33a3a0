package io.sallyport.policy.cli;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.sallyport.base.settings.InvalidSettingsException;
import io.sallyport.base.settings.Problems;
import io.sallyport.base.settings.Settings;
import io.sallyport.policy.AccessPolicy;
import io.sallyport.policy.Suggestions;
import java.io.PrintWriter;
import java.util.SequencedMap;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ScopeType;
import picocli.CommandLine.Spec;

/** {@code policy explain|suggest|validate}. Exit 0; 2 for bad usage or a policy with holes, every problem on stderr. */
@Command(
        name = "policy",
        description = "Shows, proposes and checks who may call what, and which sandbox each request means.",
        subcommands = {PolicyMain.Explain.class, PolicyMain.Suggest.class, PolicyMain.Validate.class},
        exitCodeOnInvalidInput = 2)
public final class PolicyMain {
    @Option(
            names = {"-h", "--help"},
            usageHelp = true,
            scope = ScopeType.INHERIT,
            description = "Shows this help.")
    @SuppressWarnings("UnusedVariable") // picocli reads it.
    private boolean help;

    private PolicyMain() {}

    public static void main(String[] args) {
        System.exit(run(args, new PrintWriter(System.out, true, UTF_8), new PrintWriter(System.err, true, UTF_8)));
    }

    /** Runs a command and returns its exit code. */
    static int run(String[] args, PrintWriter out, PrintWriter err) {
        CommandLine line = new CommandLine(new PolicyMain());
        line.setOut(out).setErr(err);
        line.setExecutionExceptionHandler((exception, command, parsed) -> {
            if (exception instanceof InvalidSettingsException invalid) {
                invalid.problems().forEach(command.getErr()::println);
                return 2;
            }
            command.getErr().println(exception);
            return 1;
        });
        if (args.length == 0) {
            line.usage(err);
            return 2;
        }
        return line.execute(args);
    }

    /** Which policy a command is about. */
    static final class Source {
        @Option(
                names = "--preset",
                paramLabel = "NAME",
                description = "A preset that ships: openshell-0.0 or openshell-0.1.")
        private @Nullable String preset;

        @Option(names = "--rules", paramLabel = "FILE", description = "A rules file; see docs/policy.md.")
        private @Nullable String rules;

        @Option(
                names = "--descriptor-set",
                paramLabel = "FILE",
                description = "The gateway's own descriptors, from protoc --descriptor_set_out --include_imports."
                        + " With a preset the default is the shipped set of what sandboxes call.")
        private @Nullable String descriptorSet;

        /** The same section that every program's settings have. */
        Settings section() {
            StringBuilder yaml = new StringBuilder();
            append(yaml, "preset", preset);
            append(yaml, "rules", rules);
            append(yaml, "descriptor-set", descriptorSet);
            return Settings.parse("options", yaml.toString(), new Problems());
        }

        private static void append(StringBuilder yaml, String key, @Nullable String value) {
            if (value != null) {
                yaml.append(key)
                        .append(": \"")
                        .append(value.replace("\\", "\\\\").replace("\"", "\\\""))
                        .append("\"\n");
            }
        }
    }

    @Command(
            name = "explain",
            description = "Prints a table of every method: who may call it, how it names the sandbox, how it is held.")
    static final class Explain implements Callable<Integer> {
        @Mixin
        private Source source = new Source();

        @Spec
        private @Nullable CommandSpec spec;

        @Override
        public Integer call() throws InvalidSettingsException {
            new PolicyTable(AccessPolicy.load(source.section())).print(out(spec));
            return 0;
        }
    }

    @Command(
            name = "suggest",
            description = "Proposes rules, as YAML, for the methods that sandboxes may call and that have none. A guess"
                    + " from field names: check each one.")
    static final class Suggest implements Callable<Integer> {
        @Mixin
        private Source source = new Source();

        @Spec
        private @Nullable CommandSpec spec;

        @Override
        public Integer call() throws InvalidSettingsException {
            PrintWriter out = out(spec);
            SequencedMap<String, String> rules = Suggestions.forMethodsWithoutRule(source.section());
            if (rules.isEmpty()) {
                out.println("# Every method that sandboxes may call has a rule.");
                return 0;
            }
            out.println("# Guessed from field names. Check each one before you use it.");
            out.println("methods:");
            rules.forEach((method, rule) -> out.println("  " + method + ": " + rule));
            return 0;
        }
    }

    @Command(name = "validate", description = "Checks a policy as the servers do at start, and prints its digest.")
    static final class Validate implements Callable<Integer> {
        @Mixin
        private Source source = new Source();

        @Spec
        private @Nullable CommandSpec spec;

        @Override
        public Integer call() throws InvalidSettingsException {
            AccessPolicy policy = AccessPolicy.load(source.section());
            out(spec).println("valid: " + policy.rules().size() + " methods, digest " + policy.digest());
            return 0;
        }
    }

    private static PrintWriter out(@Nullable CommandSpec spec) {
        if (spec == null) {
            throw new IllegalStateException("picocli sets the spec");
        }
        return spec.commandLine().getOut();
    }
}
