package io.sallyport.e2e;

import static org.assertj.core.api.Assertions.assertThat;

import io.sallyport.e2e.stack.Checkout;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** What {@code ./test} says at its end, and with which exit code: nothing that went wrong may pass for a success. */
class TestSummaryTest {
    private static final String GOOD = "<testcase classname='x.ATest' name='good' time='1.5'/>";
    private static final String FAILED =
            "<testcase classname='x.ATest' name='bad'><failure message='m'>java.lang.AssertionError:\nexpected: 1\n but was:"
                    + " 2\n\tat x.ATest.bad(ATest.java:1)</failure></testcase>";
    private static final String ERROR = "<testcase classname='x.ATest' name='bad'><error>boom</error></testcase>";
    private static final String SKIPPED =
            "<testcase classname='x.ATest' name='left'><skipped message='no vectors'/></testcase>";
    private static final String OPT_IN =
            "<testcase classname='x.ATest' name='on a node'><skipped message='System property [cluster] does not exist ==&gt;"
                    + " opt-in: ./test --cluster'/></testcase>";

    @TempDir
    Path root;

    /**
     * A run.
     *
     * @param one the test cases of module {@code one}; "" for no report, "<" for one that is cut off
     * @param built what the build said
     * @param ci the variable {@code CI}
     * @param code expected
     * @param says expected in the output
     */
    @SuppressWarnings("ArrayRecordComponent") // a table of rows reads better so, and nobody writes to it
    record Row(String name, String one, boolean built, String ci, int code, String... says) {
        @Override
        public String toString() {
            return name;
        }
    }

    static Stream<Row> rows() {
        return Stream.of(
                new Row("all well", GOOD, true, "true", 0, "2 passed, 0 failed, 0 skipped"),
                new Row(
                        "a failure",
                        GOOD + FAILED,
                        false,
                        "",
                        1,
                        "FAILED   one: ATest.bad",
                        "expected: 1",
                        "but was: 2",
                        "2 passed, 1 failed, 0 skipped"),
                new Row("an error", GOOD + ERROR, false, "", 1, "boom", "2 passed, 1 failed"),
                new Row("a failure that the build overlooked", FAILED, true, "", 1, "1 passed, 1 failed"),
                new Row("a skip at a desk", GOOD + SKIPPED, true, "", 0, "one: ATest.left: no vectors", "1 skipped"),
                new Row("a skip in CI", GOOD + SKIPPED, true, "true", 1, "nothing may be skipped", "1 skipped"),
                new Row(
                        "what runs only when asked for, in CI",
                        GOOD + OPT_IN,
                        true,
                        "true",
                        0,
                        "opt-in   one: ATest (1): run by ./test --cluster",
                        "2 passed, 0 failed, 0 skipped, 1 opt-in, not run"),
                new Row(
                        "a skip that only begins like one, in CI",
                        GOOD + OPT_IN.replace("--cluster", "--cluster, and no vectors"),
                        true,
                        "true",
                        1,
                        "nothing may be skipped",
                        "1 skipped"),
                new Row("a build that failed without a test", GOOD, false, "", 1, "THE BUILD FAILED"),
                new Row("a module that was not tested", "", true, "", 1, "NOT TESTED", "1 modules not tested"),
                new Row("a report that is cut off", "<", false, "", 1, "cannot be read", "1 passed, 1 failed"));
    }

    @ParameterizedTest(name = "{0}")
    @MethodSource("rows")
    void isSaidAndCounted(Row row) throws IOException, InterruptedException {
        Files.writeString(root.resolve("pom.xml"), "<module>one</module><module>two</module><module>three</module>");
        for (String module : List.of("one", "two")) {
            Files.createDirectories(root.resolve(module).resolve("src/test/java"));
            Files.createFile(root.resolve(module).resolve("src/test/java/ATest.java"));
        }
        report("one", row.one());
        report("two", GOOD);

        List<String> command = new ArrayList<>(List.of(
                "python3",
                Checkout.find(Path.of("")).resolve("bin/test-summary").toString(),
                root.toString(),
                row.built() ? "0" : "1"));
        ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
        builder.environment().put("CI", row.ci());
        builder.environment().put("PYTHONIOENCODING", "utf-8");
        Process process = builder.start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(output).contains(row.says());
        assertThat(process.waitFor()).as(output).isEqualTo(row.code());
    }

    private void report(String module, String cases) throws IOException {
        if (cases.isEmpty()) {
            return;
        }
        Path reports = Files.createDirectories(root.resolve(module).resolve("target/surefire-reports"));
        Files.writeString(
                reports.resolve("TEST-x.ATest.xml"),
                cases.equals("<") ? "<testsuite><testcase" : "<testsuite>" + cases + "</testsuite>");
    }
}
