package io.sallyport.base.settings;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sallyport.base.net.Endpoint;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class SettingsTest {
    private final Problems problems = new Problems();

    private enum Mode {
        CLOSED,
        ON_REQUEST
    }

    private Settings parse(String yaml) {
        return Settings.parse("f.yaml", yaml, problems);
    }

    /** What one reading of a text complains about. */
    private void assertProblems(String yaml, Consumer<Settings> reading, String... expected) {
        Settings settings = parse(yaml);
        reading.accept(settings);
        settings.done();
        assertThat(problems.list()).containsExactly(expected);
    }

    @Test
    void everyKindOfValue() throws Exception {
        Settings settings = parse("""
                name: alpha
                file: /etc/x
                listen: unix:/run/x.sock
                on: true
                count: 7
                wait: 500ms
                size: 64KiB
                mode: on-request
                list: [a, "b c", 3]
                inner:
                  deep: {value: x}
                """);

        assertThat(settings.string("name")).isEqualTo("alpha");
        assertThat(settings.path("file")).isEqualTo(Path.of("/etc/x"));
        assertThat(settings.endpoint("listen")).isEqualTo(new Endpoint.Unix(Path.of("/run/x.sock")));
        assertThat(settings.bool("on", false)).isTrue();
        assertThat(settings.integer("count", 1, 1, 10)).isEqualTo(7);
        assertThat(settings.duration("wait", Duration.ZERO, Duration.ZERO, Duration.ofSeconds(1)))
                .isEqualTo(Duration.ofMillis(500));
        assertThat(settings.bytes("size", 1, 1, 1 << 20)).isEqualTo(65_536);
        assertThat(settings.choice("mode", Mode.class, Mode.CLOSED)).isEqualTo(Mode.ON_REQUEST);
        assertThat(settings.strings("list")).containsExactly("a", "b c", "3");
        assertThat(settings.section("inner").section("deep").string("value")).isEqualTo("x");
        settings.done();
        problems.throwIfAny();
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "# only a comment", "name:", "name: ~", "name: null"})
    void whatIsNotThereHasItsFallback(String yaml) throws Exception {
        Settings settings = parse(yaml);

        assertThat(settings.has("name")).isFalse();
        assertThat(settings.string("name", "fallback")).isEqualTo("fallback");
        assertThat(settings.optionalString("name")).isEqualTo(Optional.empty());
        assertThat(settings.optionalPath("file")).isEmpty();
        assertThat(settings.optionalEndpoint("listen")).isEmpty();
        assertThat(settings.strings("list")).isEmpty();
        assertThat(settings.section("inner").bool("on", true)).isTrue();
        settings.done();
        problems.throwIfAny();
    }

    @Test
    void everyMistakeAtOnceEachWithItsPlace() {
        assertThatThrownBy(() -> {
                    Settings settings = parse("""
                            count: many
                            wait: 10
                            size: 1MB
                            mode: open
                            on: yes
                            inner:
                              listen: nowhere
                              lisen: x
                            list: a
                            text: [a]
                            """);
                    settings.integer("count", 1, 1, 10);
                    settings.duration("wait", Duration.ZERO, Duration.ZERO, Duration.ofSeconds(1));
                    settings.bytes("size", 1, 1, 10);
                    settings.choice("mode", Mode.class, Mode.CLOSED);
                    settings.bool("on", false);
                    settings.section("inner").endpoint("listen");
                    settings.strings("list");
                    settings.string("text", "");
                    settings.string("name");
                    settings.done();
                    problems.throwIfAny();
                })
                .isInstanceOfSatisfying(
                        InvalidSettingsException.class,
                        e -> assertThat(e.problems())
                                .containsExactly(
                                        "f.yaml:1 count: expected a whole number, found \"many\"",
                                        "f.yaml:2 wait: expected a duration such as 500ms, 30s, 5m or 24h, found \"10\"",
                                        "f.yaml:3 size: expected a size such as 512, 64KiB or 1MiB, found \"1MB\"",
                                        "f.yaml:4 mode: expected one of closed, on-request, found \"open\"",
                                        "f.yaml:5 on: expected true or false, found \"yes\"",
                                        "f.yaml:7 inner.listen: expected unix:/path or host:port, found \"nowhere\"",
                                        "f.yaml:9 list: expected a list, such as [a, b]",
                                        "f.yaml:10 text: expected one plain value",
                                        "f.yaml:1 name: is missing; expected text",
                                        "f.yaml:8 inner.lisen: unknown key; known here: listen"))
                .hasMessageContaining("f.yaml:1 count: expected a whole number, found \"many\"\nf.yaml:2 wait");
    }

    @Test
    void anUnknownKeyComesWithTheNearestKnownOne() {
        assertProblems(
                "gatway-id: x\nkeys: {tokns: a}",
                settings -> {
                    settings.string("gateway-id", "");
                    settings.section("keys").string("tokens", "");
                },
                "f.yaml:1 gatway-id: unknown key; did you mean \"gateway-id\"?",
                "f.yaml:2 keys.tokns: unknown key; did you mean \"tokens\"?");
    }

    @Test
    void aKeyThatIsThereIsNoSuggestion() {
        assertProblems(
                "name: a\nnames: b",
                settings -> settings.string("name", ""),
                "f.yaml:2 names: unknown key; known here: name");
    }

    @Test
    void aSectionNobodyAskedForIsUnknown() {
        assertProblems(
                "extra: {a: 1}", settings -> settings.has("name"), "f.yaml:1 extra: unknown key; known here: name");
    }

    @Test
    void aSectionAskedForTwiceIsOneSection() {
        assertProblems(
                "inner: {a: 1, b: 2, c: 3}",
                settings -> {
                    settings.section("inner").string("a");
                    settings.section("inner").string("b");
                },
                "f.yaml:1 inner.c: unknown key; known here: a, b");
    }

    @Test
    void askingForAllKeysMakesThemKnown() {
        assertProblems("x: 1\ny: 2", settings -> assertThat(settings.keys()).containsExactly("x", "y"));
    }

    @Test
    void aKeyGivenTwice() {
        assertProblems(
                "a: 1\nb: {c: 1, c: 2}\na: 3",
                settings -> {
                    settings.string("a");
                    settings.section("b").string("c");
                },
                "f.yaml:3: \"a\" is given twice",
                "f.yaml:2: \"b.c\" is given twice");
    }

    @ParameterizedTest
    @ValueSource(strings = {"- a\n- b", "text", "[a]", "a: [", "a: b: c", "\tname: x", "a: 1\n--- \nb: 2", "{a: 1"})
    void whatIsNotOneMapping(String yaml) {
        parse(yaml);

        assertThat(problems.list())
                .isNotEmpty()
                .allSatisfy(problem -> assertThat(problem).startsWith("f.yaml"));
    }

    @Test
    void aSectionThatIsNoMapping() {
        assertProblems(
                "inner: text",
                settings -> settings.section("inner"),
                "f.yaml:1 inner: expected a mapping (indented \"key: value\" lines)");
    }

    /** A few lines of aliases can unfold into gigabytes. */
    @Test
    void aliasesOfCollectionsAreRefusedOrStaySmall() {
        StringBuilder bomb = new StringBuilder("a0: &a0 [x, x]\n");
        for (int i = 1; i < 40; i++) {
            bomb.append("a%d: &a%d [*a%d, *a%d]%n".formatted(i, i, i - 1, i - 1));
        }
        Settings settings = parse(bomb.toString());

        settings.strings("a39");
        settings.keys();
        settings.done();

        assertThat(problems.list()).isNotEmpty();
    }

    @Test
    void aListOfMoreThanPlainValues() {
        assertProblems(
                "list: [a, [b]]",
                settings -> settings.strings("list"),
                "f.yaml:1 list: expected a list of plain values");
    }

    @ParameterizedTest
    @CsvSource({"500ms, 500", "0s, 0", "30s, 30000", "5m, 300000", "24h, 86400000", "7d, 604800000"})
    void durations(String text, long millis) {
        assertThat(Settings.parseDuration(text)).isEqualTo(Duration.ofMillis(millis));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {"", "5", "s", "-5s", "1.5s", "5 s", "5S", "5us", "PT5S", "5s5", "9999999999999s", "\u0665s"})
    void notDurations(String text) {
        assertThatThrownBy(() -> Settings.parseDuration(text)).isInstanceOf(IllegalArgumentException.class);
    }

    @ParameterizedTest
    @CsvSource({"512, 512", "512B, 512", "64KiB, 65536", "1MiB, 1048576", "2GiB, 2147483648"})
    void sizes(String text, long bytes) {
        assertThat(Settings.parseBytes(text)).isEqualTo(bytes);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "-1", "1.5KiB", "1KB", "1kib", "1 KiB", "KiB", "9999999999999"})
    void notSizes(String text) {
        assertThatThrownBy(() -> Settings.parseBytes(text)).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void aHugeSizeIsTooBigAndDoesNotWrapAround() {
        // 2^34 + 1 GiB is 1 GiB modulo 2^64.
        assertThat(Settings.parseBytes("17179869185GiB")).isEqualTo(Long.MAX_VALUE);
        assertProblems(
                "size: 17179869185GiB",
                settings -> assertThat(settings.bytes("size", 5, 1, Integer.MAX_VALUE))
                        .isEqualTo(5),
                "f.yaml:1 size: expected 1 to 2147483647 bytes, found 17179869185GiB");
    }

    @Test
    void valuesOutsideTheirRange() {
        assertProblems(
                "count: 11\nwait: 1h\nbig: 99999999999",
                settings -> {
                    settings.integer("count", 1, 1, 10);
                    settings.duration("wait", Duration.ofSeconds(1), Duration.ofMillis(1), Duration.ofSeconds(5));
                    settings.integer("big", 1, 1, 10);
                },
                "f.yaml:1 count: expected 1 to 10, found 11",
                "f.yaml:2 wait: expected 1ms to 5s, found 1h",
                "f.yaml:3 big: expected a whole number, found \"99999999999\"");
    }

    @Test
    void theCallersOwnTypes() {
        assertProblems(
                "id: bad",
                settings -> settings.value(
                        "id",
                        "an id",
                        text -> {
                            throw new IllegalArgumentException("no id: " + text);
                        },
                        "stand-in"),
                "f.yaml:1 id: no id: bad");
    }

    @Test
    void files(@TempDir Path temp) throws Exception {
        Path file = Files.writeString(temp.resolve("a.yaml"), "name: x");
        assertThat(Settings.load(file, problems).string("name")).isEqualTo("x");
        assertThat(problems.isEmpty()).isTrue();

        Settings.load(temp.resolve("missing.yaml"), problems);
        Files.write(file, new byte[] {'a', ':', ' ', (byte) 0xff});
        Settings.load(file, problems);

        assertThat(problems.list())
                .satisfiesExactly(
                        missing -> assertThat(missing).contains("missing.yaml", "does it exist?"),
                        damaged -> assertThat(damaged).contains("a.yaml", "not UTF-8"));
    }
}
