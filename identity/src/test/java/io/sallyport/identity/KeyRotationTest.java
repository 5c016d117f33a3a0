package io.sallyport.identity;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sallyport.identity.KeyDirectory.Use;
import io.sallyport.identity.KeyRotation.Phase;
import io.sallyport.identity.KeyRotation.Standing;
import io.sallyport.identity.KeyRotation.Windows;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.assertj.core.api.ThrowableAssert.ThrowingCallable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class KeyRotationTest {
    /** 10 s + 60 s; 10 s + 2 min; 10 s + 24 h + 24 h + 2 × 60 s. */
    private static final Windows WINDOWS = Windows.ofTokens(
            Duration.ofSeconds(10),
            Duration.ofSeconds(60),
            Duration.ofMinutes(2),
            Duration.ofHours(24),
            Duration.ofHours(24),
            Duration.ofSeconds(60));

    private static final Duration TO_ACTIVATE = Duration.ofSeconds(70);
    private static final Duration TO_RETIRE = Duration.ofSeconds(130);
    private static final Duration TO_REMOVE = Duration.ofDays(2).plusSeconds(130);

    @TempDir
    Path temp;

    private final List<String> warnings = new ArrayList<>();
    private Instant now = Instant.parse("2026-01-02T03:04:05.678Z");
    private Path directory;
    private String first;

    @BeforeEach
    void generate() throws IOException {
        directory = temp.resolve("jwt");
        first = KeyDirectory.generate(directory);
    }

    private KeyRotation rotation() {
        return rotation(new KeyDisk());
    }

    private KeyRotation rotation(KeyDisk disk) {
        return new KeyRotation(directory, WINDOWS, () -> now, warnings::add, disk);
    }

    private Map<String, Phase> phases() throws IOException {
        return rotation().status().stream().collect(Collectors.toMap(Standing::keyId, Standing::phase));
    }

    private KeySet read() throws IOException {
        return KeyDirectory.read(directory, Use.SIGN_AND_PUBLISH);
    }

    private SigningKeys signing() throws IOException {
        return read().signingKeys().orElseThrow();
    }

    private static void assertRefused(ThrowingCallable step, String... parts) {
        assertThatThrownBy(step)
                .isInstanceOf(IOException.class)
                .satisfies(e -> assertThat(e.getMessage()).contains(parts));
    }

    @Test
    void aKeyGoesThroughItsPhasesAndEachStepWaitsForItsTime() throws Exception {
        String second = rotation().prepare();

        assertThat(phases()).isEqualTo(Map.of(first, Phase.ACTIVE, second, Phase.PREPARED));
        assertThat(signing().active().keyId()).isEqualTo(first);
        assertThat(read().publicKeys().keyIds()).as("published before it signs").contains(first, second);
        assertRefused(
                () -> rotation().activate(Optional.empty(), false), "too early", second, "in 1m 10s", "or use --force");

        now = now.plus(TO_ACTIVATE).minusMillis(1);
        assertRefused(() -> rotation().activate(Optional.empty(), false), "in 1s");
        now = now.plusMillis(1);
        assertThat(rotation().activate(Optional.empty(), false)).isEqualTo(second);

        assertThat(phases()).isEqualTo(Map.of(first, Phase.RETIRING, second, Phase.ACTIVE));
        assertThat(signing().active().keyId()).isEqualTo(second);
        assertThat(signing().find(first)).as("signs again").isNotNull();
        assertRefused(() -> rotation().retire(Optional.empty(), false), "too early", first, "in 2m 10s");
        assertRefused(() -> rotation().remove(Optional.empty(), false), "too early", first, "in 2d 0h");

        Instant activated = now;
        now = activated.plus(TO_RETIRE);
        assertThat(rotation().retire(Optional.empty(), false)).containsExactly(first);

        assertThat(phases()).isEqualTo(Map.of(first, Phase.RETIRED, second, Phase.ACTIVE));
        assertThat(signing().find(first)).isNull();
        assertThat(read().publicKeys().keyIds()).as("its tokens live on").contains(first, second);
        assertRefused(() -> rotation().retire(Optional.empty(), false), "nothing to retire");

        now = activated.plus(TO_REMOVE).minusMillis(1);
        assertRefused(() -> rotation().remove(Optional.empty(), false), "in 1s");
        now = activated.plus(TO_REMOVE);
        assertThat(rotation().remove(Optional.empty(), false)).containsExactly(first);

        assertThat(phases()).isEqualTo(Map.of(second, Phase.ACTIVE));
        assertThat(read().publicKeys().keyIds()).containsExactly(second);
        assertThat(warnings).isEmpty();
        String third = rotation().prepare();
        now = now.plus(TO_ACTIVATE);
        assertThat(rotation().activate(Optional.empty(), false)).isEqualTo(third);
        assertThat(Files.readString(directory.resolve("active")))
                .as("what is gone is not kept in mind")
                .isEqualTo(third + "\n" + second + " " + now + "\n");
    }

    @Test
    void theStatusSaysWhenTheNextStepMayBeTaken() throws Exception {
        String second = rotation().prepare();
        Instant prepared = now;
        now = now.plus(TO_ACTIVATE);
        String _ = rotation().activate(Optional.empty(), false);
        String third = rotation().prepare();

        assertThat(rotation().status())
                .containsExactlyInAnyOrder(
                        new Standing(first, Phase.RETIRING, Optional.of(now), Optional.of(now.plus(TO_RETIRE))),
                        new Standing(second, Phase.ACTIVE, Optional.empty(), Optional.empty()),
                        new Standing(third, Phase.PREPARED, Optional.of(now), Optional.of(now.plus(TO_ACTIVATE))));
        assertThat(prepared).isBefore(now);
    }

    @Test
    void forceDoesItBeforeItsTimeAndSaysSo() throws Exception {
        String second = rotation().prepare();

        assertThat(rotation().activate(Optional.empty(), true)).isEqualTo(second);
        assertThat(rotation().retire(Optional.of(first), true)).containsExactly(first);
        assertThat(rotation().remove(Optional.of(first), true)).containsExactly(first);

        assertThat(warnings)
                .hasSize(3)
                .allSatisfy(warning -> assertThat(warning).contains("before its time", "because of --force"));
        assertThat(phases()).isEqualTo(Map.of(second, Phase.ACTIVE));
    }

    @Test
    void stepsOutOfOrderAreRefusedAlsoByForce() throws Exception {
        assertRefused(() -> rotation().activate(Optional.empty(), true), "no key is prepared", "prepare");
        assertRefused(() -> rotation().activate(Optional.of("nobody"), true), "there is no key nobody");
        assertRefused(() -> rotation().activate(Optional.of(first), true), "active one already");
        assertRefused(() -> rotation().retire(Optional.empty(), true), "nothing to retire");
        assertRefused(() -> rotation().retire(Optional.of(first), true), "is active");
        assertRefused(() -> rotation().remove(Optional.of(first), true), "is active");

        String second = rotation().prepare();

        assertRefused(() -> rotation().prepare(), second, "is prepared already");
        assertRefused(() -> rotation().retire(Optional.of(second), true), "is prepared");
        String _ = rotation().activate(Optional.empty(), true);
        List<String> _ = rotation().retire(Optional.of(first), true);
        assertRefused(() -> rotation().activate(Optional.of(first), true), "no private half");
        assertThat(phases()).isEqualTo(Map.of(first, Phase.RETIRED, second, Phase.ACTIVE));
    }

    @Test
    void aKeyThatIsStillRetiringCanBeMadeActiveAgainAtOnce() throws Exception {
        String second = rotation().prepare();
        now = now.plus(TO_ACTIVATE);
        String _ = rotation().activate(Optional.empty(), false);
        now = now.plusSeconds(5);

        assertThat(rotation().activate(Optional.of(first), false)).isEqualTo(first);

        assertThat(phases()).isEqualTo(Map.of(first, Phase.ACTIVE, second, Phase.RETIRING));
        assertThat(Files.readString(directory.resolve("active"))).isEqualTo(first + "\n" + second + " " + now + "\n");
    }

    @Test
    void aPreparedKeyCanBeTakenBackAndSomebodyElsesOnlyByForce() throws Exception {
        String second = rotation().prepare();
        assertThat(rotation().remove(Optional.of(second), false)).containsExactly(second);

        Path foreign = Files.createDirectory(directory.resolve("gateway"));
        Files.writeString(foreign.resolve("kid"), "gateway\n");
        Files.writeString(
                foreign.resolve("public.pem"), Ed25519Keys.writePublic(TestKeys.publicKey(TestKeys.PUBLIC_A)));

        assertThat(phases()).isEqualTo(Map.of(first, Phase.ACTIVE, "gateway", Phase.FOREIGN));
        assertRefused(() -> rotation().activate(Optional.of("gateway"), true), "no private half");
        assertRefused(() -> rotation().remove(Optional.of("gateway"), false), "too early", "do not tell");
        assertThat(rotation().remove(Optional.of("gateway"), true)).containsExactly("gateway");
    }

    @Test
    void aTaintedKeySignsNothingAndIsNotAccepted() throws Exception {
        String second = rotation().prepare();
        String _ = rotation().activate(Optional.empty(), true);
        warnings.clear();

        assertThat(rotation().taint(first, "seen on a laptop")).isEqualTo(second);

        assertThat(phases()).isEqualTo(Map.of(first, Phase.TAINTED, second, Phase.ACTIVE));
        assertThat(read().publicKeys().keyIds()).containsExactly(second);
        assertThat(signing().find(first)).isNull();
        assertThat(directory.resolve(first).resolve("signing.pem")).doesNotExist();
        assertThat(Files.readString(directory.resolve(first).resolve("tainted")))
                .contains("seen on a laptop");
        assertThat(warnings).isEmpty();
        assertRefused(() -> rotation().activate(Optional.of(first), true), "tainted");
        assertRefused(() -> rotation().taint(second, "two\nlines"), "one line");
        assertThat(rotation().remove(Optional.of(first), false)).containsExactly(first);
    }

    @Test
    void theTaintedActiveKeyHasASuccessorAtOnce() throws Exception {
        String second = rotation().taint(first, "stolen");

        assertThat(second).isNotEqualTo(first);
        assertThat(phases()).isEqualTo(Map.of(first, Phase.TAINTED, second, Phase.ACTIVE));
        assertThat(signing().active().keyId()).isEqualTo(second);
        assertThat(warnings).singleElement().asString().contains(second, "made just now");
    }

    @Test
    void aTaintMarkMadeByHandIsEnough() throws Exception {
        Files.createFile(directory.resolve(first).resolve("tainted"));

        assertThat(signing().canSign()).isFalse();
        assertThat(signing().find(first)).isNull();
        assertThat(read().publicKeys().keyIds()).isEmpty();
        assertRefused(() -> KeyDirectory.readSigning(directory), "tainted", "activate");
        assertThat(KeyDirectory.read(directory, Use.VERIFY).publicKeys().keyIds())
                .isEmpty();
    }

    /** What a replica sees is whole, and the step can be taken again, wherever the power went. */
    enum Interrupted {
        PREPARE {
            @Override
            void take(KeyRotation keys, String first) throws IOException {
                String _ = keys.prepare();
            }
        },
        ACTIVATE {
            @Override
            void take(KeyRotation keys, String first) throws IOException {
                String _ = keys.activate(Optional.empty(), true);
            }
        },
        RETIRE {
            @Override
            void take(KeyRotation keys, String first) throws IOException {
                List<String> _ = keys.retire(Optional.of(first), true);
            }
        },
        REMOVE {
            @Override
            void take(KeyRotation keys, String first) throws IOException {
                List<String> _ = keys.remove(Optional.of(first), true);
            }
        },
        TAINT_ACTIVE {
            @Override
            void take(KeyRotation keys, String first) throws IOException {
                String active = keys.status().stream()
                        .filter(key -> key.phase() == Phase.ACTIVE)
                        .findAny()
                        .orElseThrow()
                        .keyId();
                String _ = keys.taint(active, "why not");
            }
        };

        abstract void take(KeyRotation keys, String first) throws IOException;

        void before(KeyRotation keys, String first) throws IOException {
            if (this == ACTIVATE || this == RETIRE || this == REMOVE) {
                PREPARE.take(keys, first);
            }
            if (this == RETIRE || this == REMOVE) {
                ACTIVATE.take(keys, first);
            }
        }
    }

    /** The power goes after so many operations. */
    private static final class FailingDisk extends KeyDisk {
        private int left;

        FailingDisk(int left) {
            this.left = left;
        }

        private void spend() {
            if (left-- == 0) {
                throw new PowerCut();
            }
        }

        @Override
        void createFolder(Path folder) throws IOException {
            spend();
            super.createFolder(folder);
        }

        @Override
        void write(Path file, String text) throws IOException {
            spend();
            if (left == 0) {
                Files.writeString(file, text.substring(0, text.length() / 2)); // and in the midst of writing
                throw new PowerCut();
            }
            super.write(file, text);
        }

        @Override
        void move(Path from, Path to) throws IOException {
            spend();
            super.move(from, to);
        }

        @Override
        void delete(Path file) throws IOException {
            spend();
            super.delete(file);
        }

        @Override
        void sync(Path folder) throws IOException {
            spend();
            super.sync(folder);
        }
    }

    private static final class PowerCut extends RuntimeException {
        private static final long serialVersionUID = 1;
    }

    @ParameterizedTest
    @EnumSource
    void thePowerMayGoAfterAnyOperation(Interrupted step) throws Exception {
        int operations = 0;
        for (boolean whole = false; !whole; operations++) {
            directory = temp.resolve(step + "-" + operations);
            first = KeyDirectory.generate(directory);
            step.before(rotation(), first);
            KeySet before = read();
            try {
                step.take(rotation(new FailingDisk(operations)), first);
                whole = true;
            } catch (PowerCut e) {
                KeySet after = read();
                assertThat(after.signingKeys().orElseThrow().canSign())
                        .as("%s, %d operations", step, operations)
                        .isTrue();
                assertThat(after.publicKeys()
                                .find(after.signingKeys().orElseThrow().active().keyId()))
                        .isNotNull();
                assertThat(KeyDirectory.read(directory, Use.VERIFY).publicKeys().keyIds())
                        .isEqualTo(after.publicKeys().keyIds());
                takeAgain(step, before);
            }
            try (Stream<Path> left = Files.list(directory)) {
                assertThat(left.map(path -> path.getFileName().toString()))
                        .as("%s, %d operations: what was left is cleared away", step, operations)
                        .noneMatch(name -> name.startsWith(".") && !name.equals(".lock"));
            }
        }
        assertThat(operations).isGreaterThan(2);
    }

    /** Done already, and then the next step is taken, or done now. */
    private void takeAgain(Interrupted step, KeySet before) throws IOException {
        try {
            step.take(rotation(), first);
        } catch (IOException e) {
            assertThat(e.getMessage())
                    .containsAnyOf("prepared already", "no key is prepared", "is retired", "there is no key");
            assertThat(read()).as("the step had been taken").isNotEqualTo(before);
        }
        // Any step clears away.
        if (phases().containsValue(Phase.PREPARED)) {
            String _ = rotation().activate(Optional.empty(), true);
        } else {
            String _ = rotation().prepare();
        }
        assertThat(signing().canSign()).isTrue();
    }

    @Test
    void twoCommandsAtOnceExcludeEachOther() throws Exception {
        try (FileChannel held = FileChannel.open(
                        directory.resolve(".lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
                var _ = held.lock()) {
            assertRefused(() -> rotation().prepare(), "another command");
        }
        assertThat(rotation().prepare()).isNotEmpty();
    }

    @Test
    void whatIsNotWholeIsNotTouched() throws Exception {
        Path half = Files.createDirectory(directory.resolve("half"));
        assertRefused(() -> rotation().prepare(), half.resolve("kid") + ": is missing");
        Files.writeString(half.resolve("kid"), "half\n");
        assertRefused(() -> rotation().prepare(), half.resolve("public.pem") + ": is missing");

        Files.copy(directory.resolve(first).resolve("public.pem"), half.resolve("public.pem"));
        assertRefused(() -> rotation().prepare(), "same key", first, "remove one of the two");
        assertRefused(this::read, "same key", first, "remove one of the two");
        try (Stream<Path> left = Files.list(directory)) {
            assertThat(left.filter(path -> !path.getFileName().toString().startsWith(".")))
                    .hasSize(3);
        }
    }

    @Test
    void aDamagedActiveFileIsRefused() throws Exception {
        Path active = directory.resolve("active");
        for (String text : List.of(
                first + "\nk1\n",
                first + "\nk1 yesterday\n",
                first + "\n" + first + " 2026-01-02T03:04:05Z\n",
                first + "\nk1 2026-01-02T03:04:05Z\nk1 2026-01-02T03:04:05Z\n",
                first + " 2026-01-02T03:04:05Z\n")) {
            Files.writeString(active, text);
            assertRefused(this::read, active + ": ");
            assertRefused(() -> rotation().prepare(), active + ": ");
        }
    }

    @Test
    void anExportedCopyIsReadAndNotRotated() throws Exception {
        String second = rotation().prepare();
        String _ = rotation().activate(Optional.empty(), true);
        String third = rotation().prepare();
        Path copy = temp.resolve("copy");
        Path open = temp.resolve("open");

        rotation().export(copy, false);
        rotation().export(open, true);

        KeySet read = KeyDirectory.read(copy, Use.SIGN_AND_PUBLISH);
        assertThat(read.publicKeys().toJwks()).isEqualTo(read().publicKeys().toJwks());
        SigningKeys signing = read.signingKeys().orElseThrow();
        assertThat(signing.active().keyId()).isEqualTo(second);
        assertThat(signing.find(first)).isNotNull();
        assertThat(signing.find(third)).isNotNull();
        assertThat(KeyDirectory.read(open, Use.VERIFY).publicKeys().toJwks())
                .isEqualTo(read().publicKeys().toJwks());
        try (Stream<Path> files = Files.list(open)) {
            assertThat(files.map(path -> path.getFileName().toString()))
                    .contains(first + ".public.pem", "active")
                    .noneMatch(name -> name.contains("signing"));
        }
        assertRefused(() -> KeyDirectory.read(open, Use.SIGN), "signing.pem: is missing");
        assertRefused(() -> rotation().export(copy, false), "exists");
        directory = copy;
        assertThat(phases()).containsEntry(first, Phase.RETIRING).containsEntry(third, Phase.PREPARED);
        assertRefused(() -> rotation().prepare(), "exported copy");
    }

    @Test
    void aTaintTravelsWithTheCopy() throws Exception {
        String second = rotation().taint(first, "stolen");
        rotation().export(temp.resolve("copy"), true);

        assertThat(KeyDirectory.readPublic(temp.resolve("copy")).keyIds()).containsExactly(second);
    }

    @Test
    void theGatewaysOneKeyIsNotRotatedInPlace() throws Exception {
        Path flat = Files.createDirectory(temp.resolve("flat"));
        for (String name : List.of("signing.pem", "public.pem", "kid")) {
            Files.copy(directory.resolve(first).resolve(name), flat.resolve(name));
        }
        Files.setPosixFilePermissions(
                flat.resolve("signing.pem"),
                Files.getPosixFilePermissions(directory.resolve(first).resolve("signing.pem")));
        directory = flat;

        assertThat(phases()).isEqualTo(Map.of(first, Phase.ACTIVE));
        assertRefused(() -> rotation().prepare(), "without a folder", "copy it to a new directory");
    }

    @Test
    void assertionKeysNeedOnlySeconds() {
        assertThat(Windows.ofAssertions(Duration.ofSeconds(10), Duration.ofSeconds(60)))
                .isEqualTo(new Windows(Duration.ofSeconds(10), Duration.ofSeconds(10), Duration.ofSeconds(190)));
    }
}
