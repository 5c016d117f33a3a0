package io.sallyport.base.settings;

import io.sallyport.base.net.Endpoint;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import org.snakeyaml.engine.v2.api.LoadSettings;
import org.snakeyaml.engine.v2.api.lowlevel.Compose;
import org.snakeyaml.engine.v2.exceptions.Mark;
import org.snakeyaml.engine.v2.exceptions.MarkedYamlEngineException;
import org.snakeyaml.engine.v2.exceptions.YamlEngineException;
import org.snakeyaml.engine.v2.nodes.MappingNode;
import org.snakeyaml.engine.v2.nodes.Node;
import org.snakeyaml.engine.v2.nodes.NodeTuple;
import org.snakeyaml.engine.v2.nodes.ScalarNode;
import org.snakeyaml.engine.v2.nodes.SequenceNode;

/**
 * One mapping of a YAML file, read key by key.
 *
 * <p>A getter that finds a mistake notes it in the {@link Problems} and returns a stand-in, so that one reading finds
 * every mistake; the caller asks {@link Problems#throwIfAny} before it uses anything. {@link #done} then reports the
 * keys nobody asked for, with the nearest known key as a suggestion. A settings file never holds a secret, only the
 * paths of files that do, so values may appear in messages.
 *
 * <p>Durations are written {@code 500ms}, {@code 30s}, {@code 5m}, {@code 24h}, {@code 7d}; sizes {@code 512},
 * {@code 64KiB}, {@code 1MiB}.
 */
public final class Settings {
    private static final Pattern DURATION = Pattern.compile("(\\d{1,12})(ms|s|m|h|d)");
    private static final Pattern SIZE = Pattern.compile("(\\d{1,12})(B|KiB|MiB|GiB)?");

    private final String file;
    private final String path;
    private final int line;
    private final Map<String, Node> values = new LinkedHashMap<>();
    private final Map<String, Integer> lines = new LinkedHashMap<>();
    private final Set<String> asked = new LinkedHashSet<>();
    private final Map<String, Settings> children = new LinkedHashMap<>();
    private final Problems problems;

    private Settings(String file, String path, int line, @Nullable MappingNode mapping, Problems problems) {
        this.file = file;
        this.path = path;
        this.line = line;
        this.problems = problems;
        if (mapping == null) {
            return;
        }
        for (NodeTuple tuple : mapping.getValue()) {
            if (!(tuple.getKeyNode() instanceof ScalarNode key)) {
                problems.add(place(lineOf(tuple.getKeyNode())), "a key must be a plain word");
                continue;
            }
            if (values.put(key.getValue(), tuple.getValueNode()) != null) {
                problems.add(place(lineOf(key)), "\"" + qualified(key.getValue()) + "\" is given twice");
            }
            lines.put(key.getValue(), lineOf(key));
        }
    }

    /** Reads a file; a missing or unreadable one is a problem like any other. */
    public static Settings load(Path file, Problems problems) {
        try {
            return parse(file.toString(), Files.readString(file, StandardCharsets.UTF_8), problems);
        } catch (CharacterCodingException e) {
            problems.add(file.toString(), "is not UTF-8 text");
            return new Settings(file.toString(), "", 0, null, problems);
        } catch (IOException | UncheckedIOException e) {
            problems.add(file.toString(), "cannot be read (" + e.getClass().getSimpleName() + "); does it exist?");
            return new Settings(file.toString(), "", 0, null, problems);
        }
    }

    /** Reads text; {@code name} stands in messages where a file's name would. */
    public static Settings parse(String name, String yaml, Problems problems) {
        MappingNode mapping = null;
        try {
            LoadSettings settings = LoadSettings.builder()
                    .setLabel(name)
                    .setUseMarks(true)
                    .setMaxAliasesForCollections(0)
                    .build();
            Optional<Node> root = new Compose(settings).composeString(yaml);
            if (root.isPresent() && root.get() instanceof MappingNode found) {
                mapping = found;
            } else if (root.isPresent() && !isNull(root.get())) {
                problems.add(name, "expected \"key: value\" lines at the top");
            }
        } catch (MarkedYamlEngineException e) {
            int at = e.getProblemMark().map(mark -> mark.getLine() + 1).orElse(0);
            problems.add(name + ":" + at, "not YAML: " + e.getProblem());
        } catch (YamlEngineException e) {
            problems.add(name, "not YAML: " + e.getMessage());
        }
        return new Settings(name, "", 1, mapping, problems);
    }

    public boolean has(String key) {
        asked.add(key);
        return values.containsKey(key) && !isNull(values.get(key));
    }

    /** All keys, in the order of the file; asking for them makes every one known. */
    public List<String> keys() {
        asked.addAll(values.keySet());
        return List.copyOf(values.keySet());
    }

    /** Notes a mistake found by the caller about a key of this mapping. */
    public void problem(String key, String message) {
        problems.add(place(lines.getOrDefault(key, line)) + " " + qualified(key), message);
    }

    /** Whether the value of a key is a mapping, for keys that take a word or a mapping. */
    public boolean isMapping(String key) {
        return has(key) && values.get(key) instanceof MappingNode;
    }

    /** Where the mistakes in this file are noted. */
    public Problems problems() {
        return problems;
    }

    /** The mapping under a key; empty when the key is missing. */
    public Settings section(String key) {
        Settings known = children.get(key);
        if (known != null) {
            return known;
        }
        Settings child = has(key) && values.get(key) instanceof MappingNode mapping
                ? new Settings(file, qualified(key), lines.getOrDefault(key, line), mapping, problems)
                : new Settings(file, qualified(key), lines.getOrDefault(key, line), null, problems);
        if (has(key) && !(values.get(key) instanceof MappingNode)) {
            problem(key, "expected a mapping (indented \"key: value\" lines)");
        }
        children.put(key, child);
        return child;
    }

    public String string(String key) {
        return required(key, "text", Function.identity(), "");
    }

    public String string(String key, String fallback) {
        return optional(key, Function.identity(), fallback);
    }

    public Optional<String> optionalString(String key) {
        return has(key) ? Optional.of(string(key)) : Optional.empty();
    }

    public Path path(String key) {
        return required(key, "a path", Path::of, Path.of("/"));
    }

    public Optional<Path> optionalPath(String key) {
        return has(key) ? Optional.of(path(key)) : Optional.empty();
    }

    public Endpoint endpoint(String key) {
        return required(key, "unix:/path or host:port", Endpoint::parse, new Endpoint.Tcp("localhost", 0));
    }

    public Optional<Endpoint> optionalEndpoint(String key) {
        return has(key) ? Optional.of(endpoint(key)) : Optional.empty();
    }

    public boolean bool(String key, boolean fallback) {
        return optional(key, Settings::parseBoolean, fallback);
    }

    public int integer(String key, int fallback, int min, int max) {
        return optional(
                key,
                text -> {
                    int value;
                    try {
                        value = Integer.parseInt(text);
                    } catch (NumberFormatException e) {
                        throw new IllegalArgumentException("expected a whole number, found \"" + text + "\"", e);
                    }
                    if (value < min || value > max) {
                        throw new IllegalArgumentException("expected " + min + " to " + max + ", found " + value);
                    }
                    return value;
                },
                fallback);
    }

    public Duration duration(String key, Duration fallback, Duration min, Duration max) {
        return optional(
                key,
                text -> {
                    Duration value = parseDuration(text);
                    if (value.compareTo(min) < 0 || value.compareTo(max) > 0) {
                        throw new IllegalArgumentException(
                                "expected " + print(min) + " to " + print(max) + ", found " + text);
                    }
                    return value;
                },
                fallback);
    }

    /** A size in bytes. */
    public int bytes(String key, int fallback, int min, int max) {
        return optional(
                key,
                text -> {
                    long value = parseBytes(text);
                    if (value < min || value > max) {
                        throw new IllegalArgumentException("expected " + min + " to " + max + " bytes, found " + text);
                    }
                    return (int) value;
                },
                fallback);
    }

    /** One constant of an enum, written in lower case with hyphens. */
    public <E extends Enum<E>> E choice(String key, Class<E> type, E fallback) {
        return optional(
                key,
                text -> Arrays.stream(type.getEnumConstants())
                        .filter(constant -> spelling(constant).equals(text))
                        .findFirst()
                        .orElseThrow(() -> new IllegalArgumentException("expected one of "
                                + Arrays.stream(type.getEnumConstants())
                                        .map(Settings::spelling)
                                        .collect(Collectors.joining(", "))
                                + ", found \"" + text + "\"")),
                fallback);
    }

    /** A list of texts; empty when the key is missing. */
    public List<String> strings(String key) {
        if (!has(key)) {
            return List.of();
        }
        if (!(values.get(key) instanceof SequenceNode sequence)) {
            problem(key, "expected a list, such as [a, b]");
            return List.of();
        }
        List<String> result = new ArrayList<>();
        for (Node item : sequence.getValue()) {
            if (item instanceof ScalarNode scalar) {
                result.add(scalar.getValue());
            } else {
                problem(key, "expected a list of plain values");
            }
        }
        return List.copyOf(result);
    }

    /** Any value of a type of the caller's; the parser throws {@link IllegalArgumentException} with what is right. */
    public <T> T value(String key, String expected, Function<String, T> parser, T standIn) {
        return required(key, expected, parser, standIn);
    }

    /** Makes every key known, for a mapping whose own mistake has been noted already. */
    public void ignore() {
        asked.addAll(values.keySet());
    }

    /** Reports every key nobody asked for, here and in the sections below. Call it last. */
    public void done() {
        for (String key : values.keySet()) {
            if (!asked.contains(key)) {
                problem(key, "unknown key" + suggestion(key));
            }
        }
        children.values().forEach(Settings::done);
    }

    private <T> T required(String key, String expected, Function<String, T> parser, T standIn) {
        if (!has(key)) {
            problem(key, "is missing; expected " + expected);
            return standIn;
        }
        return optional(key, parser, standIn);
    }

    private <T> T optional(String key, Function<String, T> parser, T fallback) {
        if (!has(key)) {
            return fallback;
        }
        if (!(values.get(key) instanceof ScalarNode scalar)) {
            problem(key, "expected one plain value");
            return fallback;
        }
        try {
            return parser.apply(scalar.getValue());
        } catch (IllegalArgumentException e) {
            problem(key, String.valueOf(e.getMessage()));
            return fallback;
        }
    }

    private String suggestion(String key) {
        List<String> unused =
                asked.stream().filter(known -> !values.containsKey(known)).toList();
        return Nearest.of(key, unused)
                .map(known -> "; did you mean \"" + known + "\"?")
                .orElse(asked.isEmpty() ? "" : "; known here: " + String.join(", ", asked));
    }

    private String qualified(String key) {
        return path.isEmpty() ? key : path + "." + key;
    }

    private String place(int at) {
        return at > 0 ? file + ":" + at : file;
    }

    private static boolean isNull(@Nullable Node node) {
        return node instanceof ScalarNode scalar
                && scalar.isPlain()
                && (scalar.getValue().isEmpty()
                        || scalar.getValue().equals("null")
                        || scalar.getValue().equals("~"));
    }

    private static int lineOf(Node node) {
        return node.getStartMark().map(Mark::getLine).orElse(-1) + 1;
    }

    private static String spelling(Enum<?> constant) {
        return constant.name().toLowerCase(Locale.ROOT).replace('_', '-');
    }

    private static boolean parseBoolean(String text) {
        return switch (text) {
            case "true" -> true;
            case "false" -> false;
            default -> throw new IllegalArgumentException("expected true or false, found \"" + text + "\"");
        };
    }

    /** Reads {@code 500ms}, {@code 30s}, {@code 5m}, {@code 24h} or {@code 7d}. */
    public static Duration parseDuration(String text) {
        Matcher matcher = DURATION.matcher(text);
        if (!matcher.matches()) {
            throw new IllegalArgumentException(
                    "expected a duration such as 500ms, 30s, 5m or 24h, found \"" + text + "\"");
        }
        long amount = Long.parseLong(matcher.group(1));
        return switch (matcher.group(2)) {
            case "ms" -> Duration.ofMillis(amount);
            case "s" -> Duration.ofSeconds(amount);
            case "m" -> Duration.ofMinutes(amount);
            case "h" -> Duration.ofHours(amount);
            default -> Duration.ofDays(amount);
        };
    }

    /** Reads {@code 512}, {@code 64KiB}, {@code 1MiB} or {@code 1GiB} as bytes. */
    public static long parseBytes(String text) {
        Matcher matcher = SIZE.matcher(text);
        if (!matcher.matches()) {
            throw new IllegalArgumentException("expected a size such as 512, 64KiB or 1MiB, found \"" + text + "\"");
        }
        long amount = Long.parseLong(matcher.group(1));
        return switch (matcher.group(2) == null ? "B" : matcher.group(2)) {
            case "KiB" -> times(amount, 1L << 10);
            case "MiB" -> times(amount, 1L << 20);
            case "GiB" -> times(amount, 1L << 30);
            default -> amount;
        };
    }

    /** The product, or the largest number there is: over any limit, rather than around the corner. */
    private static long times(long amount, long unit) {
        return amount > Long.MAX_VALUE / unit ? Long.MAX_VALUE : amount * unit;
    }

    private static String print(Duration duration) {
        return duration.toMillis() % 1000 == 0 ? duration.toSeconds() + "s" : duration.toMillis() + "ms";
    }
}
