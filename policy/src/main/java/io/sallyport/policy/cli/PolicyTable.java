package io.sallyport.policy.cli;

import io.sallyport.policy.AccessPolicy;
import io.sallyport.policy.MessageRule;
import io.sallyport.policy.MethodRule;
import io.sallyport.policy.MethodRule.Destination;
import io.sallyport.policy.MethodRule.Streaming;
import java.io.PrintWriter;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;

/** The table that {@code explain} prints: every method, under fixed headings. */
final class PolicyTable {
    private static final List<String> HEADINGS =
            List.of("METHOD", "CALLERS", "KIND", "SANDBOX", "AGREEING", "REQUIRED", "LIMITS", "SERVED BY", "HELD");

    private final AccessPolicy policy;

    PolicyTable(AccessPolicy policy) {
        this.policy = policy;
    }

    void print(PrintWriter out) {
        List<List<String>> lines = new ArrayList<>();
        lines.add(HEADINGS);
        policy.rules().forEach(rule -> lines.addAll(lines(rule)));
        int[] widths = new int[HEADINGS.size()];
        for (List<String> line : lines) {
            for (int i = 0; i < widths.length; i++) {
                widths[i] = Math.max(widths[i], line.get(i).length());
            }
        }
        for (List<String> line : lines) {
            StringBuilder text = new StringBuilder();
            for (int i = 0; i < widths.length; i++) {
                text.append(line.get(i)).repeat(' ', widths[i] - line.get(i).length() + 2);
            }
            out.println(text.toString().stripTrailing());
        }
        List<MethodRule> unnamed = policy.rules().stream()
                .filter(rule -> !rule.messages().words().reason().isEmpty())
                .toList();
        if (!unnamed.isEmpty()) {
            out.println();
            out.println("Why a message need not name a sandbox:");
            unnamed.forEach(rule -> out.println(
                    "  " + name(rule) + ": " + rule.messages().words().reason()));
        }
        out.println();
        out.println("digest " + policy.digest());
    }

    /** One line for a method, and more below it for lists. */
    private static List<List<String>> lines(MethodRule rule) {
        MessageRule.Words words = rule.messages().words();
        List<List<String>> cells = List.of(
                List.of(name(rule)),
                List.of(callers(rule)),
                List.of(rule.streaming().name().toLowerCase(Locale.ROOT)),
                rule.sandboxCallable() ? sandbox(words) : List.of("-"),
                words.agreeing().isEmpty() ? List.of("-") : words.agreeing(),
                required(words),
                List.of(limits(rule)),
                List.of(rule.destination().name().toLowerCase(Locale.ROOT)),
                List.of(held(rule)));
        int height = cells.stream().mapToInt(List::size).max().orElse(1);
        return IntStream.range(0, height)
                .mapToObj(i -> cells.stream()
                        .map(cell -> i < cell.size() ? cell.get(i) : "")
                        .toList())
                .toList();
    }

    private static String name(MethodRule rule) {
        return rule.path().substring(1);
    }

    private static String callers(MethodRule rule) {
        return switch (rule.access()) {
            case SANDBOX -> "sandbox";
            case SERVICE_ACCOUNT -> "service-account";
            case DUAL -> "sandbox, user";
            case USER -> "user";
            case UNAUTHENTICATED -> "anybody";
            case CLOSED -> "nobody";
        };
    }

    private static List<String> sandbox(MessageRule.Words words) {
        List<String> lines = new ArrayList<>();
        switch (words.reference()) {
            case NONE -> lines.add("none");
            case ID -> lines.add("id " + words.primary());
            case NAME -> {
                lines.add("name " + words.primary());
                if (!words.workspace().isEmpty()) {
                    lines.add("workspace " + words.workspace());
                }
            }
        }
        if (words.skipsEmpty()) {
            lines.add("empty: skip");
        }
        return lines;
    }

    private static List<String> required(MessageRule.Words words) {
        if (words.required().isEmpty()) {
            return List.of("-");
        }
        return words.required().entrySet().stream()
                .map(entry -> switch (entry.getValue()) {
                    case "present", "absent" -> entry.getKey() + " " + entry.getValue();
                    default -> entry.getKey() + " = " + (entry.getValue().isEmpty() ? "\"\"" : entry.getValue());
                })
                .toList();
    }

    private static String limits(MethodRule rule) {
        return rule.streaming() == Streaming.UNARY
                ? "body " + size(rule.bodyLimit()) + ", " + duration(rule.maxDuration())
                : "message " + size(rule.messageLimit());
    }

    /** What stands between a caller and the method. */
    private static String held(MethodRule rule) {
        return switch (rule.access()) {
            case CLOSED -> "closed";
            case UNAUTHENTICATED -> "open";
            case USER -> "caller";
            case SANDBOX, SERVICE_ACCOUNT, DUAL -> {
                if (rule.streaming() != Streaming.UNARY) {
                    yield heldStream(rule);
                }
                if (rule.destination() == Destination.ISSUER) {
                    yield "caller, then the issuer";
                }
                yield rule.messages().reference() == MessageRule.Reference.NONE
                        ? "caller, well-formed body"
                        : "caller, body is their own";
            }
        };
    }

    private static String heldStream(MethodRule rule) {
        if (!rule.guarded()) {
            return "closed: no guard knows such a stream";
        }
        return rule.messages().opaque()
                ? "caller; its life alone, no message is read"
                : "caller; its life, message by message";
    }

    private static String size(int bytes) {
        if (bytes % (1 << 20) == 0) {
            return (bytes >> 20) + "MiB";
        }
        return bytes % (1 << 10) == 0 ? (bytes >> 10) + "KiB" : bytes + "B";
    }

    private static String duration(Duration duration) {
        return duration.toMillis() % 1000 == 0 ? duration.toSeconds() + "s" : duration.toMillis() + "ms";
    }
}
