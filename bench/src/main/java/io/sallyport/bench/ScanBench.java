package io.sallyport.bench;

import com.google.protobuf.CodedOutputStream;
import io.sallyport.base.RejectedException;
import io.sallyport.policy.KnownId;
import io.sallyport.policy.MessageRule;
import io.sallyport.policy.MessageScanner;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadMXBean;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.Objects;
import java.util.stream.IntStream;

/**
 * How long the event loop is away for one message of a stream, as large as it may be: log lines, and the worst that we
 * could think of; and how long for those that {@link StreamsBench} sends, once the compilers are done. Processor time of one
 * thread, so that other work on the machine hardly counts.
 */
final class ScanBench implements Bench {
    private static final int ROUNDS = 400;
    private static final int LIMIT = 1 << 20;

    /** Bytes that are scanned for one figure of a hot message. */
    private static final int HOT = 16 << 20;

    private static final int HOT_ROUNDS = 40;
    private static final String SANDBOX = "sandbox-0";
    private static final String PUSH = "/openshell.v1.OpenShell/PushSandboxLogs";
    private static final int SANDBOX_ID = 1;
    private static final int LOGS = 2;
    private static final int TEXT = 5;
    private static final String LINES = "log lines";

    @Override
    public String name() {
        return "scan";
    }

    @Override
    public String description() {
        return "how long the largest message of a stream is scanned, at worst";
    }

    /** Messages of PushSandboxLogs. */
    private static Map<String, byte[]> messages() {
        Map<String, byte[]> messages = new LinkedHashMap<>();
        messages.put(
                LINES,
                filled(line(join(
                        field(SANDBOX_ID, SANDBOX),
                        field(3, "INFO"),
                        field(4, "openshell_supervisor::proxy"),
                        field(TEXT, "x".repeat(100))))));
        messages.put("lines of nothing", filled(line(new byte[0])));
        messages.put("lines that name one sandbox", filled(line(field(SANDBOX_ID, "a"))));
        // As many as are remembered; one more ends the scan.
        messages.put(
                "lines that name eight",
                filled(join(IntStream.range(0, 8)
                        .mapToObj(i -> line(field(SANDBOX_ID, "" + (char) ('a' + i))))
                        .toArray(byte[][]::new))));
        messages.put("lines of a letter of two bytes", filled(line(field(TEXT, "\u00e9"))));
        messages.put("one text, letters of two bytes", join(line(field(TEXT, "\u00e9".repeat(LIMIT / 2 - 16)))));
        messages.put("numbers that nobody knows", filled(new byte[] {15 << 3, 1}));
        return messages;
    }

    @Override
    public String run(Workbench workbench, int rounds, int seconds) {
        MessageRule rule = workbench.rule(PUSH).messages();
        Map<String, Series> times = new LinkedHashMap<>();
        messages().forEach((name, message) -> {
            Series cold = new Series();
            Series series = times.computeIfAbsent(name, _ -> new Series());
            cold.add(millis(rule, message));
            for (int i = 0; i < (rounds == 0 ? ROUNDS : rounds); i++) {
                series.add(millis(rule, message));
            }
            System.out.printf(
                    Locale.ROOT,
                    "%-32s %,9d bytes: %.2f ms, p99 %.2f ms; the first %.1f ms%n",
                    name,
                    message.length,
                    series.median(),
                    series.percentile(99),
                    cold.median());
        });
        byte[] batch = StreamsBench.logs(SANDBOX, StreamsBench.LINES, StreamsBench.LINE);
        byte[] small = StreamsBench.logs(SANDBOX, 1, StreamsBench.SMALL_LINE);
        Series batches = new Series();
        Series smalls = new Series();
        for (int i = 0; i < HOT_ROUNDS; i++) {
            batches.add(hotNanos(rule, batch));
            smalls.add(hotNanos(rule, small));
        }
        System.out.printf(
                Locale.ROOT,
                "hot: %,d bytes in %s ns, %d bytes in %s ns%n",
                batch.length,
                batches.describe(0),
                small.length,
                smalls.describe(1));
        return String.format(
                Locale.ROOT,
                "scan batch_ns=%.0f small_ns=%.1f logs_ms=%.2f worst_ms=%.2f",
                batches.median(),
                smalls.median(),
                Objects.requireNonNull(times.get(LINES)).median(),
                times.values().stream().mapToDouble(Series::median).max().orElseThrow());
    }

    private static double millis(MessageRule rule, byte[] message) {
        return nanos(rule, message, 1) / 1e6;
    }

    /** A message among many like it. */
    private static double hotNanos(MessageRule rule, byte[] message) {
        int times = HOT / message.length;
        return nanos(rule, message, times) / times;
    }

    private static double nanos(MessageRule rule, byte[] message, int times) {
        ThreadMXBean threads = ManagementFactory.getThreadMXBean();
        KnownId known = new KnownId(SANDBOX);
        long before = threads.getCurrentThreadCpuTime();
        try {
            for (int i = 0; i < times; i++) {
                var _ = MessageScanner.scanMessage(rule, ByteBuffer.wrap(message), known);
            }
        } catch (RejectedException e) {
            throw new Load.WrongAnswerException("the scanner does not go to the end: " + e.getMessage());
        }
        return threads.getCurrentThreadCpuTime() - before;
    }

    private static byte[] filled(byte[] unit) {
        ByteBuffer message = ByteBuffer.allocate(LIMIT / unit.length * unit.length);
        while (message.hasRemaining()) {
            message.put(unit);
        }
        return message.array();
    }

    private static byte[] line(byte[] line) {
        return field(LOGS, line);
    }

    private static byte[] field(int number, String text) {
        return field(number, text.getBytes(StandardCharsets.UTF_8));
    }

    private static byte[] field(int number, byte[] bytes) {
        ByteArrayOutputStream field = new ByteArrayOutputStream();
        CodedOutputStream out = CodedOutputStream.newInstance(field);
        try {
            out.writeByteArray(number, bytes);
            out.flush();
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        return field.toByteArray();
    }

    private static byte[] join(byte[]... parts) {
        ByteArrayOutputStream all = new ByteArrayOutputStream();
        for (byte[] part : parts) {
            all.writeBytes(part);
        }
        return all.toByteArray();
    }
}
